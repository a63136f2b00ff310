"""The full OV circuit of a head, from weights alone: what attending to a token adds to every token's logit.

Rows are source tokens, columns the tokens whose logits change: W_E W_V W_O W_U, (V, V), of rank d_head at most
(Elhage et al. 2021). It is never formed: it is kept as two factors, (V, h) and (h, V).
Norm weights are folded into what reads the stream, and for LayerNorm the stream's mean is taken off there, so that
only the norms' scale per position (one positive number) is left out. The model's own weights never change.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.model.config import HeadRef
from engine.model.transformer import Attention, Layer, Normalisation, Transformer

SOURCES_WHEN_LARGE = 500
LARGE_VOCABULARY = 8192
BLOCK_ELEMENTS = 4_000_000  # of the (source, target) matrix at a time: 16 MB in float32
NOTHING = 1e-6  # share of the largest possible product that float32 rounding alone can leave


@dataclass(frozen=True)
class OVCircuit:
    """`reads` (V, h) = W_E W_V and `writes` (h, V) = W_O W_U; their product is the full OV circuit."""

    reads: Tensor
    writes: Tensor


def full_ov(model: Transformer, head: HeadRef) -> OVCircuit:
    """The factors of one head's full OV circuit, norms folded; memory 2 V h."""
    W_V, W_O = head_ov(model, head)  # (d, h), (h, d)
    return OVCircuit(model.W_E @ W_V, W_O @ folded_unembedding(model))


def head_ov(model: Transformer, head: HeadRef) -> tuple[Tensor, Tensor]:
    """W_V (d, h) with the layer's first norm folded in, and W_O (h, d). Grouped heads share their W_V."""
    layer = model.layers[head.layer]
    assert isinstance(layer, Layer)
    attention, h = layer.attention, model.config.d_head
    assert isinstance(attention, Attention)
    shared = head.head // (model.config.heads // model.config.kv_heads)
    W_V = attention.W_V[:, shared * h : (shared + 1) * h]
    return folded(layer.norm_1, W_V), attention.W_O[head.head * h : (head.head + 1) * h]


def folded_unembedding(model: Transformer) -> Tensor:
    """W_U (d, V) with the final norm folded in. Not centred over the vocabulary."""
    return folded(model.norm_final, model.unembedding)


def folded(norm: Normalisation, reader: Tensor) -> Tensor:
    """A matrix that reads the stream, (d, n), with the norm's weight in it and, for LayerNorm, blind to the mean."""
    if norm.kind == "none":
        return reader
    reader = norm.weight[:, None] * reader
    return reader - reader.mean(0) if norm.kind == "layer" else reader


def copying_eigenvalues(model: Transformer) -> list[float | None]:
    """The eigenvalue copying score of every head, in layer order; None where it is not defined.

    The nonzero eigenvalues of the V x V circuit are those of the h x h product W_O (W_U W_E) W_V taken the other way
    round, and the inner d x d matrix is the same for all heads (of a layer, up to the folded norm).
    Cost O(V d^2) once and O(d^2 h) a head; memory d^2.
    """
    inner = folded(model.norm_final, model.unembedding @ model.W_E)  # (d, d); folding works on the rows
    size = inner.norm()
    scores: list[float | None] = []
    for head in model.config.all_heads:
        W_V, W_O = head_ov(model, head)
        product = W_O @ inner @ W_V  # (h, h)
        limit = W_O.norm() * size * W_V.norm()
        scores.append(None if product.norm() <= NOTHING * limit else eigenvalue_score(product))
    return scores


def eigenvalue_score(product: Tensor) -> float | None:
    """Sum of the eigenvalues over the sum of their magnitudes, for a square matrix: 1 copies, -1 anti-copies.

    None when every eigenvalue is 0. Positive means copying on average, it is no proof (Elhage et al. 2021).
    """
    eigenvalues = torch.linalg.eigvals(product.double())  # (h) complex; pairs cancel their imaginary parts
    magnitude = float(eigenvalues.abs().sum())
    return float(eigenvalues.real.sum()) / magnitude if magnitude > 0 else None


@dataclass(frozen=True)
class DiagonalRates:
    """How often attending to a token raises that very token most, or among the five most; over `sources` tokens."""

    top1: float
    top5: float
    sources: int


def diagonal_rates(model: Transformer, head: HeadRef, seed: int = 0) -> DiagonalRates | None:
    """Diagonal top-1 and top-5 rates of the full OV circuit; None when the circuit is 0.

    All source tokens count, or 500 drawn with `seed` when the vocabulary exceeds 8,192. Ties count against.
    Memory: the factors and one block of rows, 16 MB.
    """
    circuit, size = full_ov(model, head), model.config.vocabulary
    if _is_zero(model, head, circuit):
        return None
    sources = torch.arange(size)
    if size > LARGE_VOCABULARY:
        generator = torch.Generator().manual_seed(seed)
        sources = torch.randperm(size, generator=generator)[:SOURCES_WHEN_LARGE].sort().values
    ranks = torch.cat([_diagonal_ranks(circuit, block) for block in sources.split(max(1, BLOCK_ELEMENTS // size))])
    return DiagonalRates(float((ranks < 1).double().mean()), float((ranks < 5).double().mean()), len(sources))


def _is_zero(model: Transformer, head: HeadRef, circuit: OVCircuit) -> bool:
    """Whether the head reads nothing that tokens write, or writes nothing that the unembedding reads."""
    W_V, W_O = head_ov(model, head)
    reads = circuit.reads.norm() > NOTHING * model.W_E.norm() * W_V.norm()
    writes = circuit.writes.norm() > NOTHING * W_O.norm() * folded_unembedding(model).norm()
    return not (reads and writes)


def _diagonal_ranks(circuit: OVCircuit, sources: Tensor) -> Tensor:
    """How many other tokens each source token raises as much as itself or more; (n)."""
    rows = circuit.reads[sources] @ circuit.writes  # (n, V)
    own = rows.gather(1, sources[:, None])  # (n, 1)
    return (rows >= own).sum(1, dtype=torch.int32) - 1
