"""Two runs side by side in words: two prompts are A and B, two runs of one prompt are after and before."""

from __future__ import annotations

import math
from typing import NamedTuple

from engine.work.results import Comparison, Failure
from gui.numbers import percent
from gui.widgets.token_text import spoken
from gui.wording import NOT_MEASURED


class Sides(NamedTuple):
    """What the two runs are called; the difference is always first minus second."""

    first: str
    second: str

    @property
    def difference(self) -> str:
        return f"{self.first} minus {self.second}"


PROMPTS = Sides("A", "B")
MEDDLING = Sides("after", "before")


def sides_of(compared: Comparison) -> Sides:
    return PROMPTS if compared.first.prompt != compared.second.prompt else MEDDLING


def colours_note(sides: Sides) -> str:
    """What the two colours of a difference mean."""
    return "orange: more in A, blue: more in B" if sides is PROMPTS else "orange: more than before, blue: less"


def colours_tip(sides: Sides) -> str:
    if sides is PROMPTS:
        return "For every cell the attention on prompt A minus that on prompt B; empty where they agree."
    return "For every cell the attention under the interventions minus that without; empty where nothing changed."


def moved_tooltip(moved: float, sides: Sides) -> str:
    """How far a head moves its attention from one run to the other."""
    if math.isnan(moved):
        return f"how far it moves: {NOT_MEASURED}, as no token after the change stands in both prompts"
    way = "from A to B" if sides is PROMPTS else "under the interventions"
    measure = "total variation, mean over the tokens from the first change on"
    return f"moves {percent(moved)} of its attention {way} ({measure})"


def comparison_note(comparison: Comparison | None, problem: Failure | None) -> str:
    """The line under the two prompts: what becomes of the prediction, or why they cannot be compared."""
    if problem is not None:
        return f"Prompt B: {problem.title}."
    if comparison is None:
        return "Reading both prompts …"
    first, second = comparison.first.predictions[0], comparison.second.predictions[0]
    there = percent(comparison.second.chance_of(first.id))
    best = "" if second.id == first.id else f"; B is continued by {spoken(second.text)} ({percent(second.probability)})"
    alike = len(comparison.aligned)
    apart = "" if alike == len(comparison.first.tokens) else f" · {alike} tokens stand in both"
    return f"{spoken(first.text)}: {percent(first.probability)} in A, {there} in B{best}{apart}"
