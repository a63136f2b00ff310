"""What the composition diagram and the matrix show: scores of pairs, which of them become edges, and their words.

Pure functions of plain values; knows nothing of drawing. Nodes are named as in the literature: `0.3` for a head,
`embed`, `pos` and `unembed` for the ends of the residual stream.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from engine.model.config import HeadRef
from gui.theme import Role

Kind = Literal["q", "k", "v"]
EdgeKind = Literal["q", "k", "v", "unembed"]
Floats = NDArray[np.float64]

KINDS: tuple[Kind, ...] = get_args(Kind)
EMBED, POSITIONS, UNEMBED = "embed", "pos", "unembed"
ENDS = (EMBED, POSITIONS, UNEMBED)
READS = {"q": "queries", "k": "keys", "v": "values", "unembed": "logits"}
ROLE_WORDS: Mapping[Role, str] = {"previous": "previous", "induction": "induction", "duplicate": "duplicate"}
SHORT_WORDS: Mapping[Role, str] = {"previous": "prev", "induction": "ind", "duplicate": "dup"}
CAVEAT = "possible, not proven: path-patch it"
MOST_EDGES = 300  # more would be a thicket, and slow to draw
_TITLES = {EMBED: "token embedding", POSITIONS: "position embedding", UNEMBED: "unembedding"}


class Edge(NamedTuple):
    """`writer` feeds the queries, keys or values of `reader`, or the logits where the reader is the unembedding."""

    writer: str
    reader: str
    kind: EdgeKind


@dataclass(frozen=True, eq=False)
class PairScores:
    """Numbers of many pairs of one kind, arrays of one shape; NaN where a pair is out of order or not defined.

    `fraction` is the score's share of its ceiling, 0 to 1. `rank` 1 is the largest fraction among the model's own
    pairs of heads of that kind (for the ends: among theirs); a pair without a rank is never drawn as an edge.
    """

    score: Floats
    baseline: Floats
    z: Floats
    ceiling: Floats
    fraction: Floats
    rank: Floats


@dataclass(frozen=True)
class Figures:
    """The numbers of one edge; `of` is how many pairs its rank is counted among."""

    score: float
    baseline: float
    z: float
    ceiling: float
    fraction: float
    rank: int | None
    of: int


@dataclass(frozen=True, eq=False)
class Composition:
    """All pairs of one model.

    `writers` (W) are `embed`, `pos` where there is one, and heads in layer order; `readers` (R) are heads in layer
    order. `kinds` has arrays (W, R), `unembed` arrays (W,).
    """

    writers: tuple[str, ...]
    readers: tuple[str, ...]
    kinds: Mapping[Kind, PairScores]
    unembed: PairScores | None = None

    @cached_property
    def rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.writers)}

    @cached_property
    def columns(self) -> dict[str, int]:
        return {name: column for column, name in enumerate(self.readers)}

    @cached_property
    def heads(self) -> tuple[HeadRef, ...]:
        """Every head that writes or reads, in layer order."""
        return tuple(sorted(HeadRef.parse(name) for name in {*self.writers, *self.readers} - {*ENDS}))

    @cached_property
    def head_rows(self) -> NDArray[np.bool_]:
        """Which writers are heads, (W,)."""
        return np.array([name not in ENDS for name in self.writers], dtype=bool)

    def figures(self, edge: Edge) -> Figures | None:
        """The numbers of an edge, None where there is no such pair."""
        row = self.rows.get(edge.writer)
        table = self.unembed if edge.kind == "unembed" else self.kinds.get(edge.kind)
        if row is None or table is None:
            return None
        if edge.kind == "unembed":
            place: tuple[int, ...] = (row,)
        elif edge.reader in self.columns:
            place = (row, self.columns[edge.reader])
        else:
            return None
        if not math.isfinite(table.fraction[place]):
            return None
        rank = float(table.rank[place])
        numbers = (float(getattr(table, name)[place]) for name in ("score", "baseline", "z", "ceiling", "fraction"))
        return Figures(
            *numbers, rank=int(rank) if math.isfinite(rank) else None, of=self._ranked[edge.kind, edge.writer in ENDS]
        )

    @cached_property
    def _ranked(self) -> dict[tuple[EdgeKind, bool], int]:
        """How many pairs have a rank, by kind and by whether an end writes: ends are ranked among themselves."""
        tables: dict[EdgeKind, PairScores] = {**self.kinds}
        if self.unembed is not None:
            tables["unembed"] = self.unembed
        return {
            (kind, ends): int(np.isfinite(table.rank[self.head_rows != ends]).sum())
            for kind, table in tables.items()
            for ends in (False, True)
        }


@dataclass(frozen=True)
class HeadMark:
    """How a head's node looks: its role, that role's score from 0 to 1, and whether it is out of the model."""

    role: Role = "none"
    score: float = 0.0
    removed: bool = False


@dataclass(frozen=True)
class Filter:
    """Which edges are drawn: the `top` first of each kind, from `threshold` of the ceiling up; `ends`: those too."""

    top: int = 12
    threshold: float = 0.0
    kinds: frozenset[Kind] = frozenset(KINDS)
    ends: bool = False


@dataclass(frozen=True)
class Shown:
    """Edges with their fraction of the ceiling, the weakest first, and how many there are with the hidden ones."""

    fractions: Mapping[Edge, float] = field(default_factory=dict)
    total: int = 0

    @property
    def hidden(self) -> int:
        return self.total - len(self.fractions)


def shown(composition: Composition, chosen: Filter) -> Shown:
    """The edges that pass, at most MOST_EDGES of them, the strongest."""
    found: list[tuple[float, Edge]] = []
    total = 0
    for kind in (kind for kind in KINDS if kind in chosen.kinds):
        table = composition.kinds.get(kind)
        if table is not None:
            known = np.isfinite(table.fraction) & (chosen.ends | composition.head_rows)[:, None]  # (W, R)
            total += int(known.sum())
            rows, columns = np.nonzero(known & _passing(table, chosen))
            found += [
                (float(table.fraction[row, column]), Edge(composition.writers[row], composition.readers[column], kind))
                for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            ]
    if chosen.ends and composition.unembed is not None:
        table = composition.unembed
        total += int(np.isfinite(table.fraction).sum())
        found += [
            (float(table.fraction[row]), Edge(composition.writers[row], UNEMBED, "unembed"))
            for row in np.nonzero(_passing(table, chosen))[0].tolist()
        ]
    found.sort()
    return Shown({edge: fraction for fraction, edge in found[-MOST_EDGES:]}, total)


def _passing(table: PairScores, chosen: Filter) -> NDArray[np.bool_]:
    return (table.rank <= chosen.top) & (table.fraction >= max(chosen.threshold, 0.0))  # NaN passes neither


def path_of(edge: Edge, edges: Iterable[Edge]) -> list[Edge]:
    """The edges into its writer, itself, and the edges out of its reader."""
    around = [other for other in edges if edge.writer == other.reader or edge.reader == other.writer]
    return [*around, edge]


def touching(node: str, edges: Iterable[Edge]) -> list[Edge]:
    """The edges into and out of a node."""
    return [edge for edge in edges if node in (edge.writer, edge.reader)]


def edge_words(edge: Edge, figures: Figures | None) -> str:
    """One line with every number of an edge and what it does not say."""
    name = f"{edge.writer} → {edge.reader}, {READS[edge.kind]}"
    if edge.kind != "unembed":
        name += f" ({edge.kind.upper()})"
    if figures is None:
        return f"{name}: no such pair, a head is read only by later layers"
    rank = "not ranked" if figures.rank is None else f"rank {figures.rank:,} of {figures.of:,}"
    z = "z not measured" if math.isnan(figures.z) else f"z {figures.z:+.1f}"
    return (
        f"{name}: {figures.fraction:.2f} of its ceiling {figures.ceiling:.3f} · score {figures.score:.3f}, "
        f"random {figures.baseline:.3f}, {z} · {rank} · {CAVEAT}"
    )


def node_words(node: str, mark: HeadMark, edges: Iterable[Edge]) -> str:
    """One line on a node: what it is and how many of its edges are drawn."""
    near = touching(node, edges)
    into = sum(edge.reader == node for edge in near)
    if node in ENDS:
        what = f"The {_TITLES[node]}"
    else:
        head = HeadRef.parse(node)
        what = f"Head {node} (layer {head.layer}, head {head.head})"
    if mark.role in ROLE_WORDS:
        what += f", {ROLE_WORDS[mark.role]} {mark.score:.2f}"
    if mark.removed:
        what += ", removed from the model for now"
    return f"{what}; edges shown: {into} in, {len(near) - into} out"


def count_words(seen: Shown, chosen: Filter) -> str:
    """How many edges are drawn, how many are not, and why."""
    if not seen.total:
        return "No pair of heads can compose here: it takes two layers."
    if not seen.hidden:
        return f"All {seen.total} edges shown."
    number = len(seen.fractions)
    each = "" if len(chosen.kinds) == 1 and not chosen.ends else " of each kind"
    why = f"not among the {chosen.top} strongest{each}"
    if chosen.threshold > 0:
        why += f", or under {chosen.threshold:.2f} of their ceiling"
    shown_words = f"{number or 'No'} edge{'' if number == 1 else 's'} shown"
    return f"{shown_words}, {seen.hidden:,} of {seen.total:,} hidden: {why}."
