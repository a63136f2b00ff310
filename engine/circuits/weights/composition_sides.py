"""The side that a matrix turns to the stream: what composition needs of a writer or a reader, and nothing else.

For a writer W (n, d) and a reader B (d, m) the score is ||W B|| / (||W|| ||B||), which depends on W only through
its Gram matrix W^T W over the stream, on B only through B B^T. A head's matrices have rank h, so a side is kept as
h rows; its Gram matrix is formed only while it is compared.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.circuits.weights.view import HeadWeights, Weights
from engine.model.config import ModelConfig
from engine.model.transformer import Rotation

NOTHING = 1e-6  # share of the largest possible product that float32 rounding alone can leave
ROWS = 4096  # of an embedding that are held in float64 at a time


@dataclass(frozen=True)
class Side:
    """n matrices, each divided by its norm; NaN where a matrix is zero, so its scores are undefined.

    whitened (n, r, d): rows whose Gram matrix over the stream is that of the matrix.
    shares (n, r) float64: the squared singular values, descending, which sum to 1.
    """

    whitened: Tensor
    shares: Tensor

    def __getitem__(self, wanted: slice) -> Side:
        return Side(self.whitened[wanted], self.shares[wanted])


@dataclass(frozen=True)
class LayerSides:
    """How the heads of a layer meet the stream: what W_QK reads for queries `q` and keys `k`, W_OV reads and writes."""

    q: Side
    k: Side
    v: Side
    writes: Side


def layer_sides(weights: Weights, number: int, offset: int | None = None) -> LayerSides:
    """All heads of a layer. Memory 8 H d h.

    Rotary models have one W_QK for each offset D from destination to source, W_Q R_D W_K^T. With `offset` None their
    queries' and keys' sides are those of W_Q and W_K alone.
    """
    heads = weights.layer(number)
    v, writes = both_sides(heads.W_V, heads.W_O.mT)
    if weights.config.positions == "rotary" and offset is None:
        return LayerSides(one_side(heads.W_Q), one_side(heads.W_K), v, writes)
    W_Q = heads.W_Q if offset is None else turned(weights.config, heads, offset)
    return LayerSides(*both_sides(W_Q, heads.W_K), v, writes)


def turned(config: ModelConfig, heads: HeadWeights, offset: int) -> Tensor:
    """W_Q R_D (H, d, h), so that W_Q R_D W_K^T gives the scores of sources D places back."""
    return Rotation(config, torch.tensor([[offset]]), heads.W_Q).turn(heads.W_Q[None])[0]


def both_sides(left: Tensor, right: Tensor) -> tuple[Side, Side]:
    """The two sides of left @ right^T, both (n, d, h): the one that `left` turns to the stream, and `right`'s."""
    core_l, core_r = _core(left), _core(right)  # (n, r, h)
    singular = torch.linalg.svdvals((core_l @ core_r.mT).double())  # (n, r)
    size = _size(singular, _norm(core_l) * _norm(core_r))  # (n)
    shares, scale = (singular / size[:, None]).square(), size.to(left)[:, None, None]
    return Side(core_r / scale @ left.mT, shares), Side(core_l / scale @ right.mT, shares)


def one_side(reader: Tensor) -> Side:
    """The side of readers (n, d, h) themselves."""
    singular = torch.linalg.svdvals(_core(reader).double())  # (n, r)
    size = _size(singular, torch.zeros_like(singular[:, 0]))  # (n)
    return Side(reader.mT / size.to(reader)[:, None, None], (singular / size[:, None]).square())


def table_side(table: Tensor) -> Side:
    """The side of one long table (V, d), through its d x d Gram matrix. Cost V d^2, memory 4096 rows and 3 d^2."""
    gram = table.new_zeros(table.shape[1], table.shape[1], dtype=torch.float64)  # (d, d)
    for rows in table.split(ROWS):
        gram.addmm_(rows.double().T, rows.double())
    values, vectors = torch.linalg.eigh(gram)
    shares = values.flip(0).clamp(min=0)  # (d)
    shares = shares / shares.sum()  # 0/0 is NaN: a table of zeros has no side
    return Side((shares.sqrt()[:, None] * vectors.T.flip(0))[None].to(table), shares[None])


def _core(x: Tensor) -> Tensor:
    """(n, d, h) to (n, r, h), the same Gram matrix over the last dimension."""
    return torch.linalg.qr(x, mode="r").R


def _norm(x: Tensor) -> Tensor:
    return torch.linalg.matrix_norm(x.double())


def _size(singular: Tensor, limit: Tensor) -> Tensor:
    """Frobenius norms (n); NaN where nothing or only rounding is left of a product that could be `limit`."""
    size = singular.square().sum(1).sqrt()
    return size.where(size > NOTHING * limit, torch.nan)
