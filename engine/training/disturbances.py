"""What can be done to a run while it goes on: interventions on every forward pass, weights held still, other rows.

Each has its form in one line of text, as interventions have. Must not import torch.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from engine.circuits.interventions import lines
from engine.circuits.interventions.values import Intervention, PatchPath, Swap
from engine.model.config import ModelConfig
from engine.training.data import KINDS, NEEDS_TEXT
from engine.training.recipes import Recipe

FREEZE, MIX = "freeze embedding|positions|unembedding|layer 0|W_Q 0|W_K 0|W_V 0|W_O 0", "mix periodic 0.7 chain 0.3"
WHOLE = {"embedding": "W_E", "positions": "W_pos", "unembedding": "W_U"}


@dataclass(frozen=True)
class Freeze:
    """Some weights stay as they are: `embedding`, `positions`, `unembedding`, `layer 0`, or one matrix as `W_K 1`."""

    part: str

    def check(self, config: ModelConfig) -> None:
        """Raises ValueError for weights that the model does not have."""
        what, _, layer = self.part.partition(" ")
        if layer and int(layer) >= config.layers:
            raise ValueError(f"there is no layer {layer}: this model has layers 0 to {config.layers - 1}")
        if what == "positions" and config.positions not in ("shortformer", "absolute"):
            raise ValueError(f"this model's positions are {config.positions}: there are no weights to freeze")

    def holds(self, parameter: str) -> bool:
        """Whether a parameter of the model, by its name, is among them."""
        what, _, layer = self.part.partition(" ")
        if not layer:
            return parameter == WHOLE[what]
        inside = parameter.startswith(f"layers.{layer}.")
        return inside if what == "layer" else inside and parameter.endswith(f".{what}")

    def __str__(self) -> str:
        return f"freeze {self.part}"


@dataclass(frozen=True)
class Mix:
    """Rows of other kinds, with their shares, which add up to 1."""

    shares: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        return " ".join(["mix", *(f"{kind} {share:g}" for kind, share in self.shares)])


Change = Intervention | Freeze | Mix


@dataclass(frozen=True)
class Disturbance:
    """What is done from step `start` on, up to but not including `end` (None: to the end)."""

    value: Change
    start: int = 0
    end: int | None = None

    def acts(self, step: int) -> bool:
        return self.start <= step and (self.end is None or step < self.end)


def check(value: Change, recipe: Recipe) -> None:
    """Raises ValueError, in one line, for what cannot be done to a run of this recipe."""
    if isinstance(value, Mix):
        wanting = next((kind for kind, _ in value.shares if kind in NEEDS_TEXT and not recipe.sources), None)
        if wanting is not None:
            raise ValueError(f"{wanting} rows need text, and this run began without: give its mix some from the start")
    elif isinstance(value, Swap | PatchPath):
        raise ValueError(f"{value!s} needs another prompt beside the rows of a run, and there is none")
    else:
        value.check(recipe.config)


def parse(text: str) -> Change:
    """Read one line, e.g. `freeze W_K 1`, `mix random 0.5 plain 0.5` or `force 0.0 previous`. Raises ValueError with a
    line that says what is possible."""
    verb, *words = text.split() or [""]
    if verb == "freeze":
        part = " ".join(words)
        if part in WHOLE or re.fullmatch(r"(layer|W_[QKVO]) \d{1,3}", part):
            return Freeze(part)
        raise ValueError(f"cannot read {text!r}: it is written {FREEZE}")
    if verb == "mix":
        return Mix(tuple(mixed(words, text).items()))
    return lines.parse(text)


def mixed(words: list[str], text: str) -> dict[str, float]:
    """`periodic 0.7 chain 0.3` as shares that add up to 1; a kind alone is all of it. Raises ValueError."""
    kinds, numbers = words[::2], words[1::2] or ["1"]
    try:
        shares = {kind: float(number) for kind, number in zip(kinds, numbers, strict=True)}
    except ValueError:
        raise ValueError(f"cannot read {text!r}: it is written {MIX}") from None
    unknown = [kind for kind in shares if kind not in KINDS]
    if unknown or not shares:
        raise ValueError(f"there are no rows of the kind {' '.join(unknown[:1])!r}: there are {', '.join(KINDS)}")
    total = sum(shares.values())
    if not (0 < total < math.inf) or min(shares.values()) < 0:
        raise ValueError(f"the shares of {text!r} are no shares: each is 0 or more, and one is over 0")
    return {kind: share / total for kind, share in shares.items() if share > 0}
