"""Interventions as lines of text: what the command line takes, and what a saved stack holds.

`str` of a value writes its line; `parse` reads it back. Must not import torch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from engine.circuits.interventions.values import (
    Ablate,
    ChangePositions,
    Forbid,
    ForcePattern,
    Intervention,
    KeepOnly,
    Kind,
    MoveNote,
    Part,
    PatchPath,
    Preserve,
    ScrambleOV,
    Swap,
)
from engine.model.config import HeadRef

LONGEST_NUMBER = 6  # digits; `@1-9999999999` must not fill the memory before a model can say what it has

_ABLATE = "zero|mean|resample 1.2 0.3 mlp.4 [@3,5-7] [keep-pattern|keep-value]"
FORMS = {
    "zero": _ABLATE,
    "mean": _ABLATE,
    "resample": _ABLATE,
    "keep": "keep none|0.3 1.2 [else mean|resample]",
    "scramble": "scramble 1.3 [seed 4]",
    "force": "force 0.3 previous|offset 2|induction|uniform|random [seed 4]|painted 1,0/0.5,0.5",
    "forbid": "forbid 0.3 1.2 offset 1",
    "positions": "positions remove|shuffle [seed 4]|shift 2 [in 0.3 1.2]",
    "swap": 'swap z|q|k|v|pattern 1.2 [@3,5-7] from "the other prompt"',
    "path": 'path 0.3 > 1.2.q|1.2.k|1.2.v|logits [@3,5-7] from "the other prompt"',
    "move-note": "move-note 0.3 > 1.2 @5 to 6",
}


def parse(text: str) -> Intervention:
    """Read one line, e.g. `mean mlp.4 @3,5-7`. Raises ValueError with a line that says what is possible."""
    command, quote, rest = text.partition(' from "')
    verb, *words = command.split() or [""]
    if verb not in FORMS:
        raise ValueError(f"there is no intervention {text!r}; there is: {'; '.join(dict.fromkeys(FORMS.values()))}")
    try:
        return _read_from(verb, words, json.loads(f'"{rest}')) if quote else _read(verb, words)
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
        case "forbid", *heads, "offset", offset:
            return Forbid(_heads(heads), _number(offset))
        case "positions", *words:
            return _positions(words)
        case "move-note", *words:
            senders, (*receivers, at, before, to) = _cut(words)
            if before != "to":
                raise ValueError
            return MoveNote(_heads(senders), _heads(receivers), _place(at), _number(to))
    raise ValueError


def _read_from(verb: str, words: Sequence[str], other: object) -> Intervention:
    """What takes its values from another prompt."""
    if not isinstance(other, str):
        raise ValueError
    positions = tuple(place for word in words if word.startswith("@") for place in _places(word[1:])) or None
    words = [word for word in words if not word.startswith("@")]
    match verb, *words:
        case "swap", ("z" | "q" | "k" | "v" | "pattern") as part, *heads:
            return Swap(part, _heads(heads), other, positions)
        case "path", *words:
            senders, (to,) = _cut(words)
            if to == "logits":
                return PatchPath(_heads(senders), None, "v", other, positions)
            return PatchPath(_heads(senders), HeadRef.parse(to[:-2]), _part(to[-2:]), other, positions)
    raise ValueError


def _cut(words: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """What stands before the arrow and behind it."""
    at = words.index(">")
    return words[:at], words[at + 1 :]


def _heads(words: Sequence[str]) -> tuple[HeadRef, ...]:
    if not words:
        raise ValueError
    return tuple(map(HeadRef.parse, words))


def _part(text: str) -> Part:
    match text:
        case ".q":
            return "q"
        case ".k":
            return "k"
        case ".v":
            return "v"
    raise ValueError


def _place(text: str) -> int:
    if not text.startswith("@"):
        raise ValueError
    return _number(text[1:])


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
