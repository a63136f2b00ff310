"""What the engine answers about circuits: frozen values with read-only numpy arrays. No torch, no Qt.

A number that is not defined or not measured is None, or NaN inside an array; never a made-up value.
T positions, S sources of the stream, W writers, R readers, h d_head.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.circuits.interventions.values import Intervention
from engine.model.config import HeadRef
from engine.work.requests import Pair, PairKind, Prompt

Floats = NDArray[np.float64]
EMBED, POSITIONS, UNEMBED = "embed", "pos", "unembed"
ENDS = (EMBED, POSITIONS, UNEMBED)


class TokenValue(NamedTuple):
    """A token of the vocabulary and a number about it."""

    id: int
    text: str
    value: float


# ---------------------------------------------------------------- composition, from weights
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
class PairFigures:
    """The numbers of one pair; `of` is how many pairs its rank is counted among."""

    score: float
    baseline: float
    z: float
    ceiling: float
    fraction: float
    rank: int | None
    of: int


@dataclass(frozen=True, eq=False)
class Composition:
    """All pairs of one model (Elhage et al. 2021), from weights.

    `writers` (W) are `embed`, `pos` where there is one, and heads in layer order; `readers` (R) are heads in layer
    order. `kinds` has arrays (W, R) for q, k and v, `unembed` arrays (W,). `offset`: the rotary distance that q and k
    hold for, None for the reading score, which no distance enters.
    """

    writers: tuple[str, ...]
    readers: tuple[str, ...]
    kinds: Mapping[PairKind, PairScores]
    unembed: PairScores | None = None
    offset: int | None = None
    model_hash: str = ""

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

    def figures(self, pair: Pair) -> PairFigures | None:
        """The numbers of a pair, None where there is no such pair."""
        row = self.rows.get(pair.writer)
        table = self.unembed if pair.kind == "unembed" else self.kinds.get(pair.kind)
        if row is None or table is None:
            return None
        if pair.kind == "unembed":
            place: tuple[int, ...] = (row,)
        elif pair.reader in self.columns:
            place = (row, self.columns[pair.reader])
        else:
            return None
        if not math.isfinite(table.fraction[place]):
            return None
        rank = float(table.rank[place])
        return PairFigures(
            score=float(table.score[place]),
            baseline=float(table.baseline[place]),
            z=float(table.z[place]),
            ceiling=float(table.ceiling[place]),
            fraction=float(table.fraction[place]),
            rank=int(rank) if math.isfinite(rank) else None,
            of=self._ranked[pair.kind, pair.writer in ENDS],
        )

    @cached_property
    def _ranked(self) -> dict[tuple[PairKind, bool], int]:
        """How many pairs have a rank, by kind and by whether an end writes: ends are ranked among themselves."""
        tables: dict[PairKind, PairScores] = {**self.kinds}
        if self.unembed is not None:
            tables["unembed"] = self.unembed
        return {
            (kind, ends): int(np.isfinite(table.rank[self.head_rows != ends]).sum())
            for kind, table in tables.items()
            for ends in (False, True)
        }


# ---------------------------------------------------------------- the circuit on one prompt
@dataclass(frozen=True, eq=False)
class PromptCircuit:
    """What every writer gives every reader at one position of one run, split exactly with the norms' scales frozen.

    Every reader is looked at where it attends most from `destination`: `sources` (R,) are those keys, `attention` (R,)
    the weights there. `contributions` (W, R): for q and k the writer's part of the row-centred score of that cell; for
    v its part, through the reader's values at all keys, of the logit of `token` less the mean logit. `direct` (W,):
    what each writer adds to that logit straight through the unembedding. `shares`: each contribution's magnitude
    over the sum of the magnitudes of all sources of that reader and kind, biases and MLPs included, 0 to 1.
    """

    prompt: Prompt
    interventions: tuple[Intervention, ...]
    destination: int
    token: TokenValue
    writers: tuple[str, ...]
    readers: tuple[str, ...]
    sources: NDArray[np.int64]
    attention: Floats
    contributions: Mapping[PairKind, Floats]
    shares: Mapping[PairKind, Floats]
    direct: Floats


@dataclass(frozen=True)
class PathEffect:
    """One path patched: `value` is the share of the way, 0 to 1, from the run that is patched to the other one.

    `direction`: "noising" puts the corrupt path into the clean run, "denoising" the other way round. `metric`:
    "attention", of the reader on the place that follows the earlier copy, or "logit", of the token there less the mean.
    """

    kind: PairKind
    direction: str
    metric: str
    value: float | None
    clean: float
    corrupt: float


@dataclass(frozen=True)
class PathProof:
    """A pair path-patched by q, k and v on one prompt. `how` says in words what the corrupt run is; `source` is the
    key whose attention is measured. `control`: the same with the writers of its layer that are not it, together."""

    prompt: Prompt
    interventions: tuple[Intervention, ...]
    writer: HeadRef
    reader: HeadRef
    destination: int
    source: int
    how: str
    effects: tuple[PathEffect, ...]
    control: tuple[PathEffect, ...]
    control_heads: tuple[HeadRef, ...]


# ---------------------------------------------------------------- one head, or two as one
@dataclass(frozen=True)
class TokenMoves:
    """What attending to one position does to the logits, strongest first; logits less their mean."""

    promotes: tuple[TokenValue, ...]
    suppresses: tuple[TokenValue, ...]


@dataclass(frozen=True, eq=False)
class OVCircuit:
    """A full OV circuit: `eigenvalues` (h,) complex128, the largest first; rates over `n_tokens` source tokens.

    `moves` (T): for every position of the prompt. In attention-only models they are read off its token's embedding, in
    models with MLPs, where that says little, off the run's own stream there (`from_stream`).
    """

    eigenvalues: NDArray[np.complex128]
    copying: float | None
    top1: float | None
    top5: float | None
    n_tokens: int
    identity_cosine: float | None
    identity_ceiling: float
    moves: tuple[TokenMoves, ...]
    from_stream: bool


@dataclass(frozen=True, eq=False)
class HeadStudy:
    """One head from weights, on the tokens of one prompt.

    token_scores (T, T) float32: the score that token i's embedding gives token j's by the full QK circuit, NaN above
    the diagonal; in rotary models at the distance i - j. `embedding`: "raw", or "effective" where the first MLP
    completes it. positional (P, P) float32: the attention that positions alone give, None where the model has no
    position embeddings. by_offset (n,) float32: the mean score over the prompt's tokens of a key n places back, for
    rotary models and ALiBi, else None. `best` is the run's best guess, its value its chance; chance_without and
    loss_rise (nats a token) are what removing the head (zero) does to it and to the prompt.
    """

    prompt: Prompt
    head: HeadRef
    interventions: tuple[Intervention, ...]
    ov: OVCircuit
    token_scores: NDArray[np.float32]
    positional: NDArray[np.float32] | None
    by_offset: NDArray[np.float32] | None
    embedding: str
    best: TokenValue
    chance_without: float
    loss_rise: float | None


@dataclass(frozen=True)
class Firing:
    """A place in a text where a head attends strongly: tokens around it, and which attends to which."""

    texts: tuple[str, ...]
    destination: int
    source: int
    attention: float


@dataclass(frozen=True)
class Firings:
    """The strongest attention of a head, the first token of a text left out, in `n_tokens` of what `text` names.

    `mean` is the mean over those tokens of the strongest attention. Empty where the model cannot read the text.
    """

    model_hash: str
    head: HeadRef
    text: str
    n_tokens: int
    mean: float | None
    firings: tuple[Firing, ...]


@dataclass(frozen=True, eq=False)
class VirtualHead:
    """Two heads as one: `pattern` (T, T) float32 is A_reader A_writer, rows sum to 1."""

    prompt: Prompt
    interventions: tuple[Intervention, ...]
    writer: HeadRef
    reader: HeadRef
    pattern: NDArray[np.float32]
    ov: OVCircuit


# ---------------------------------------------------------------- why this attention, why this prediction
@dataclass(frozen=True)
class NoteFound:
    """What the earlier head that speaks most for this key wrote there: `names` is the token that the reader finds in
    it, `rank` the place among all tokens of `expected`, the token before the key; share of the centred score."""

    writer: HeadRef
    share: float | None
    expected: TokenValue
    names: TokenValue | None
    rank: int | None
    rank_by_likeness: int | None
    norm: float
    norm_before: float


@dataclass(frozen=True, eq=False)
class AttentionSplit:
    """One cell of a pattern. `terms` and `centred` (S, S) float64, query sources in rows, key sources in columns, in
    units of the score q.k/sqrt(h); `centred` is each term less its mean over the allowed keys. `weight`: the attention.
    `remainder`: measured score less the sum of terms. `merged`: sources are joined by layer, there being too many."""

    prompt: Prompt
    interventions: tuple[Intervention, ...]
    head: HeadRef
    query: int
    key: int
    weight: float
    names: tuple[str, ...]
    terms: Floats
    centred: Floats
    measured: float
    remainder: float
    merged: bool
    note: NoteFound | None

    @property
    def total(self) -> float:
        return float(self.terms.sum())


@dataclass(frozen=True)
class LensRow:
    """What the stream before a layer would predict: the token's logit less the mean, its rank, and the best guess
    (value: its chance). The last row is the model's own prediction."""

    layer: int
    logit: float
    rank: int
    chance: float
    best: TokenValue


@dataclass(frozen=True, eq=False)
class PredictionSplit:
    """A logit after `position` as a sum over `names`: `values` (S,) float64, which with `remainder` sum to `measured`.

    `token` is the one asked about (value: its chance), `against` the one it is compared with, None: the mean logit.
    `by_source` (T,) float64: the part of `head` by the token that it came from.
    """

    prompt: Prompt
    interventions: tuple[Intervention, ...]
    position: int
    token: TokenValue
    against: TokenValue | None
    names: tuple[str, ...]
    values: Floats
    measured: float
    remainder: float
    head: HeadRef
    by_source: Floats
    lens: tuple[LensRow, ...]


@dataclass(frozen=True)
class SweepRow:
    """What removing one component (zero) changes, after minus before: logit less the mean, chance, mean loss (nats)."""

    name: str
    logit: float
    chance: float
    loss: float | None


@dataclass(frozen=True)
class HeadSweep:
    """Every head, and MLP, removed by itself. `token`'s value is its chance with all in place, `logit` and `loss` are
    those then. `complete` is False while the sweep goes on."""

    prompt: Prompt
    interventions: tuple[Intervention, ...]
    position: int
    token: TokenValue
    logit: float
    loss: float | None
    rows: tuple[SweepRow, ...]
    complete: bool = True


CircuitAnswer = (
    Composition
    | PromptCircuit
    | PathProof
    | HeadStudy
    | Firings
    | VirtualHead
    | AttentionSplit
    | PredictionSplit
    | HeadSweep
)


def belongs_to(found: Any, prompt: Prompt, interventions: tuple[Intervention, ...]) -> bool:
    """Whether a result about a run is about this one."""
    return bool((found.prompt, found.interventions) == (prompt, interventions))
