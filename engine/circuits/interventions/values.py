"""What may be done to a run, as plain values that compose, each with its form in one line of text.

Each value can say whether it fits a model (`check`) and write itself down (`str`); lines.py reads that back. Carrying
them out is for ablation.py. Must not import torch: the window and the command line read these before torch is loaded.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Literal

from engine.model.config import HeadRef, ModelConfig

Kind = Literal["zero", "mean", "resample"]
Preserve = Literal["pattern", "value"]
Shape = Literal["previous", "offset", "induction", "uniform", "random", "painted"]
How = Literal["remove", "shuffle", "shift"]
Part = Literal["q", "k", "v"]
Swapped = Literal["z", "q", "k", "v", "pattern"]

ROW_SUM_TOLERANCE = 1e-6  # of a painted row; 0.333333,0.333333,0.333334 is as good as thirds


@dataclass(frozen=True)
class Ablate:
    """Heads and MLPs write something else: nothing, their mean, or what they write on other prompts.

    `positions` are the destinations at which they do; None is everywhere. `preserve` "pattern" holds all attention
    patterns of the whole model as they are without this (Olsson et al. 2022, pattern-preserving ablation), so that
    only what travels through values and to the logits is lost; "value" holds all values, so that what later heads
    read as values stays and their patterns may change (after Singh et al. 2024).
    """

    heads: tuple[HeadRef, ...] = ()
    mlps: tuple[int, ...] = ()
    positions: tuple[int, ...] | None = None
    kind: Kind = "zero"
    preserve: Preserve | None = None

    def check(self, config: ModelConfig) -> None:
        """Raises ValueError when the model has no such head, MLP or position, or when nothing is named."""
        if not (self.heads or self.mlps) or self.positions == ():
            raise ValueError("an ablation needs at least one head or MLP, and one position if any are given")
        config.require_heads(self.heads)
        for layer in self.mlps:
            if not (config.d_mlp and 0 <= layer < config.layers):
                known = f"they are mlp.0 to mlp.{config.layers - 1}" if config.d_mlp else "it has attention only"
                raise ValueError(f"this model has no mlp.{layer}: {known}")
        _check_positions(self.positions, config)

    def __str__(self) -> str:
        words = [self.kind, *map(str, self.heads), *(f"mlp.{layer}" for layer in self.mlps), *_at(self.positions)]
        return " ".join([*words, f"keep-{self.preserve}"] if self.preserve else words)


@dataclass(frozen=True)
class KeepOnly:
    """The complement test: every head but these is ablated, in the way `kind`. MLPs and biases stay."""

    heads: tuple[HeadRef, ...] = ()
    kind: Kind = "zero"

    def check(self, config: ModelConfig) -> None:
        """Raises ValueError when the model has no such head."""
        config.require_heads(self.heads)

    def ablation(self, config: ModelConfig) -> Ablate:
        """The same as an ablation of the others; of nothing when all heads are kept."""
        return Ablate(tuple(head for head in config.all_heads if head not in self.heads), kind=self.kind)

    def __str__(self) -> str:
        words = ["keep", *map(str, self.heads)] if self.heads else ["keep", "none"]
        return " ".join(words if self.kind == "zero" else [*words, "else", self.kind])


@dataclass(frozen=True)
class ScrambleOV:
    """What the head reads out is turned by a random rotation: W_V R W_O instead of W_V W_O, value bias included.

    The pattern stays, and so does the length of what is read out (z), but not of what is written: that is only what
    W_O happens to keep of the turned vector.
    """

    head: HeadRef
    seed: int = 0

    def check(self, config: ModelConfig) -> None:
        """Raises ValueError when the model has no such head or its heads have one dimension, which does not turn."""
        config.require_heads((self.head,))
        if config.d_head == 1:
            raise ValueError("heads of one dimension cannot be scrambled by a rotation: ablate them instead")

    def __str__(self) -> str:
        return f"scramble {self.head} seed {self.seed}"


@dataclass(frozen=True)
class ForcePattern:
    """The head attends as told, whatever its queries and keys say.

    A row without a source of its shape rests on position 0. `previous` is i to i - 1 and `offset` i to i - n;
    `induction` is uniform over the followers of earlier copies, `uniform` over all allowed keys; `random` is the
    softmax of normal scores, the same for every prompt; `painted` is given row by row, (T, T).
    """

    head: HeadRef
    shape: Shape
    offset: int = 0
    seed: int = 0
    painted: tuple[tuple[float, ...], ...] = ()

    def check(self, config: ModelConfig) -> None:
        """Raises ValueError when the head or the offset does not exist, or what is painted is no attention pattern."""
        config.require_heads((self.head,))
        if not 0 <= self.offset < config.context:
            raise ValueError(f"an offset is 0 to {config.context - 1} positions back in this model, not {self.offset}")
        if self.shape == "painted":
            self._check_painted()

    def _check_painted(self) -> None:
        size = len(self.painted)
        if not size:
            raise ValueError("a painted pattern needs its rows, one for every token")
        for number, row in enumerate(self.painted):
            if len(row) != size:
                raise ValueError(f"row {number} of the painted pattern has {len(row)} entries and needs {size}")
            if any(row[number + 1 :]):
                raise ValueError(f"row {number} of the painted pattern attends to what comes after it")
            # written so that NaN fails too
            if not (min(row) >= 0 and abs(math.fsum(row) - 1) <= ROW_SUM_TOLERANCE):
                raise ValueError(f"row {number} of the painted pattern must be shares from 0 to 1 that sum to 1")

    def __str__(self) -> str:
        told = {
            "offset": f" {self.offset}",
            "random": f" seed {self.seed}",
            "painted": " " + "/".join(",".join(map(repr, row)) for row in self.painted),
        }
        return f"force {self.head} {self.shape}{told.get(self.shape, '')}"


@dataclass(frozen=True)
class Forbid:
    """These heads cannot attend `offset` places back, whatever their scores; the rest of a row gets what was there."""

    heads: tuple[HeadRef, ...]
    offset: int = 1

    def check(self, config: ModelConfig) -> None:
        """Raises ValueError when the model has no such head, or the offset would leave a row nothing to attend to."""
        _check_some(self.heads, "a forbidden offset")
        config.require_heads(self.heads)
        if not 1 <= self.offset < config.context:
            raise ValueError(f"what is forbidden is 1 to {config.context - 1} places back, not {self.offset}")

    def __str__(self) -> str:
        return f"forbid {' '.join(map(str, self.heads))} offset {self.offset}"


@dataclass(frozen=True)
class ChangePositions:
    """Positions are taken away, put in another order, or moved on by `by` places.

    `heads` None is everywhere; else only the queries and keys of these heads are changed. In a model that adds
    positions to the residual stream that is the position part of their input, also what earlier heads carried of it.
    """

    how: How
    by: int = 0
    seed: int = 0
    heads: tuple[HeadRef, ...] | None = None

    def check(self, config: ModelConfig) -> None:
        """Raises ValueError when the model has no positions, no such head, or no room for the shift."""
        if config.positions == "none":
            raise ValueError("this model has no positions that could be changed")
        if self.heads == ():
            raise ValueError("positions are changed everywhere or in at least one head")
        config.require_heads(self.heads or ())
        if self.how == "shift" and not 1 <= self.by < config.context:
            raise ValueError(f"positions are shifted by 1 to {config.context - 1} places, not by {self.by}")

    def __str__(self) -> str:
        told = {"shuffle": f" seed {self.seed}", "shift": f" {self.by}"}.get(self.how, "")
        heads = "" if self.heads is None else " in " + " ".join(map(str, self.heads))
        return f"positions {self.how}{told}{heads}"


@dataclass(frozen=True)
class Swap:
    """Heads take over what they do on another prompt of as many tokens: activation patching from `other`.

    `part`: what they read out (z), their queries, keys or values before any rotation, or their pattern. `positions`
    are where (rows of a pattern: its destinations); None is everywhere. Source: Meng et al. 2022, for heads.
    """

    part: Swapped
    heads: tuple[HeadRef, ...]
    other: str
    positions: tuple[int, ...] | None = None

    def check(self, config: ModelConfig) -> None:
        """Raises ValueError when the model has no such head or position, or when no head or other prompt is named."""
        _check_other(self.other)
        _check_some(self.heads, "a swap")
        config.require_heads(self.heads)
        _check_positions(self.positions, config)

    def __str__(self) -> str:
        return " ".join(
            ["swap", self.part, *map(str, self.heads), *_at(self.positions), "from", json.dumps(self.other)]
        )


@dataclass(frozen=True)
class PatchPath:
    """What the senders write reaches one reader as it would on another prompt of as many tokens, and nobody else.

    The reader is a head by its queries, keys or values, its norm recomputed, or (None) the logits: the direct edges
    of exact path patching. `positions` are where what is sent changes; None is everywhere.
    """

    senders: tuple[HeadRef, ...]
    receiver: HeadRef | None
    part: Part
    other: str
    positions: tuple[int, ...] | None = None

    def check(self, config: ModelConfig) -> None:
        """Raises ValueError for what the model does not have, and when no sender writes before the reader reads."""
        _check_other(self.other)
        _check_edge(self.senders, () if self.receiver is None else (self.receiver,), config)
        _check_positions(self.positions, config)

    def __str__(self) -> str:
        to = "logits" if self.receiver is None else f"{self.receiver}.{self.part}"
        senders = map(str, self.senders)
        return " ".join(["path", *senders, ">", to, *_at(self.positions), "from", json.dumps(self.other)])


@dataclass(frozen=True)
class MoveNote:
    """What the senders write at `at` and at `to` changes places, as the keys of these receivers alone read it.

    Receivers share one layer, so that they read the same run. Source: patching/moved_note.py.
    """

    senders: tuple[HeadRef, ...]
    receivers: tuple[HeadRef, ...]
    at: int
    to: int

    def check(self, config: ModelConfig) -> None:
        """Raises ValueError for what the model does not have, receivers of two layers, or a note that stays."""
        _check_some(self.receivers, "a moved note")
        _check_edge(self.senders, self.receivers, config)
        if len({head.layer for head in self.receivers}) > 1:
            raise ValueError("a note is moved for heads of one layer together: name heads of one layer")
        _check_positions((self.at, self.to), config)
        if self.at == self.to:
            raise ValueError(f"the note at {self.at} must move to another position")

    def __str__(self) -> str:
        senders, receivers = " ".join(map(str, self.senders)), " ".join(map(str, self.receivers))
        return f"move-note {senders} > {receivers} @{self.at} to {self.to}"


Intervention = Ablate | KeepOnly | ScrambleOV | ForcePattern | Forbid | ChangePositions | Swap | PatchPath | MoveNote


def check_length(intervention: Intervention, length: int) -> None:
    """Raises ValueError when what exists in the model does not exist in a prompt of `length` tokens."""
    furthest = max(_positions_of(intervention), default=0)
    if furthest >= length:
        raise ValueError(f"there is no position {furthest} in a prompt of {length} tokens")
    if isinstance(intervention, ForcePattern) and intervention.shape == "painted":
        rows = len(intervention.painted)
        if rows != length:
            raise ValueError(f"the painted pattern has {rows} rows and the prompt {length} tokens")


def misfit(intervention: Intervention, config: ModelConfig, length: int | None) -> str | None:
    """Why an intervention cannot act on a model, or on a prompt of `length` tokens if that is known; None: it can."""
    try:
        intervention.check(config)
        if length is not None:
            check_length(intervention, length)
    except ValueError as error:
        return str(error)
    return None


def _positions_of(intervention: Intervention) -> tuple[int, ...]:
    match intervention:
        case Ablate(positions=positions) | Swap(positions=positions) | PatchPath(positions=positions):
            return positions or ()
        case MoveNote(at=at, to=to):
            return at, to
    return ()


def _check_some(heads: tuple[HeadRef, ...], what: str) -> None:
    if not heads:
        raise ValueError(f"{what} needs at least one head")


def _check_other(other: str) -> None:
    if not other.strip():
        raise ValueError("this takes its values from another prompt: give one")


def _check_edge(senders: tuple[HeadRef, ...], receivers: tuple[HeadRef, ...], config: ModelConfig) -> None:
    """Each sender must write before the readers read; no receivers are the logits."""
    _check_some(senders, "a path")
    config.require_heads((*senders, *receivers))
    for sender, receiver in product(senders, receivers):
        if sender.layer >= receiver.layer:
            raise ValueError(f"{sender} writes too late for {receiver}: a path leads to a later layer")


def _check_positions(positions: tuple[int, ...] | None, config: ModelConfig) -> None:
    if positions == ():
        raise ValueError("name at least one position, or none for everywhere")
    for position in positions or ():
        if not 0 <= position < config.context:
            raise ValueError(f"there is no position {position}: this model's are 0 to {config.context - 1}")


def _at(positions: tuple[int, ...] | None) -> list[str]:
    return [] if positions is None else [f"@{_ranges(positions)}"]


def _ranges(places: Sequence[int]) -> str:
    """[3, 5, 6, 7] is `3,5-7`."""
    starts = [0, *(n for n, (here, following) in enumerate(pairwise(places), 1) if following != here + 1), len(places)]
    runs = [places[start:stop] for start, stop in pairwise(starts)]
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
