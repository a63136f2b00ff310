"""What the composition diagram and the matrix show: scores of pairs, which of them become edges, and their words.

Pure functions of plain values; knows nothing of drawing. Nodes are named as in the literature: `0.3` for a head,
`embed`, `pos` and `unembed` for the ends of the residual stream.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from engine.model.config import HeadRef
from engine.work.circuit_results import (
    EMBED,
    ENDS,
    POSITIONS,
    UNEMBED,
    Composition,
    Floats,
    PairFigures,
    PairScores,
    PromptCircuit,
)
from engine.work.requests import Pair, PairKind
from gui.theme import Role

Kind = Literal["q", "k", "v"]

KINDS: tuple[Kind, ...] = get_args(Kind)
READS = {"q": "queries", "k": "keys", "v": "values", "unembed": "logits"}
ROLE_WORDS: Mapping[Role, str] = {"previous": "previous", "induction": "induction", "duplicate": "duplicate"}
SHORT_WORDS: Mapping[Role, str] = {"previous": "prev", "induction": "ind", "duplicate": "dup"}
CAVEAT = "possible, not proven: path-patch it"
MOST_EDGES = 300  # more would be a thicket, and slow to draw
_TITLES = {EMBED: "token embedding", POSITIONS: "position embedding", UNEMBED: "unembedding"}


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

    fractions: Mapping[Pair, float] = field(default_factory=dict)
    total: int = 0

    @property
    def hidden(self) -> int:
        return self.total - len(self.fractions)


def shown(composition: Composition, chosen: Filter) -> Shown:
    """The edges that pass, at most MOST_EDGES of them, the strongest."""
    found: list[tuple[float, Pair]] = []
    total = 0
    for kind in (kind for kind in KINDS if kind in chosen.kinds):
        table = composition.kinds.get(kind)
        if table is not None:
            known = np.isfinite(table.fraction) & (chosen.ends | composition.head_rows)[:, None]  # (W, R)
            total += int(known.sum())
            rows, columns = np.nonzero(known & _passing(table, chosen))
            found += [
                (float(table.fraction[row, column]), Pair(composition.writers[row], composition.readers[column], kind))
                for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            ]
    if chosen.ends and composition.unembed is not None:
        table = composition.unembed
        total += int(np.isfinite(table.fraction).sum())
        found += [
            (float(table.fraction[row]), Pair(composition.writers[row], UNEMBED, "unembed"))
            for row in np.nonzero(_passing(table, chosen))[0].tolist()
        ]
    found.sort()
    return Shown({edge: fraction for fraction, edge in found[-MOST_EDGES:]}, total)


def _passing(table: PairScores, chosen: Filter) -> NDArray[np.bool_]:
    return (table.rank <= chosen.top) & (table.fraction >= max(chosen.threshold, 0.0))  # NaN passes neither


def of_prompt(circuit: PromptCircuit) -> Composition:
    """One prompt's circuit in the shape of a composition, to be drawn alike: in place of the fraction of a ceiling a
    writer's share of what the reader was given, times how much the reader adds to the prediction beside the head that
    adds most."""
    heads = np.array([name not in ENDS for name in circuit.writers], dtype=bool)  # (W,)
    direct = np.abs(circuit.direct)  # (W,)
    most = max(float(np.nanmax(direct[heads], initial=0.0)), 1e-12)
    relevance = direct[heads] / most  # (R,): readers are the heads, in the same order
    kinds: dict[PairKind, PairScores] = {
        kind: _drawn(circuit.contributions[kind], circuit.shares[kind] * relevance, heads) for kind in KINDS
    }
    return Composition(circuit.writers, circuit.readers, kinds, _drawn(circuit.direct, direct / most, heads))


def bare(layers: int, heads: int, positions: bool) -> Composition:
    """The heads of a model before anything is known of their pairs, so that they stand where they will stay."""
    names = tuple(str(HeadRef(layer, head)) for layer in range(layers) for head in range(heads))
    return Composition((EMBED, *((POSITIONS,) if positions else ()), *names), names, {})


def _drawn(value: Floats, strength: Floats, heads: NDArray[np.bool_]) -> PairScores:
    """(W, R) or (W,); ranks of heads and of ends apart; what has no random baseline has none."""
    rank = np.full(strength.shape, np.nan)
    for rows in (heads, ~heads):
        part = strength[rows]
        known = np.sort(part[np.isfinite(part)])
        rank[rows] = np.where(np.isfinite(part), 1 + len(known) - np.searchsorted(known, part, side="right"), np.nan)
    unknown = np.full(strength.shape, np.nan)
    return PairScores(value, unknown, unknown, unknown, np.minimum(strength, 1.0), rank)


def path_of(edge: Pair, edges: Iterable[Pair]) -> list[Pair]:
    """The edges into its writer, itself, and the edges out of its reader."""
    around = [other for other in edges if edge.writer == other.reader or edge.reader == other.writer]
    return [*around, edge]


def touching(node: str, edges: Iterable[Pair]) -> list[Pair]:
    """The edges into and out of a node."""
    return [edge for edge in edges if node in (edge.writer, edge.reader)]


def edge_words(edge: Pair, figures: PairFigures | None) -> str:
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


def node_words(node: str, mark: HeadMark, edges: Iterable[Pair]) -> str:
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
    """How many edges from weights are drawn, how many are not, and why."""
    if not seen.total:
        return "No pair of heads can compose here: it takes two layers."
    return f"From weights: {hidden_words(seen, chosen, f'under {chosen.threshold:.2f} of their ceiling')}."


def hidden_words(seen: Shown, chosen: Filter, weak: str) -> str:
    """`weak` says what it means to be under the threshold."""
    if not seen.hidden:
        return f"all {seen.total} edges shown"
    number = len(seen.fractions)
    each = "" if len(chosen.kinds) == 1 and not chosen.ends else " of each kind"
    why = f"not among the {chosen.top} strongest{each}"
    if chosen.threshold > 0:
        why += f", or {weak}"
    shown_words = f"{number or 'no'} edge{'' if number == 1 else 's'} shown"
    return f"{shown_words}, {seen.hidden:,} of {seen.total:,} hidden: {why}"


@dataclass(frozen=True)
class Telling:
    """How a diagram speaks: of one edge, of how many are hidden, and of thick lines. `relative`: the strongest edge
    between heads is as thick as can be, not one of strength 1."""

    edge: Callable[[Pair, PairFigures | None], str]
    counted: Callable[[Shown, Filter], str]
    thick: str
    relative: bool = False


FROM_WEIGHTS = Telling(edge_words, count_words, "thick: near its ceiling")
