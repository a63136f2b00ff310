"""Reports as a page of Markdown: question, prediction, table, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine.work.experiments.catalogue import GALLERY, Experiment, Measure, Report

HEAD = """# Experiments

Written by `main.py experiments --model {models} --samples {samples} --seed {seed} --markdown FILE`, which makes every
prompt, control and interval anew.

Heads are the induction heads as [the verdict](verdict.md) names them, on other draws. Attention is their mean from the
last token; intervals are bootstrap over prompts. *n* counts prompts, or words where a word is asked in several prompts.
A prediction counts as true or false only where its interval decides; thresholds stand in `engine/work/experiments`.
What becomes of the jump when heads are forced or forbidden all through training has [a page of its own](emergence.md).
"""
HELD = {True: "**As foretold.**", False: "**Not as foretold.**", None: "**Not decided.**"}


def page(reports: Sequence[Report], samples: int) -> str:
    """All experiments in the order of the gallery, each with every model's report."""
    models = " ".join(dict.fromkeys(report.model for report in reports))
    parts = [HEAD.format(models=models, samples=samples, seed=reports[0].seed if reports else 0)]
    for experiment in GALLERY:
        own = [report for report in reports if report.experiment == experiment]
        if own:
            parts += [_asked(experiment), *map(_found, own)]
    return "\n".join(parts)


def _asked(experiment: Experiment) -> str:
    return (
        f"## {experiment.title}\n\n`{experiment.example}` {experiment.question}\n\n"
        f"*Foretold*: {experiment.prediction}\n\n*Controls*: {experiment.controls}\n"
    )


def _found(report: Report) -> str:
    heads = f", heads {', '.join(map(str, report.heads))}" if report.heads else ""
    lines = [f"### {report.model}{heads}", ""]
    if report.measures:
        lines += ["| prompts | what | mean | 95 % interval | n |", "|---|---|---|---|---|"]
        lines += [_row(measure) for measure in report.measures]
        lines += ["", f"{HELD[report.held]} {report.finding}", ""]
    else:
        lines += [report.finding, ""]
    return "\n".join(lines)


def _row(measure: Measure) -> str:
    control = " (control)" if measure.control else ""
    ends = "" if math.isnan(measure.low) else f"{three(measure.low)} to {three(measure.high)}"
    return f"| {measure.condition}{control} | {measure.what} | {three(measure.mean)} | {ends} | {measure.n} |"


def three(value: float) -> str:
    """Three decimals, and no minus before nothing."""
    return f"{round(value, 3) + 0.0:.3f}"
