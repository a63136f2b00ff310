"""Placing and drawing the chips of a token strip: pure geometry and paint, no state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPainterPath, QPen

from gui.theme import Theme


class ChipLook(NamedTuple):
    """`surprise` 0 to 1 is the strength of the red underline, `role` the colour of the ring; `apart` marks a token that
    the other prompt does not have at this place.
    """

    quiet: bool
    surprise: float
    role: str | None
    hovered: bool
    pinned: bool
    apart: bool


class GuessLook(NamedTuple):
    """Of the dashed chip of the predicted token."""

    in_colour: bool
    focused: bool


class Chip(NamedTuple):
    """A chip as it stands on the screen: two that are equal need no new painting."""

    rect: QRectF
    text: str  # cut to the room
    start: QPointF  # of the base line
    look: ChipLook | GuessLook


class ChipWriter:
    """Measures texts in one font, each once: a key press changes few words of a prompt."""

    def __init__(self, metrics: QFontMetricsF, theme: Theme) -> None:
        self._metrics, self._padding = metrics, theme.px(4)
        self._baseline = (metrics.ascent() - metrics.descent()) / 2
        self._widths: dict[str, float] = {}

    def width(self, text: str) -> float:
        if text not in self._widths:
            self._widths[text] = self._metrics.horizontalAdvance(text)
        return self._widths[text]

    def chip(self, rect: QRectF, text: str, look: ChipLook | GuessLook) -> Chip:
        """The text in the middle of its chip, cut where it does not fit."""
        room = rect.width() - 2 * self._padding
        if self.width(text) > room + 1:
            text = self._metrics.elidedText(text, Qt.TextElideMode.ElideRight, room)
        middle = rect.center()
        return Chip(rect, text, QPointF(middle.x() - self.width(text) / 2, middle.y() + self._baseline), look)


def flow(widths: Sequence[float], room: float, theme: Theme) -> tuple[list[QRectF], int]:
    """Left to right, wrapping at `room`; the rectangles and the number of rows."""
    height, gap, row_gap, left = theme.px(28), theme.px(4), theme.px(6), float(theme.px(2))
    x, y, rows = left, float(theme.px(3)), 1 if widths else 0
    widest = max(room - left, theme.px(24))
    rects = []
    for width in widths:
        fitting = min(width, widest)
        if x + fitting > room and x > left:
            x, y, rows = left, y + height + row_gap, rows + 1
        rects.append(QRectF(x, y, fitting, height))
        x += fitting + gap
    return rects, rows


def chip_at(rects: Sequence[QRectF], x: float, y: float) -> int | None:
    for index, rect in enumerate(rects):
        if rect.contains(x, y):
            return index
    return None


def paint_chip(painter: QPainter, chip: Chip, theme: Theme) -> None:
    if isinstance(chip.look, GuessLook):
        _paint_guess(painter, chip.rect, chip.look, theme)
    else:
        _paint_ground(painter, chip.rect, chip.look, theme)
    painter.drawText(chip.start, chip.text)
    if isinstance(chip.look, ChipLook):
        _paint_marks(painter, chip.rect, chip.look, theme)


def _paint_ground(painter: QPainter, rect: QRectF, look: ChipLook, theme: Theme) -> None:
    radius = theme.px(5)
    shape = QPainterPath()
    shape.addRoundedRect(rect, radius, radius)
    if not look.quiet or look.hovered or look.pinned:
        painter.fillPath(shape, QColor(theme.raised if look.hovered or look.pinned or look.apart else theme.base))
    if look.surprise > 0:
        red = QColor(theme.negative)
        red.setAlphaF(0.15 + 0.85 * look.surprise)
        painter.save()
        painter.setClipPath(shape)
        painter.fillRect(QRectF(rect.left(), rect.bottom() - theme.px(3), rect.width(), theme.px(3)), red)
        painter.restore()
    painter.setPen(QColor(theme.subtle if look.quiet else theme.text))


def _paint_marks(painter: QPainter, rect: QRectF, look: ChipLook, theme: Theme) -> None:
    radius = theme.px(5)
    if look.role or look.hovered:
        width = 2 * theme.scale if look.role else theme.scale
        painter.setPen(QPen(QColor(look.role or theme.subtle), width))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(rect.adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)
    if look.apart:
        _paint_corner(painter, rect, theme)
    if look.pinned:
        _paint_pin(painter, rect, look.role or theme.accent, theme)


def _paint_corner(painter: QPainter, rect: QRectF, theme: Theme) -> None:
    """A corner turned down at the upper left: this token is not that of the other prompt."""
    size = theme.px(9)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(theme.accent))
    painter.drawPolygon([rect.topLeft(), rect.topLeft() + QPointF(size, 0), rect.topLeft() + QPointF(0, size)])


def _paint_pin(painter: QPainter, rect: QRectF, colour: str, theme: Theme) -> None:
    """A dot on the upper right corner: pinned is told by shape as well as by colour."""
    size = theme.px(7)
    painter.setPen(QPen(QColor(theme.window), theme.scale))
    painter.setBrush(QColor(colour))
    painter.drawEllipse(QRectF(rect.right() - size * 0.75, rect.top() - size * 0.25, size, size))


def _paint_guess(painter: QPainter, rect: QRectF, look: GuessLook, theme: Theme) -> None:
    colour = QColor(theme.induction if look.in_colour else theme.subtle)
    pen = QPen(colour, (2 if look.focused else 1) * theme.scale)
    pen.setDashPattern([3, 2])
    painter.setPen(pen)
    painter.setBrush(QColor(theme.raised) if look.focused else Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(rect.adjusted(0.5, 0.5, -0.5, -0.5), theme.px(5), theme.px(5))
    painter.setPen(colour)
