"""The full OV circuit of a head, or of two heads in a row, as a page shows it; shared by studies of heads and pairs."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.circuits.weights.factored import Factored, product
from engine.circuits.weights.ovqk import Embedding, sampled_tokens
from engine.model.config import HeadRef
from engine.model.transformer import Transformer
from engine.work.circuit_results import OVCircuit, TokenMoves, TokenValue
from engine.work.jobs.explanation import Explainer
from engine.work.jobs.running import frozen
from engine.work.state import OpenModel

MOVES = 5
SEED = 0  # of the sampled source tokens, as in the table of scores


def ov_circuit(circuit: Factored, head: HeadRef, W_V: Tensor, explainer: Explainer) -> OVCircuit:
    """`circuit` is over the vocabulary; `head` is the one that reads, with W_V (d, h), and `explainer` the run."""
    opened = explainer.opened
    sources = sampled_tokens(opened.model.config.vocabulary, SEED)
    rates = None if circuit.is_zero() else circuit.diagonal_rates(sources)
    from_stream = bool(opened.model.config.d_mlp)
    if from_stream:
        stream = explainer.stream(frozenset({"embed", f"{head.layer}.v", "final.scale"}))
        reads = stream.tap(f"{head.layer}.v")[:, head.head] * stream.scale("final")[-1]  # (T, h)
    else:
        reads = product(opened.model.W_E[explainer.tokens[0]], W_V)  # (T, h)
    return OVCircuit(
        eigenvalues=frozen(circuit.eigenvalues()),
        copying=circuit.eigenvalue_score(),
        top1=None if rates is None else rates.top1,
        top5=None if rates is None else rates.top5,
        n_tokens=len(sources),
        identity_cosine=circuit.identity_cosine(),
        identity_ceiling=circuit.identity_ceiling,
        moves=_moves(Factored(reads, circuit.right), opened),
        from_stream=from_stream,
    )


def _moves(circuit: Factored, opened: OpenModel) -> tuple[TokenMoves, ...]:
    count, text = len(circuit.left), opened.tokenizer.token_text
    found = circuit.extremes(torch.arange(count), min(MOVES, circuit.shape[1] // 2))
    means = circuit.left @ circuit.right.mean(1)  # (T)

    def listed(place: int, values: Tensor, columns: Tensor) -> tuple[TokenValue, ...]:
        leads = (values[place] - means[place]).tolist()
        return tuple(TokenValue(n, text(n), lead) for n, lead in zip(columns[place].tolist(), leads, strict=True))

    return tuple(
        TokenMoves(
            listed(place, found.largest, found.largest_columns), listed(place, found.smallest, found.smallest_columns)
        )
        for place in range(count)
    )


def kind_of_embedding(model: Transformer) -> Embedding:
    """Models with an MLP finish their token embedding in it."""
    return "effective" if model.config.d_mlp else "raw"
