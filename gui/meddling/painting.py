"""Attention painted by hand: cells get weight, rows are brought back to a sum of one. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.circuits.interventions.values import ForcePattern
from engine.model.config import HeadRef

Cell = tuple[int, int]  # destination, source
LONGEST = 256  # tokens: a painted pattern is kept and written down cell by cell


def brushed(pattern: NDArray[Any], cells: Iterable[Cell], weight: float) -> NDArray[np.float64]:
    """(T, T): the pattern with these cells at `weight`, rows not yet brought to one; causal cells only."""
    values = np.asarray(pattern, dtype=np.float64).copy()  # (T, T)
    for destination, source in cells:
        if source <= destination < len(values):
            values[destination, source] = weight
    return values


def only(pattern: NDArray[Any], cell: Cell) -> NDArray[np.float64]:
    """(T, T): the destination attends to that source alone."""
    values = np.asarray(pattern, dtype=np.float64).copy()
    values[cell[0]] = 0.0
    values[cell] = 1.0
    return values


def normalised(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, T) with rows that sum to one; a row without any weight rests on position 0."""
    values = np.tril(values)
    empty = values.sum(-1) <= 0
    values[empty, 0] = 1.0
    return np.asarray(values / values.sum(-1, keepdims=True), dtype=np.float64)


def painted(head: HeadRef, values: NDArray[np.float64]) -> ForcePattern:
    """The intervention that makes `head` attend so; values (T, T)."""
    return ForcePattern(head, "painted", painted=tuple(map(tuple, normalised(values).tolist())))


def note(values: NDArray[np.float64], rows: Iterable[int]) -> str:
    """What bringing these rows to one did, in one line; "" when they had that sum."""
    sums = {row: float(values[row].sum()) for row in sorted(set(rows))}
    off = {row: total for row, total in sums.items() if abs(total - 1.0) > 0.005}
    if not off:
        return ""
    first = next(iter(off))
    what = f"row {first} had a sum of {off[first]:.2f}" if off[first] > 0 else f"row {first} had nothing left"
    more = f" and {len(off) - 1} more" if len(off) > 1 else ""
    done = "it rests on the first token" if off[first] <= 0 else "brought back to 1"
    return f"{what}{more}: {done}"
