"""What may be done to a run, as plain values that compose, and their form in one line of text.

Each value can say whether it fits a model (`check`) and write itself down (`str`); `parse` reads that back. Carrying
them out is for ablation.py. Must not import torch: the window and the command line read these before torch is loaded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from engine.model.config import HeadRef, ModelConfig

Kind = Literal["zero", "mean", "resample"]
Preserve = Literal["pattern", "value"]
Shape = Literal["previous", "offset", "induction", "uniform", "random", "painted"]
How = Literal["remove", "shuffle", "shift"]

ROW_SUM_TOLERANCE = 1e-6  # of a painted row; 0.333333,0.333333,0.333334 is as good as thirds
LONGEST_NUMBER = 6  # digits; `@1-9999999999` must not fill the memory before a model can say what it has


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
        for position in self.positions or ():
            if not 0 <= position < config.context:
                raise ValueError(f"there is no position {position}: this model's are 0 to {config.context - 1}")

    def __str__(self) -> str:
        words: list[str] = [self.kind, *map(str, self.heads), *(f"mlp.{layer}" for layer in self.mlps)]
        if self.positions is not None:
            words.append(f"@{_ranges(self.positions)}")
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


Intervention = Ablate | KeepOnly | ScrambleOV | ForcePattern | ChangePositions


def check_length(intervention: Intervention, length: int) -> None:
    """Raises ValueError when what exists in the model does not exist in a prompt of `length` tokens."""
    if isinstance(intervention, Ablate) and max(intervention.positions or (0,)) >= length:
        raise ValueError(f"there is no position {max(intervention.positions or ())} in a prompt of {length} tokens")
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


_ABLATE = "zero|mean|resample 1.2 0.3 mlp.4 [@3,5-7] [keep-pattern|keep-value]"
FORMS = {
    "zero": _ABLATE,
    "mean": _ABLATE,
    "resample": _ABLATE,
    "keep": "keep none|0.3 1.2 [else mean|resample]",
    "scramble": "scramble 1.3 [seed 4]",
    "force": "force 0.3 previous|offset 2|induction|uniform|random [seed 4]|painted 1,0/0.5,0.5",
    "positions": "positions remove|shuffle [seed 4]|shift 2 [in 0.3 1.2]",
}


def parse(text: str) -> Intervention:
    """Read one line, e.g. `mean mlp.4 @3,5-7`. Raises ValueError with a line that says what is possible."""
    verb, *words = text.split() or [""]
    if verb not in FORMS:
        raise ValueError(f"there is no intervention {text!r}; there is: {'; '.join(dict.fromkeys(FORMS.values()))}")
    try:
        return _read(verb, words)
    except ValueError:
        raise ValueError(f"cannot read {text!r}: it is written {FORMS[verb]}") from None


def _read(verb: str, words: Sequence[str]) -> Intervention:
    match verb, *words:
        case ("zero" | "mean" | "resample") as kind, *named:
            return _ablate(kind, named)
        case "keep", *named, "else", ("zero" | "mean" | "resample") as kind:
            return KeepOnly(_kept(named), kind)
        case "keep", *named:
            return KeepOnly(_kept(named))
        case "scramble", head, *seed:
            return ScrambleOV(HeadRef.parse(head), _seed(seed))
        case "force", head, ("previous" | "induction" | "uniform") as shape:
            return ForcePattern(HeadRef.parse(head), shape)
        case "force", head, "offset", offset:
            return ForcePattern(HeadRef.parse(head), "offset", offset=_number(offset))
        case "force", head, "random", *seed:
            return ForcePattern(HeadRef.parse(head), "random", seed=_seed(seed))
        case "force", head, "painted", rows:
            painted = tuple(tuple(float(entry) for entry in row.split(",")) for row in rows.split("/"))
            return ForcePattern(HeadRef.parse(head), "painted", painted=painted)
        case "positions", *words:
            return _positions(words)
    raise ValueError


def _ablate(kind: Kind, words: Sequence[str]) -> Ablate:
    heads: list[HeadRef] = []
    mlps: list[int] = []
    positions: list[int] = []
    preserve: Preserve | None = None
    for word in words:
        if word in ("keep-pattern", "keep-value"):
            if preserve:
                raise ValueError
            preserve = "pattern" if word == "keep-pattern" else "value"
        elif word.startswith("@"):
            positions += _places(word[1:])
        elif word.startswith("mlp."):
            mlps.append(_number(word[4:]))
        else:
            heads.append(HeadRef.parse(word))
    if not (heads or mlps):
        raise ValueError
    return Ablate(tuple(heads), tuple(mlps), tuple(positions) or None, kind, preserve)


def _positions(words: Sequence[str]) -> ChangePositions:
    heads: tuple[HeadRef, ...] | None = None
    if "in" in words:
        cut = words.index("in")
        words, heads = words[:cut], tuple(map(HeadRef.parse, words[cut + 1 :]))
    if heads == ():
        raise ValueError
    match words:
        case ["remove"]:
            return ChangePositions("remove", heads=heads)
        case ["shuffle", *seed]:
            return ChangePositions("shuffle", seed=_seed(seed), heads=heads)
        case ["shift", by]:
            return ChangePositions("shift", by=_number(by), heads=heads)
    raise ValueError


def _kept(words: Sequence[str]) -> tuple[HeadRef, ...]:
    if not words:
        raise ValueError
    return () if words == ["none"] else tuple(map(HeadRef.parse, words))


def _seed(words: Sequence[str]) -> int:
    match words:
        case []:
            return 0
        case ["seed", seed]:
            return _number(seed)
    raise ValueError


def _number(text: str) -> int:
    if not (text.isdecimal() and len(text) <= LONGEST_NUMBER):
        raise ValueError
    return int(text)


def _places(text: str) -> list[int]:
    """`3,5-7` is [3, 5, 6, 7]."""
    places: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        run = range(_number(first), _number(last if dash else first) + 1)
        if not run:
            raise ValueError
        places += run
    return places


def _ranges(places: Sequence[int]) -> str:
    """[3, 5, 6, 7] is `3,5-7`."""
    starts = [0, *(n for n, (here, following) in enumerate(pairwise(places), 1) if following != here + 1), len(places)]
    runs = [places[start:stop] for start, stop in pairwise(starts)]
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
