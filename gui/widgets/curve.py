"""One line of a chart, as plain values; drawing it is for curves_view.py, which loads a library for that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gui.theme import Role


@dataclass(frozen=True)
class Curve:
    """One line; `twin` draws it dashed and thin, `wide` says that it is what matters. NaN leaves gaps."""

    name: str
    steps: NDArray[np.float64]
    values: NDArray[np.float64]
    role: Role = "none"
    twin: bool = False
    wide: bool = False

    @property
    def end(self) -> float:
        """The last value that was measured; NaN where none was."""
        known = self.values[np.isfinite(self.values)]
        return float(known[-1]) if len(known) else float("nan")
