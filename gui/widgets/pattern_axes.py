"""The geometry of one large pattern: where cells and token labels stand, at any zoom. No painting, no state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from PySide6.QtCore import QLineF, QPointF, QRectF

_SLOPE = math.sqrt(0.5)


@dataclass(frozen=True)
class PatternFrame:
    """A square plot of `count` x `count` cells; `x`, `y` and `span` say which cells are in it (in cells)."""

    plot: QRectF
    count: int
    x: float = 0.0
    y: float = 0.0
    span: float = 1.0

    @property
    def cell(self) -> float:
        """The side of a cell, px."""
        return self.plot.width() / self.span if self.span > 0 else 0.0

    def cell_rect(self, row: int, column: int) -> QRectF:
        return self.block_rect(row, column, 1, 1)

    def block_rect(self, row: float, column: float, rows: float, columns: float) -> QRectF:
        """Cells as a rectangle, cut to the plot."""
        left = self.plot.left() + (column - self.x) * self.cell
        top = self.plot.top() + (row - self.y) * self.cell
        return QRectF(left, top, columns * self.cell, rows * self.cell).intersected(self.plot)

    def line(self, row: float, column: float, last_row: float, last_column: float) -> QLineF | None:
        """A line between two corners of cells, level or upright, cut to the plot; None out of view."""
        plot, cell = self.plot, self.cell
        left, right = (plot.left() + (at - self.x) * cell for at in (column, last_column))
        top, bottom = (plot.top() + (at - self.y) * cell for at in (row, last_row))
        left, top = max(left, plot.left()), max(top, plot.top())
        right, bottom = min(right, plot.right()), min(bottom, plot.bottom())
        if left > right + 0.01 or top > bottom + 0.01:
            return None
        return QLineF(left, top, right, bottom)

    def cell_at(self, point: QPointF) -> tuple[int, int] | None:
        """(destination row, source column), or None outside the plot and in the masked half."""
        if self.count == 0 or not self.plot.contains(point):
            return None
        column = int(self.x + (point.x() - self.plot.left()) / self.cell)
        row = int(self.y + (point.y() - self.plot.top()) / self.cell)
        inside = 0 <= column <= row < self.count
        return (row, column) if inside else None

    def zoomed(self, point: QPointF, factor: float) -> PatternFrame:
        """Nearer (factor over 1) or farther, keeping what is under `point` where it is."""
        span = min(max(self.span / factor, min(3.0, float(self.count))), float(self.count))
        across = (point.x() - self.plot.left()) / max(1.0, self.plot.width())
        down = (point.y() - self.plot.top()) / max(1.0, self.plot.height())
        moved = replace(self, x=self.x + across * (self.span - span), y=self.y + down * (self.span - span))
        return replace(moved, span=span).clamped()

    def panned(self, by: QPointF) -> PatternFrame:
        """Dragged by so many px."""
        return replace(self, x=self.x - by.x() / self.cell, y=self.y - by.y() / self.cell).clamped()

    def showing(self, row: int, column: int) -> PatternFrame:
        """Moved just enough that a cell is in the plot."""
        x = min(max(self.x, column + 1 - self.span), column)
        y = min(max(self.y, row + 1 - self.span), row)
        return replace(self, x=x, y=y).clamped()

    def clamped(self) -> PatternFrame:
        last = max(0.0, self.count - self.span)
        return replace(self, x=min(max(self.x, 0.0), last), y=min(max(self.y, 0.0), last))

    def shown(self, start: float) -> range:
        """The cells in view from `start` (x or y) on."""
        return range(max(0, math.floor(start)), min(self.count, math.ceil(start + self.span)))


def fitted_plot(area: QRectF, labels: Sequence[float], line: float, gap: float) -> QRectF:
    """The largest square in `area` that leaves room for labels: rows at the left, columns above at 45 degrees.

    `labels` are text widths, `line` is the height of a line of text. Spare height stays below.
    """
    widest = max(labels, default=0.0)
    left = widest + gap
    top = (widest + line) * _SLOPE + gap
    count = max(1, len(labels))
    side = min(area.height() - top, area.width() - left)
    for _ in range(12):  # a smaller plot lets the last labels hang over further; settles within a few rounds
        fitting = area.width() - left - _overhang(labels, side / count, line)
        if fitting >= side:
            break
        side = fitting
    side = max(side, 1.0)
    spare = area.width() - left - _overhang(labels, side / count, line) - side
    return QRectF(area.left() + left + max(0.0, spare / 2), area.top() + top, side, side)


def _overhang(labels: Sequence[float], cell: float, line: float) -> float:
    """How far sloping labels reach to the right of the last column."""
    last = len(labels) - 1
    reach = ((width + line) * _SLOPE - (last - at + 0.5) * cell for at, width in enumerate(labels))
    return max(0.0, *reach) if labels else 0.0


def thinned(positions: range, cell: float, needed: float, always: Sequence[int]) -> list[int]:
    """Which labels to write so that none is nearer than `needed` px to another; those in `always` go first."""
    step = max(1, math.ceil(needed / max(cell, 1e-6)))
    kept: list[int] = []
    for position in dict.fromkeys(always):
        if position in positions and all(abs(position - other) >= step for other in kept):
            kept.append(position)
    for position in positions:
        regular = position % step == 0
        if regular and all(abs(position - other) >= step for other in kept[:4] + kept[-1:]):
            kept.append(position)
    return kept
