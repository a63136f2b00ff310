"""The steps of the walk through the circuit as headings and tooltips; their sentences come from the engine."""

from __future__ import annotations

from engine.circuits.walk_steps import Step
from gui.wording import NOT_MEASURED, number

PLAIN_ONLY = "The walk is through the run as it is: put every head back to take it."
TITLES = {
    "repeat": "The repeat",
    "previous": "Who looks one back",
    "duplicate": "Who finds the earlier copy",
    "write": "What it writes",
    "says": "What that note says",
    "query": "The question",
    "keys": "The keys",
    "pattern": "Where it looks",
    "moved": "Move the note",
    "value": "What is copied",
    "effect": "What that does to the logit",
    "output": "The prediction",
}
VERDICTS = {True: "holds", False: "does not hold: the claims stop here", None: NOT_MEASURED}


def heading_words(place: int, step: Step) -> str:
    """`3 · What it writes: holds`"""
    return f"{place} · {TITLES.get(step.name, step.name)}: {VERDICTS[step.holds]}"


def evidence_words(step: Step) -> str:
    """Every number behind the sentence, one a line."""
    values = [NOT_MEASURED if row.value is None else number(row.value) for row in step.evidence]
    lines = [f"{row.what}: {value} {row.of}".strip() for row, value in zip(step.evidence, values, strict=True)]
    return "\n".join(lines)
