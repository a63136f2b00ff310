"""Drawing one large pattern: its cells, its axes and its crosshair. No state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPen

from gui.theme import GAMMA, NEUTRAL, Theme
from gui.widgets.pattern_axes import PatternFrame, thinned
from gui.widgets.pictures import max_pooled, owned, packed, strongest

Kind = Literal["attention", "score", "difference"]
_GRID_FROM = 7.0  # px: in smaller cells lines would hide the pattern


def indexed(values: NDArray[Any], kind: Kind) -> NDArray[np.uint16]:
    """(T, T) to places in the colour table, 1 to 256; 0 where nothing is drawn (masked, or not a number)."""
    return placed(np.where(np.tri(values.shape[0], dtype=bool), values, np.nan), kind)


def placed(values: NDArray[Any], kind: Kind) -> NDArray[np.uint16]:
    """(R, C) to places in the colour table, 1 to 256; 0 where there is no number."""
    finite = np.isfinite(values)
    clean = np.where(finite, values, 0.0).astype(np.float32)
    if kind == "attention":
        place = np.clip(clean, 0.0, 1.0) ** GAMMA * 255.0
    elif kind == "difference":
        place = NEUTRAL + np.sign(clean) * np.clip(np.abs(clean), 0.0, 1.0) ** GAMMA * 127.0
    else:
        place = NEUTRAL + clean / max(float(np.abs(clean).max(initial=0.0)), 1e-9) * 127.0
    return np.where(finite, np.rint(place) + 1, 0).astype(np.uint16)


def cells_image(places: NDArray[np.uint16], lut: NDArray[np.uint8]) -> QImage:
    """Places of `indexed` as an image; nothing drawn is transparent."""
    table = np.concatenate([np.zeros(1, np.uint32), packed(lut)])
    return owned(np.take(table, places), QImage.Format.Format_ARGB32_Premultiplied)


def cells_in_view(
    frame: PatternFrame, places: NDArray[np.uint16], kind: Kind, lut: NDArray[np.uint8], ratio: float
) -> tuple[QRectF, QImage]:
    """The cells in view and where they stand. More cells than pixels are joined by the strongest: no stripe is lost."""
    rows, columns = frame.shown(frame.y), frame.shown(frame.x)
    block = places[rows.start : rows.stop, columns.start : columns.stop]
    left = frame.plot.left() + (columns.start - frame.x) * frame.cell
    top = frame.plot.top() + (rows.start - frame.y) * frame.cell
    place = QRectF(left, top, block.shape[1] * frame.cell, block.shape[0] * frame.cell)
    pixels = max(1, int(frame.plot.width() * ratio))
    if kind == "attention":
        return place, cells_image(max_pooled(block, pixels), lut)
    return place, cells_image(strongest(lambda cells: max_pooled(cells, pixels), block, NEUTRAL + 1), lut)


def paint_grid(painter: QPainter, frame: PatternFrame, theme: Theme) -> None:
    """Hairlines between cells, none in the masked half: the staircase shows where attention may fall."""
    if frame.cell < _GRID_FROM * theme.scale:
        return
    lines = []
    for at in range(frame.count + 1):
        across = frame.line(at, 0, at, min(at + 1, frame.count))
        down = frame.line(max(at - 1, 0), at, frame.count, at)
        lines += [line for line in (across, down) if line is not None]
    painter.setPen(QPen(QColor(theme.hairline), 1.0))
    painter.drawLines(lines)


def paint_stripe(painter: QPainter, frame: PatternFrame, mask: NDArray[np.bool_], theme: Theme) -> None:
    """Outlines where an induction head would look."""
    pen = QPen(QColor(theme.induction), 1.0)
    pen.setStyle(Qt.PenStyle.DotLine)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    rows, columns = np.nonzero(mask)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    painter.drawRects([box for box in (frame.cell_rect(r, c) for r, c in pairs) if not box.isEmpty()])


def paint_cross(painter: QPainter, frame: PatternFrame, row: int, column: int, pen: QPen) -> None:
    """The row up to the diagonal (outgoing) and the column from the diagonal down (incoming)."""
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawRect(roomy(frame.block_rect(row, 0, 1, row + 1), pen))
    painter.drawRect(roomy(frame.block_rect(column, column, frame.count - column, 1), pen))


def roomy(box: QRectF, pen: QPen) -> QRectF:
    """A box around cells so small that its outline would cover them, moved outwards; others as they are."""
    across, down = (max(0.0, (3 * pen.widthF() + 2 - side) / 2) for side in (box.width(), box.height()))
    return box if box.isEmpty() else box.adjusted(-across, -down, across, down)


class AxisPainter:
    """Writes token labels: rows at the left, columns above at 45 degrees; the important ones brighter."""

    def __init__(self, painter: QPainter, frame: PatternFrame, labels: Sequence[str], room: float, font: QFont) -> None:
        self._painter, self._frame, self._labels, self._room = painter, frame, labels, room
        self._metrics = QFontMetricsF(font)
        self._baseline = (self._metrics.ascent() - self._metrics.descent()) / 2  # below the middle of a line
        painter.setFont(font)

    def rows(self, bright: dict[int, str], quiet: str) -> None:
        frame, line = self._frame, self._metrics.height()
        for at in thinned(frame.shown(frame.y), frame.cell, line, list(bright)):
            middle = frame.plot.top() + (at + 0.5 - frame.y) * frame.cell
            if not frame.plot.top() <= middle <= frame.plot.bottom():
                continue
            text, width = self._label(at)
            self._painter.setPen(QColor(bright.get(at, quiet)))
            self._painter.drawText(QPointF(frame.plot.left() - 8 - width, middle + self._baseline), text)

    def columns(self, bright: dict[int, str], quiet: str) -> None:
        frame, line = self._frame, self._metrics.height()
        for at in thinned(frame.shown(frame.x), frame.cell, line * 1.2, list(bright)):
            middle = frame.plot.left() + (at + 0.5 - frame.x) * frame.cell
            if not frame.plot.left() <= middle <= frame.plot.right():
                continue
            self._painter.save()
            self._painter.translate(QPointF(middle, frame.plot.top() - 6))
            self._painter.rotate(-45)
            self._painter.setPen(QColor(bright.get(at, quiet)))
            self._painter.drawText(QPointF(0, self._baseline), self._label(at)[0])
            self._painter.restore()

    def _label(self, at: int) -> tuple[str, float]:
        """The text, cut to the room, and its width. Drawn at a point: into a box Qt lays each out anew."""
        text, width = self._labels[at], self._metrics.horizontalAdvance(self._labels[at])
        if width > self._room + 0.5:
            text = self._metrics.elidedText(text, Qt.TextElideMode.ElideRight, self._room)
            width = self._metrics.horizontalAdvance(text)
        return text, width
