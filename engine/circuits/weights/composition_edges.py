"""The scores of many pairs of one kind of composition, as matrices to draw and as edges to list.

`kind` says what of the reader the writer feeds: its queries `q`, keys `k` or values `v`, or `unembed`, the logits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from engine.model.config import HeadRef

Kind = Literal["q", "k", "v", "unembed"]
End = Literal["embed", "pos", "unembed"]
Node = HeadRef | End


@dataclass(frozen=True)
class Edge:
    """One pair; what is undefined is None. `rank` 1 is the largest fraction of the ceiling, equal ones share it."""

    writer: Node
    reader: Node
    kind: Kind
    score: float | None
    baseline: float
    z: float | None
    ceiling: float | None
    fraction: float | None
    rank: int | None
    offset: int | None

    def row(self) -> dict[str, str | float | None]:
        """The edge as plain values, nodes as `0.3`, `embed`, `pos` or `unembed`."""
        numbers = {name: getattr(self, name) for name in ("score", "baseline", "z", "ceiling", "fraction", "rank")}
        return {"from": str(self.writer), "to": str(self.reader), "kind": self.kind, **numbers, "offset": self.offset}


@dataclass(frozen=True)
class CompositionScores:
    """Writers in rows, readers in columns; (N, M) float64, NaN where a pair is out of order, undefined or not measured.

    `baseline` is the score of random matrices, 1/sqrt(d); `offset` the rotary distance that the scores hold for.
    """

    kind: Kind
    writers: tuple[Node, ...]
    readers: tuple[Node, ...]
    score: Tensor
    z: Tensor
    ceiling: Tensor
    baseline: float
    offset: int | None

    @property
    def fraction(self) -> Tensor:
        """Score over ceiling, 1 where the two matrices are aligned as well as their spectra allow; (N, M)."""
        return self.score / self.ceiling

    @property
    def rank(self) -> Tensor:
        """Each pair's place by fraction among the pairs held here, 1 the largest; equal ones share a place; (N, M)."""
        fraction = self.fraction
        known = fraction[~fraction.isnan()].sort().values
        place = 1 + len(known) - torch.searchsorted(known, fraction, right=True)  # (N, M)
        return place.double().where(~fraction.isnan(), torch.nan)

    def edges(self, top: int | None = None) -> list[Edge]:
        """Every pair in order, or the `top` first ones: by fraction, the largest first, undefined ones last."""
        fraction, rank = self.fraction, self.rank
        ordered = fraction.nan_to_num(-1.0).flatten().argsort(descending=True, stable=True)
        places = [divmod(place, len(self.readers)) for place in ordered.tolist()]
        places = [(i, j) for i, j in places if depth(self.writers[i]) < depth(self.readers[j])][:top]
        columns = [matrix.tolist() for matrix in (self.score, self.z, self.ceiling, fraction, rank)]
        return [self._edge(i, j, *(column[i][j] for column in columns)) for i, j in places]

    def _edge(self, i: int, j: int, score: float, z: float, ceiling: float, fraction: float, rank: float) -> Edge:
        return Edge(
            writer=self.writers[i],
            reader=self.readers[j],
            kind=self.kind,
            score=_defined(score),
            baseline=self.baseline,
            z=_defined(z),
            ceiling=_defined(ceiling),
            fraction=_defined(fraction),
            rank=None if math.isnan(rank) else int(rank),
            offset=self.offset,
        )


def merged(blocks: Iterable[CompositionScores]) -> dict[Kind, CompositionScores]:
    """Blocks of any kinds, all there are or the first few, to one matrix for each kind; NaN where no block was."""
    kinds: dict[Kind, list[CompositionScores]] = {}
    for block in blocks:
        kinds.setdefault(block.kind, []).append(block)
    return {kind: _merged(parts) for kind, parts in kinds.items()}


def _merged(parts: list[CompositionScores]) -> CompositionScores:
    writers = tuple(dict.fromkeys(node for part in parts for node in part.writers))
    readers = tuple(dict.fromkeys(node for part in parts for node in part.readers))
    rows, columns = ({node: place for place, node in enumerate(nodes)} for nodes in (writers, readers))
    whole = torch.full((3, len(writers), len(readers)), torch.nan, dtype=torch.float64)
    for part in parts:
        i, j = [rows[node] for node in part.writers], [columns[node] for node in part.readers]
        whole[:, torch.tensor(i)[:, None], torch.tensor(j)] = torch.stack((part.score, part.z, part.ceiling))
    score, z, ceiling = whole.unbind()
    first = parts[0]
    return CompositionScores(first.kind, writers, readers, score, z, ceiling, first.baseline, first.offset)


def depth(node: Node) -> float:
    """Where a node stands along the stream: a writer feeds a reader only if it is less deep."""
    return node.layer if isinstance(node, HeadRef) else math.inf if node == "unembed" else -1


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
