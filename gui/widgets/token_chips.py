"""Placing and drawing the chips of a token strip: pure geometry and paint, no state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPainterPath, QPen

from gui.theme import Theme


@dataclass(frozen=True)
class ChipLook:
    """`surprise` 0 to 1 is the strength of the red underline, `role` the colour of the ring."""

    quiet: bool
    surprise: float
    role: str | None
    hovered: bool
    pinned: bool


def flow(widths: Sequence[float], room: float, theme: Theme) -> tuple[list[QRectF], int]:
    """Left to right, wrapping at `room`; the rectangles and the number of rows."""
    height, gap, row_gap = theme.px(28), theme.px(4), theme.px(6)
    x, y, rows = float(theme.px(2)), float(theme.px(3)), 1 if widths else 0
    rects = []
    for width in widths:
        fitting = min(width, max(room - theme.px(2), theme.px(24)))
        if x + fitting > room and x > theme.px(2):
            x, y, rows = float(theme.px(2)), y + height + row_gap, rows + 1
        rects.append(QRectF(x, y, fitting, height))
        x += fitting + gap
    return rects, rows


def chip_at(rects: Sequence[QRectF], x: float, y: float) -> int | None:
    for index, rect in enumerate(rects):
        if rect.contains(x, y):
            return index
    return None


def paint_chip(painter: QPainter, rect: QRectF, text: str, look: ChipLook, theme: Theme) -> None:
    radius = theme.px(5)
    shape = QPainterPath()
    shape.addRoundedRect(rect, radius, radius)
    if not look.quiet or look.hovered or look.pinned:
        painter.fillPath(shape, QColor(theme.raised if look.hovered or look.pinned else theme.base))
    if look.surprise > 0:
        red = QColor(theme.negative)
        red.setAlphaF(0.15 + 0.85 * look.surprise)
        painter.save()
        painter.setClipPath(shape)
        painter.fillRect(QRectF(rect.left(), rect.bottom() - theme.px(3), rect.width(), theme.px(3)), red)
        painter.restore()
    painter.setPen(QColor(theme.subtle if look.quiet else theme.text))
    _paint_text(painter, rect, text, theme)
    if look.role or look.hovered:
        width = 2 * theme.scale if look.role else theme.scale
        painter.setPen(QPen(QColor(look.role or theme.subtle), width))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(rect.adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)
    if look.pinned:
        _paint_pin(painter, rect, look.role or theme.accent, theme)


def _paint_text(painter: QPainter, rect: QRectF, text: str, theme: Theme) -> None:
    metrics = QFontMetricsF(painter.font())
    inner = rect.adjusted(theme.px(4), 0, -theme.px(4), 0)
    shown = text
    if metrics.horizontalAdvance(text) > inner.width() + 1:
        shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, inner.width())
    painter.drawText(inner, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextSingleLine, shown)


def _paint_pin(painter: QPainter, rect: QRectF, colour: str, theme: Theme) -> None:
    """A dot on the upper right corner: pinned is told by shape as well as by colour."""
    size = theme.px(7)
    painter.setPen(QPen(QColor(theme.window), theme.scale))
    painter.setBrush(QColor(colour))
    painter.drawEllipse(QRectF(rect.right() - size * 0.75, rect.top() - size * 0.25, size, size))


def paint_guess(painter: QPainter, rect: QRectF, text: str, in_colour: bool, focused: bool, theme: Theme) -> None:
    """The dashed chip of the predicted token."""
    colour = QColor(theme.induction if in_colour else theme.subtle)
    pen = QPen(colour, (2 if focused else 1) * theme.scale)
    pen.setDashPattern([3, 2])
    painter.setPen(pen)
    painter.setBrush(QColor(theme.raised) if focused else Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(rect.adjusted(0.5, 0.5, -0.5, -0.5), theme.px(5), theme.px(5))
    painter.setPen(colour)
    _paint_text(painter, rect, text, theme)
