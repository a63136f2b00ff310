"""Composition scores multiplied out in full, in float64: what the quick ones must agree with."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.circuits.weights.composition import scan
from engine.circuits.weights.composition_edges import CompositionScores, Kind, merged
from engine.circuits.weights.view import Weights
from engine.model.config import HeadRef
from engine.model.transformer import Transformer

KINDS_OF_HEADS: tuple[Kind, ...] = ("q", "k", "v")


def dense(weights: Weights, head: HeadRef) -> tuple[Tensor, Tensor]:
    """W_OV and W_QK of one head, (d, d) float64."""
    parts = weights.head(head)
    return parts.W_V.double() @ parts.W_O.double(), parts.W_Q.double() @ parts.W_K.double().T


def dense_score(written: Tensor, read: Tensor) -> float:
    return float((written @ read).norm() / (written.norm() * read.norm()))


def dense_ceiling(written: Tensor, read: Tensor) -> float:
    s, t = torch.linalg.svdvals(written), torch.linalg.svdvals(read)
    rank = min(len(s), len(t))
    return float((s[:rank] * t[:rank]).norm() / (s.norm() * t.norm()))


def reads(weights: Weights, reader: HeadRef, kind: Kind) -> Tensor:
    """What kind of composition multiplies W_OV of the writer with, (d, d) or (d, h)."""
    W_OV, W_QK = dense(weights, reader)
    if weights.config.positions == "rotary":
        heads = weights.head(reader)
        return {"q": heads.W_Q, "k": heads.W_K, "v": W_OV}[kind].double()
    return {"q": W_QK, "k": W_QK.T, "v": W_OV}[kind]


def every_score(model: Transformer, folded: bool = True, offset: int | None = None) -> dict[Kind, CompositionScores]:
    return merged(block for blocks in scan(Weights(model, folded), offset) for block in blocks)


def rows_of(scores: CompositionScores) -> list[dict[str, str | float | None]]:
    return [edge.row() for edge in scores.edges()]
