"""All scores between a stack of writers and a stack of readers, as inner products of their Gram matrices.

||W B||^2 = <W^T W, B B^T>: d^2 operations a pair (half of that by symmetry) where the product of rank h factors takes
2 d h^2. Must not know what the sides are of.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.circuits.weights.composition_sides import Side

TILE = 64  # rows of a Gram matrix that are formed in one go
SLICE = 1 << 15  # products that are summed in the weights' precision before they are summed in float64
CANCELLED = 1e-4  # a square below this share of the ceiling's has lost digits to the sum it comes from


def packed_length(d_model: int) -> int:
    """How many numbers one packed Gram matrix has, a little over d^2 / 2."""
    return sum(min(TILE, d_model - start) * (d_model - start) for start in range(0, d_model, TILE))


def pack(side: Side, out: Tensor, doubled: bool = False) -> None:
    """Writes the upper halves of the Gram matrices into `out`, (n, packed_length).

    `doubled` counts twice what is off the diagonal tiles: an inner product takes one matrix plain and one doubled.
    """
    rows, filled, d = side.whitened, 0, side.whitened.shape[2]
    for start in range(0, d, TILE):
        height, width = min(TILE, d - start), d - start
        panel = out[:, filled : filled + height * width].unflatten(1, (height, width))  # (n, t, d - start)
        torch.bmm(rows[:, :, start : start + TILE].mT, rows[:, :, start:], out=panel)
        if doubled:
            panel[:, :, height:] *= 2
        filled += height * width


def squares(writers: Tensor, readers: Tensor) -> Tensor:
    """Writers packed doubled (N, p) and readers packed plain (M, p) to the squares of their scores, (N, M) float64."""
    total = torch.zeros(len(writers), len(readers), dtype=torch.float64)
    for left, right in zip(writers.split(SLICE, dim=1), readers.split(SLICE, dim=1), strict=True):
        total += (left @ right.T).double()
    return total


def roots(squares: Tensor, writers: Sequence[Tensor], readers: Tensor, ceiling: Tensor) -> Tensor:
    """The scores (N, M). Pairs that miss each other, or nearly, are computed again from writers and readers (r, d)."""
    scores = squares.clamp(min=0).sqrt()
    for i, j in (squares < CANCELLED * ceiling.square()).nonzero().tolist():
        scores[i, j] = product_norm(writers[i], readers[j])
    return scores


def product_norm(writer: Tensor, reader: Tensor) -> Tensor:
    """The score of one writer (r, d) and one reader (s, d), both whitened."""
    return torch.linalg.matrix_norm((writer @ reader.T).double())
