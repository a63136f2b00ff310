"""The geometry and the drawing of the matrix of all pairs: writers down, readers across. No state."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPen

from engine.work.circuit_results import ENDS, Floats
from gui.theme import GAMMA, SMALLEST, Theme, ui_font
from gui.widgets.pattern_paint import cells_image, roomy
from gui.widgets.pictures import max_pooled

Cell = tuple[int, int]
_BLOCK_FROM = 8.0  # px: hairlines around smaller blocks would hide them
_CENTRE = Qt.AlignmentFlag.AlignCenter


@dataclass(frozen=True)
class MatrixFrame:
    """`rows` x `columns` square cells in a plot; `x`, `y` (in cells) and `cell` (px) say which of them are in it."""

    plot: QRectF
    rows: int = 0
    columns: int = 0
    cell: float = 1.0
    x: float = 0.0
    y: float = 0.0

    @classmethod
    def fitted(cls, area: QRectF, rows: int, columns: int, largest: float) -> MatrixFrame:
        """All cells in `area`, from its left top, none larger than `largest` px."""
        side = min(area.width() / max(columns, 1), area.height() / max(rows, 1), largest)
        plot = QRectF(area.left(), area.top(), columns * side, rows * side)
        return cls(plot, rows, columns, max(side, 1e-3))

    def rect(self, row: float, column: float, rows: float = 1, columns: float = 1) -> QRectF:
        """Cells as a rectangle, cut to the plot."""
        left, top = self.plot.left() + (column - self.x) * self.cell, self.plot.top() + (row - self.y) * self.cell
        return QRectF(left, top, columns * self.cell, rows * self.cell).intersected(self.plot)

    def line(self, place: int, size: int, upright: bool) -> QRectF:
        """Whole rows (upright) or columns, as far as they are in view."""
        return self.rect(place, self.x, size) if upright else self.rect(self.y, place, 1, size)

    def cell_at(self, point: QPointF) -> Cell | None:
        if not self.plot.contains(point):
            return None
        row = int(self.y + (point.y() - self.plot.top()) / self.cell)
        column = int(self.x + (point.x() - self.plot.left()) / self.cell)
        return (row, column) if row < self.rows and column < self.columns else None

    def zoomed(self, point: QPointF, factor: float, whole: float, largest: float) -> MatrixFrame:
        """Nearer or farther, between cells of `whole` px (all in view) and `largest`; `point` stays where it is."""
        cell = min(max(self.cell * factor, whole), max(largest, whole))
        away = point - self.plot.topLeft()
        moved = replace(
            self,
            cell=cell,
            x=self.x + away.x() * (1 / self.cell - 1 / cell),
            y=self.y + away.y() * (1 / self.cell - 1 / cell),
        )
        return moved.clamped()

    def panned(self, by: QPointF) -> MatrixFrame:
        return replace(self, x=self.x - by.x() / self.cell, y=self.y - by.y() / self.cell).clamped()

    def showing(self, row: int, column: int) -> MatrixFrame:
        """Moved just enough that a cell is in the plot."""
        x = min(max(self.x, column + 1 - self.plot.width() / self.cell), column)
        y = min(max(self.y, row + 1 - self.plot.height() / self.cell), row)
        return replace(self, x=x, y=y).clamped()

    def clamped(self) -> MatrixFrame:
        most_x = max(0.0, self.columns - self.plot.width() / self.cell)
        most_y = max(0.0, self.rows - self.plot.height() / self.cell)
        return replace(self, x=min(max(self.x, 0.0), most_x), y=min(max(self.y, 0.0), most_y))

    def shown(self) -> tuple[range, range]:
        """The rows and columns in view."""
        last_row = int(np.ceil(self.y + self.plot.height() / self.cell - 1e-6))
        last_column = int(np.ceil(self.x + self.plot.width() / self.cell - 1e-6))
        return range(int(self.y), min(self.rows, last_row)), range(int(self.x), min(self.columns, last_column))


def indexed(fraction: Floats) -> NDArray[np.uint16]:
    """(W, R) shares of the ceiling to places in the colour table, 1 to 256; 0 where there is no pair."""
    known = np.isfinite(fraction)
    place = np.clip(np.where(known, fraction, 0.0), 0.0, 1.0) ** GAMMA * 255.0
    return np.where(known, np.rint(place) + 1, 0).astype(np.uint16)


@lru_cache(maxsize=8)
def layer_spans(names: tuple[str, ...]) -> list[tuple[str, int, int]]:
    """Each layer, or end, as its label, first place and number of places."""
    groups = groupby(enumerate(names), key=lambda item: item[1] if item[1] in ENDS else item[1].partition(".")[0])
    spans = []
    for label, members in groups:
        places = [place for place, _ in members]
        spans.append((label, places[0], len(places)))
    return spans


class MatrixPainter:
    """Draws with one painter; made anew for each repaint of the still layer."""

    def __init__(self, painter: QPainter, frame: MatrixFrame, theme: Theme) -> None:
        self._painter, self._frame, self._theme = painter, frame, theme
        self._small, self._strong = ui_font(theme.px(SMALLEST)), ui_font(theme.px(SMALLEST), 600)
        self._metrics = QFontMetricsF(self._strong)

    def cells(self, places: NDArray[np.uint16], ratio: float) -> None:
        """The cells in view as one image; more cells than pixels are joined by the strongest: no pair is lost."""
        frame, painter = self._frame, self._painter
        rows, columns = frame.shown()
        block = places[rows.start : rows.stop, columns.start : columns.stop]
        if not block.size:
            return
        painter.save()
        painter.setClipRect(frame.plot)
        pixels = max(1, int(max(frame.plot.width(), frame.plot.height()) * ratio))
        image: QImage = cells_image(max_pooled(block, pixels), self._theme.attention_lut())
        corner = QPointF(frame.plot.left() + (columns.start - frame.x) * frame.cell, 0)
        corner.setY(frame.plot.top() + (rows.start - frame.y) * frame.cell)
        painter.drawImage(QRectF(corner.x(), corner.y(), len(columns) * frame.cell, len(rows) * frame.cell), image)
        painter.restore()

    def numbers(self, fraction: Floats) -> None:
        """The share of the ceiling in each cell that has room for it."""
        rows, columns = self._frame.shown()
        if self._frame.cell < self._metrics.horizontalAdvance("0.00") + 6:
            return
        self._painter.setFont(self._strong)
        table = self._theme.attention_lut()
        for row in rows:
            for column in columns:
                value, box = float(fraction[row, column]), self._frame.rect(row, column)
                if np.isfinite(value) and box.width() > 0.9 * self._frame.cell < box.height() / 0.81:
                    ground = table[round(min(max(value, 0.0), 1.0) ** GAMMA * 255)]
                    bright = float(ground @ np.array([0.299, 0.587, 0.114])) > 140
                    self._painter.setPen(QColor("#12151a" if bright else "#f4f5f7"))
                    self._painter.drawText(box, _CENTRE, f"{value:.2f}")

    def grid(self, writers: tuple[str, ...], readers: tuple[str, ...], fraction: Floats) -> None:
        """Hairlines around blocks of layers, where there are pairs; fainter ones around large cells."""
        frame, painter = self._frame, self._painter
        lines = []
        down = [*layer_spans(writers)]
        for _, column, width in layer_spans(readers):
            for _, row, height in down:
                if np.isfinite(fraction[row : row + height, column : column + width]).any():
                    lines.append(frame.rect(row, column, height, width))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(self._theme.hairline), 1.0))
        painter.drawRects([box for box in lines if not box.isEmpty() and min(box.width(), box.height()) > _BLOCK_FROM])
        painter.drawRect(frame.plot)

    def axes(self, writers: tuple[str, ...], readers: tuple[str, ...], bright: Cell | None) -> None:
        """Names of layers, and of heads where cells are large enough; those of the bright cell in any case."""
        row, column = bright or (None, None)
        self._axis(writers, row, upright=True)
        self._axis(readers, column, upright=False)

    def _axis(self, names: tuple[str, ...], bright: int | None, upright: bool) -> None:
        frame, line, taken = self._frame, self._metrics.height(), QRectF()
        widest = self._metrics.horizontalAdvance(max(names, key=len, default=""))
        if bright is not None:
            taken = self._label(names[bright], frame.line(bright, 1, upright), upright, self._theme.text, QRectF())
        if frame.cell >= (line if upright else widest + 4):
            spans = [(name, place, 1) for place, name in enumerate(names)]
        else:
            spans = self._layers(names, line if upright else self._metrics.horizontalAdvance("L00") + 4)
        for name, place, size in spans:
            self._label(name, frame.line(place, size, upright), upright, self._theme.subtle, taken)

    def _layers(self, names: tuple[str, ...], needed: float) -> list[tuple[str, int, int]]:
        """Layers as labels, every second, fifth or tenth where they would touch; ends where they have room."""
        spans = layer_spans(names)
        layer = max((size for name, _, size in spans if name not in ENDS), default=1) * self._frame.cell
        step = next(step for step in (1, 2, 5, 10, 20, 1000) if step * layer >= needed)
        kept = [(f"L{name}", place, size) for name, place, size in spans if name not in ENDS and int(name) % step == 0]
        return kept + [span for span in spans if span[0] in ENDS and self._frame.cell >= needed]

    def _label(self, name: str, cells: QRectF, upright: bool, colour: str, taken: QRectF) -> QRectF:
        """Writes a label beside its cells unless it would touch `taken`; returns its place."""
        box = self._label_box(cells, self._metrics.horizontalAdvance(name), upright)
        if not cells.isEmpty() and not box.adjusted(-3, 0, 3, 0).intersects(taken):
            self._painter.setFont(self._strong if colour == self._theme.text else self._small)
            self._painter.setPen(QColor(colour))
            self._painter.drawText(box, _CENTRE, name)
        return box

    def _label_box(self, cells: QRectF, width: float, upright: bool) -> QRectF:
        line, gap = self._metrics.height(), self._theme.px(5)
        if upright:
            return QRectF(self._frame.plot.left() - gap - width, cells.center().y() - line / 2, width, line)
        return QRectF(cells.center().x() - width / 2, self._frame.plot.top() - gap - line, width, line)

    def scale_bar(self, corner: QPointF) -> None:
        """The colours with their meaning, left of `corner`."""
        theme, painter, line = self._theme, self._painter, self._theme.px(16)
        painter.setFont(self._small)
        painter.setPen(QColor(theme.subtle))
        digit = self._metrics.horizontalAdvance("0") + theme.px(4)
        bar = QRectF(corner.x() - digit - theme.px(80), corner.y() + theme.px(3), theme.px(80), line - theme.px(6))
        for text, left in (("0", bar.left() - digit), ("1", bar.right())):
            painter.drawText(QRectF(left, corner.y(), digit, line), _CENTRE, text)
        ramp = (np.linspace(0.0, 1.0, 96) ** GAMMA * 255).round().astype(np.uint16)[None] + 1  # (1, 96)
        painter.drawImage(bar, cells_image(ramp.astype(np.uint16), theme.attention_lut()))
        painter.setPen(QPen(QColor(theme.hairline), 1.0))
        painter.drawRect(bar)

    def cross(self, cell: Cell) -> None:
        """Row and column of a cell, and the cell itself."""
        frame, painter, theme = self._frame, self._painter, self._theme
        painter.setBrush(Qt.BrushStyle.NoBrush)
        pen = QPen(QColor(theme.text), theme.scale)
        painter.setPen(QPen(QColor(theme.subtle), 1.0))
        for box in (frame.rect(cell[0], 0, 1, frame.columns), frame.rect(0, cell[1], frame.rows, 1)):
            painter.drawRect(roomy(box, pen))
        painter.setPen(QPen(QColor(theme.text), 2 * theme.scale))
        painter.drawRect(roomy(frame.rect(*cell), pen))

    def pin(self, cell: Cell) -> None:
        pen = QPen(QColor(self._theme.accent), 2 * self._theme.scale)
        self._painter.setPen(pen)
        self._painter.setBrush(Qt.BrushStyle.NoBrush)
        self._painter.drawRect(roomy(self._frame.rect(*cell), pen))
