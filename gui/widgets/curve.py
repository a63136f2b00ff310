"""The charts of a training run as plain values; drawing them is for curves_view.py, which loads a library for that."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gui.theme import Role

LOG_FROM = 10  # steps: below about here a logarithmic scale goes over into a linear one, as runs begin at 0


@dataclass(frozen=True)
class Curve:
    """One line; `twin` draws it dashed and thin, `wide` says that it is what matters, `named` writes its name at its
    end. NaN is a step at which it was not measured.
    """

    name: str
    steps: NDArray[np.float64]
    values: NDArray[np.float64]
    role: Role = "none"
    twin: bool = False
    wide: bool = False
    named: bool = True

    @property
    def measured(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Steps and values where there are any."""
        known = np.isfinite(self.values)
        return self.steps[known], self.values[known]

    @property
    def end(self) -> float:
        """The last value that was measured; NaN where none was."""
        known = self.measured[1]
        return float(known[-1]) if len(known) else math.nan


@dataclass(frozen=True)
class Chart:
    """Curves in one unit."""

    unit: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class View:
    """Two charts over one time, and what they show in a word and in a sentence."""

    name: str
    tip: str
    above: Chart
    below: Chart


def along(step: float, log: bool) -> float:
    """Where a step stands on a scale, in any unit."""
    return math.log10(1 + step / LOG_FROM) if log else step


def step_at(place: float, log: bool) -> float:
    """The step that stands there: the inverse of `along`, never below 0."""
    return max(0.0, LOG_FROM * (10**place - 1) if log else place)
