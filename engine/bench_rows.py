"""What a timing is: its row in the table, and how ours and theirs are measured side by side. Knows no model."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

Row = dict[str, Any]


def row(
    name: str,
    ours: float | None,
    theirs: float | None,
    against: str,
    ratio: float | None,
    budget: float,
    met: bool | None,
    runs: int,
) -> Row:
    """One measurement. ratio: theirs / ours, or ours / floor where the budget is a multiple of a floor."""
    return {
        "name": name,
        "ours_s": ours,
        "theirs_s": theirs,
        "against": against,
        "ratio": ratio,
        "budget": budget,
        "met": met,
        "runs": runs,
    }


def unmeasured(name: str, budget: float, why: str, ours: float | None = None, runs: int = 0) -> Row:
    return row(name, ours, None, f"not measured: {why}", None, budget, None, runs)


def faster(name: str, ours: float, theirs: float, against: str, budget: float, runs: int) -> Row:
    """The row of a race: how many times faster ours is, at least `budget` times."""
    return row(name, ours, theirs, against, theirs / ours, budget, theirs / ours >= budget, runs)


def alternating(ours: Callable[[], object], theirs: Callable[[], object], runs: int) -> tuple[float, float]:
    """Median seconds of both, run in turn, so that a busy moment hits both."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs):
        for action, taken in zip((ours, theirs), times, strict=True):
            taken.append(seconds(action))
    return statistics.median(times[0]), statistics.median(times[1])


def around(ours: Callable[[], object], theirs: Callable[[], object], runs: int) -> tuple[float, float]:
    """Median seconds of ours, half of the runs before and half after one run of an opponent that takes long."""
    ours()
    times = [seconds(ours) for _ in range(runs // 2)]
    slow = seconds(theirs)
    times += [seconds(ours) for _ in range(runs - runs // 2)]
    return statistics.median(times), slow


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start
