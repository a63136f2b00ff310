"""Eigenvalues in the complex plane: what copies lies to the right of the upright line. Takes complex numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget
from typing_extensions import override

from gui.theme import DARK, SMALLEST, Theme, ui_font

_SIDE, _DOT = 168, 2.6  # px at 100 %
_NONE: NDArray[np.complex128] = np.zeros(0, np.complex128)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


class PlaneView(QWidget):
    """Positive real parts are filled, negative ones hollow; the circle goes through the largest."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self._values = _NONE
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(name)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._fit()

    def set_values(self, values: NDArray[np.complex128]) -> None:
        self._values = values
        self.setAccessibleDescription(self.caption())
        self._fit()

    def _fit(self) -> None:
        self.setFixedHeight(self.sizeHint().height())
        self.update()

    @override
    def sizeHint(self) -> QSize:
        side = self._theme.px(_SIDE)
        return QSize(side, side if self._values.size else 0)

    def caption(self) -> str:
        """The picture in words."""
        if not self._values.size:
            return "no eigenvalues"
        positive, largest = int((self._values.real > 0).sum()), float(np.abs(self._values).max())
        return (
            f"{positive} of {len(self._values)} eigenvalues lie on the copying side; the largest is {_short(largest)}"
        )

    def point(self, place: int) -> QPointF:
        """Where an eigenvalue stands in the widget."""
        circle, value = self._circle(), self._values[place]
        radius = circle.width() / 2 / max(float(np.abs(self._values).max()), 1e-12)
        return circle.center() + QPointF(float(value.real) * radius, -float(value.imag) * radius)

    def _circle(self) -> QRectF:
        side = self._theme.px(_SIDE) - self._theme.px(28)
        return QRectF(self._theme.px(14), self._theme.px(14), side, side)

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        if not self._values.size:
            return
        painter, theme, circle = QPainter(self), self._theme, self._circle()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        centre, half = circle.center(), circle.width() / 2
        painter.setPen(QPen(QColor(theme.hairline), theme.scale))
        painter.drawEllipse(circle)
        painter.drawLine(QPointF(circle.left(), centre.y()), QPointF(circle.right(), centre.y()))
        painter.setPen(QPen(QColor(theme.subtle), theme.scale))
        painter.drawLine(QPointF(centre.x(), circle.top()), QPointF(centre.x(), circle.bottom()))
        self._paint_words(painter, circle)
        dot = max(1.5, min(_DOT, half / 12)) * theme.scale
        for place, value in enumerate(self._values):
            colour = QColor(theme.induction if value.real > 0 else theme.negative)
            painter.setPen(QPen(colour, 1.2 * theme.scale))
            painter.setBrush(colour if value.real > 0 else Qt.BrushStyle.NoBrush)
            painter.drawEllipse(self.point(place), dot, dot)

    def _paint_words(self, painter: QPainter, circle: QRectF) -> None:
        """Which side is which, and the scale, at the right of the circle where there is room."""
        theme, left = self._theme, circle.right() + self._theme.px(14)
        painter.setFont(ui_font(theme.px(SMALLEST)))
        height = QFontMetricsF(painter.font()).height() + theme.px(3)
        lines = (
            (theme.induction, "● right: raises what it reads"),
            (theme.negative, "○ left: lowers it"),
            (theme.subtle, f"circle: |λ| = {_short(float(np.abs(self._values).max()))}"),
        )
        for number, (colour, text) in enumerate(lines):
            painter.setPen(QColor(colour))
            painter.drawText(QPointF(left, circle.top() + (number + 1) * height), text)

    @override
    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.caption(), self)
            return True
        return super().event(event)
