"""One stroke over the cells of a pattern: which cells it has passed, and how it looks until it is finished."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen

from gui.theme import Theme
from gui.widgets.pattern_axes import PatternFrame

Cell = tuple[int, int]


class Stroke:
    """Cells between press and release, each once, in causal places only; `erases` takes attention away."""

    def __init__(self) -> None:
        self.cells: list[Cell] = []
        self.erases = False

    def begin(self, cell: Cell, erases: bool) -> None:
        self.cells, self.erases = [], erases
        self._add(cell)

    def go_to(self, cell: Cell | None) -> None:
        """On to another cell, also over those that a quick hand left out between two events."""
        if cell is None or not self.cells or cell == self.cells[-1]:
            return
        (row, column), (down, right) = self.cells[-1], (cell[0] - self.cells[-1][0], cell[1] - self.cells[-1][1])
        steps = max(abs(down), abs(right))
        for step in range(1, steps + 1):
            self._add((row + round(down * step / steps), column + round(right * step / steps)))

    def end(self) -> tuple[tuple[Cell, ...], bool]:
        """What was painted and whether it erases; the stroke is empty again."""
        cells = tuple(self.cells)
        self.cells = []
        return cells, self.erases

    def _add(self, cell: Cell) -> None:
        if cell[1] <= cell[0] and cell not in self.cells:
            self.cells.append(cell)

    def paint(self, painter: QPainter, frame: PatternFrame, theme: Theme) -> None:
        """The cells of the unfinished stroke: filled where it paints, empty with a cross where it erases."""
        painter.setPen(QPen(QColor(theme.accent), theme.scale))
        for cell in self.cells:
            box = frame.cell_rect(*cell)
            painter.fillRect(box, QColor(theme.window if self.erases else theme.accent))
            if self.erases:
                _cross(painter, box)


def _cross(painter: QPainter, box: QRectF) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(box)
    painter.drawLine(box.topLeft(), box.bottomRight())
    painter.drawLine(box.topRight(), box.bottomLeft())
