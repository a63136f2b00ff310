"""The verdict in words: its name, what it means, and every criterion with value, threshold and whether it passed."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from engine.circuits.verdict import Criterion, Question, Verdict
from gui.wording import NOT_MEASURED, number

MEANS = {
    "k-composition": "The match is found by keys that carry a note about the token before.",
    "q-composition": "The match is found by a query that points at the earlier copy.",
    "mixed": "Both ways are at work: a note in the keys and a pointer in the queries.",
    "none": "No induction circuit was shown.",
    "unclear": "Something of a circuit is there, and not enough of it for a name.",
}
QUESTIONS: dict[Question, str] = {
    "behaviour": "Does it behave so?",
    "copying": "Do the heads copy?",
    "k": "Through the keys (K-composition)?",
    "q": "Through the queries (pointer)?",
    "circuit": "By these heads alone?",
}
MARKS = {"passed": "✓", "failed": "✗", "undecided": "?", "not measured": "–"}


def verdict_words(found: Verdict) -> str:
    """The one line on top."""
    name = found.mechanism[:1].upper() + found.mechanism[1:]
    scope = "this prompt" if found.scope == "prompt" else "this model, on random repeats"
    return f"{name} on {scope}. {MEANS[found.mechanism]}"


def heads_words(found: Verdict) -> str:
    """Who plays which part."""
    measured = found.measured
    if measured.impossible or measured.untested:
        return measured.impossible or measured.untested
    parts = (("previous token", measured.previous), ("induction", measured.induction), ("pointer", measured.duplicate))
    told = [f"{name}: {', '.join(map(str, heads))}" for name, heads in parts if heads]
    return "; ".join(told) if told else "no head earned a part"


def criteria_html(criteria: Sequence[Criterion], passed: str, failed: str, subtle: str) -> str:
    """A table of criteria; colours are those of passed, failed and undecided marks."""
    colours = {"passed": passed, "failed": failed}
    rows = []
    for one in criteria:
        mark = f"<td style='color: {colours.get(one.state, subtle)}; padding-right: 8px'><b>{MARKS[one.state]}</b></td>"
        what = f"<td style='padding: 1px 8px 1px 0'>{escape(one.rule.what)}</td>"
        rows.append(
            f"<tr>{mark}{what}<td align='right' style='white-space: nowrap'>{escape(value_words(one))}</td></tr>"
        )
    return f"<table width='100%'>{''.join(rows)}</table>"


def value_words(one: Criterion) -> str:
    """`0.91 (0.88 to 0.94), wanted ≥ 0.30`"""
    wanted = f"wanted {'≥' if one.rule.at_least else '≤'} {number(one.threshold)}"
    if one.value is None:
        return f"{NOT_MEASURED}, {wanted}"
    between = "" if one.low is None or one.high is None else f" ({number(one.low)} to {number(one.high)})"
    return f"{number(one.value)}{between}, {wanted}"


def against_words(found: Verdict) -> str:
    return "\n".join(f"· {sentence}" for sentence in found.against) or "Nothing that was measured."
