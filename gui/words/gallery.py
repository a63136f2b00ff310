"""Experiments in words and rows: what is asked, what was foretold, what came of it."""

from __future__ import annotations

import math

from engine.work.experiments.catalogue import Measure, Report
from gui.widgets.bar_list import BarRow
from gui.wording import number


def measure_row(one: Measure) -> BarRow:
    """A condition with its mean and interval; n stands in the tooltip and below."""
    between = "" if math.isnan(one.low) else f" ({number(one.low)}–{number(one.high)})"
    label = f"{one.condition}: {one.what}"
    text = f"{number(one.mean)}{between}"
    tip = f"{label}: mean {number(one.mean)}{between}, 95 % bootstrap interval, n = {one.n}"
    return BarRow(label, 0.0 if math.isnan(one.mean) else one.mean, text, role="none", tip=tip)


def result_words(report: Report, guess: bool | None) -> str:
    """Whether it came as foretold, and how that stands to the guess."""
    came = {True: "As foretold", False: "Not as foretold", None: "Not decided"}[report.held]
    told = f"{came}. {report.finding}"
    if guess is None or report.held is None:
        return told
    return f"{told} You expected {'that' if guess else 'otherwise'}: {'right' if guess == report.held else 'wrong'}."


def probe_words(report: Report) -> str:
    """Which heads, on what."""
    heads, counts = ", ".join(map(str, report.heads)) or "none", sorted({one.n for one in report.measures})
    n = "" if not counts else f"n = {counts[0]}" if len(counts) == 1 else f"n = {counts[0]} to {counts[-1]}"
    told = f"Model {report.model}; induction heads {heads}, named on other draws; seed {report.seed}"
    return f"{told}; {n} prompts a condition, 95 % intervals." if n else f"{told}."
