"""The full OV circuit of a head, or of two heads in a row, as a page shows it; shared by studies of heads and pairs."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.circuits.weights.factored import Factored
from engine.circuits.weights.ovqk import sampled_tokens, token_embedding
from engine.model.transformer import Transformer
from engine.work.circuit_results import OVCircuit, TokenMoves, TokenValue
from engine.work.jobs.running import frozen
from engine.work.state import OpenModel

MOVES = 5
SEED = 0  # of the sampled source tokens, as in the table of scores


def ov_circuit(circuit: Factored, reads: Tensor, tokens: Sequence[int], opened: OpenModel) -> OVCircuit:
    """`circuit` is over the raw vocabulary; `reads` (n, h) are its left side for the distinct prompt `tokens` (n)."""
    sources = sampled_tokens(opened.model.config.vocabulary, SEED)
    zero = circuit.is_zero()
    rates = None if zero else circuit.diagonal_rates(sources)
    return OVCircuit(
        eigenvalues=frozen(circuit.eigenvalues()),
        copying=circuit.eigenvalue_score(),
        top1=None if rates is None else rates.top1,
        top5=None if rates is None else rates.top5,
        n_tokens=len(sources),
        identity_cosine=circuit.identity_cosine(),
        identity_ceiling=circuit.identity_ceiling,
        moves=_moves(Factored(reads, circuit.right), tokens, opened),
    )


def _moves(circuit: Factored, tokens: Sequence[int], opened: OpenModel) -> dict[int, TokenMoves]:
    found = circuit.extremes(torch.arange(len(tokens)), min(MOVES, circuit.shape[1] // 2))
    means = circuit.left @ circuit.right.mean(1)  # (n)
    text = opened.tokenizer.token_text

    def listed(place: int, values: Tensor, columns: Tensor) -> tuple[TokenValue, ...]:
        leads = (values[place] - means[place]).tolist()
        return tuple(TokenValue(n, text(n), lead) for n, lead in zip(columns[place].tolist(), leads, strict=True))

    return {
        token: TokenMoves(
            token,
            text(token),
            listed(place, found.largest, found.largest_columns),
            listed(place, found.smallest, found.smallest_columns),
        )
        for place, token in enumerate(tokens)
    }


def embedded(model: Transformer, tokens: Sequence[int]) -> Tensor:
    """(n, d): what stands in the stream for these tokens, completed by the first MLP where there is one."""
    return token_embedding(model, kind_of_embedding(model), torch.tensor(tokens))


def kind_of_embedding(model: Transformer) -> str:
    """Models with an MLP finish their token embedding in it."""
    return "effective" if model.config.d_mlp else "raw"
