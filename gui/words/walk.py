"""The steps of the walk through the circuit as headings and tooltips; their sentences come from the engine."""

from __future__ import annotations

from html import escape

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


def evidence_html(step: Step) -> str:
    """Every number behind the sentence, one a line of a table."""
    lines = []
    for row in step.evidence:
        value = NOT_MEASURED if row.value is None else number(row.value)
        if (
            row.value is not None
            and row.value == int(row.value)
            and (row.of.startswith("of ") or row.what == "earlier copies")
        ):
            value = f"{row.value:,.0f}"  # a place, not a measure
        of = f" {escape(row.of)}" if row.of else ""
        cell = "style='padding: 2px 10px 2px 0'"
        lines.append(f"<tr><td {cell}>{escape(row.what)}</td><td {cell}><b>{escape(value)}</b>{of}</td></tr>")
    return f"<table>{''.join(lines)}</table>" if lines else ""
