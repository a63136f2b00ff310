"""Rows of label, bar and value, such as the ten best next tokens. Signed values share a zero line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QFontMetricsF, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget
from typing_extensions import override

from gui.theme import DARK, SECONDARY, Role, Theme, mono_font
from gui.widgets.focus import KEYBOARD_REASONS


@dataclass(frozen=True)
class BarRow:
    """`before` is a second, quieter bar (without an intervention); `text` is the value as written."""

    label: str
    value: float
    text: str
    before: float | None = None
    role: Role = "none"
    highlight: bool = False
    tip: str = ""


class BarList(QWidget):
    """`rowClicked` carries the index of a row, by mouse or by Enter."""

    rowClicked = Signal(int)
    rowHovered = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self._rows: list[BarRow] = []
        self._pointed: int | None = None
        self._full: float | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Bars")

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.setFont(mono_font(theme.px(SECONDARY)))
        self.setMinimumHeight(self.sizeHint().height())
        self.updateGeometry()
        self.update()

    def set_rows(self, rows: Sequence[BarRow], full: float | None = None) -> None:
        """`full` is the value of a bar over the whole width; None: the largest value shown."""
        taller = len(rows) != len(self._rows)
        self._rows, self._full = list(rows), full
        if self._pointed is not None and self._pointed >= len(rows):
            self._pointed = None
        self.setAccessibleDescription(", ".join(f"{row.label} {row.text}" for row in rows))
        if taller:
            self.setMinimumHeight(self.sizeHint().height())  # in a page that scrolls nothing else would hold it
            self.updateGeometry()
        self.update()

    def row_rect(self, index: int) -> QRectF:
        height = self._row_height()
        return QRectF(0, index * height, self.width(), height)

    # ------------------------------------------------------------ size
    def _row_height(self) -> int:
        return self._theme.px(22)

    @override
    def sizeHint(self) -> QSize:
        return QSize(self._theme.px(280), max(1, len(self._rows)) * self._row_height())

    @override
    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(150), self.sizeHint().height())

    # ------------------------------------------------------------ painting
    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        if not self._rows:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        metrics, gap = QFontMetricsF(self.font()), self._theme.px(10)
        widest = max(metrics.horizontalAdvance(row.label) for row in self._rows)
        label = min(widest + gap, self.width() * 0.42)
        value = max(metrics.horizontalAdvance(row.text) for row in self._rows) + gap
        low, high = self._range()
        track = QRectF(label, 0, max(1.0, self.width() - label - value), self._row_height())
        for index, row in enumerate(self._rows):
            area = self.row_rect(index)
            if index == self._pointed:
                self._paint_pointed(painter, area)
            self._paint_words(painter, row, area, label - gap / 2, metrics)
            self._paint_bars(painter, row, track.translated(0, area.top()), low, high)

    def _range(self) -> tuple[float, float]:
        values = [row.value for row in self._rows] + [row.before for row in self._rows if row.before is not None]
        low, high = min(0.0, *values), max(0.0, *values, self._full or 0.0)
        return low, high if high > low else low + 1.0

    def _paint_pointed(self, painter: QPainter, area: QRectF) -> None:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(self._theme.raised))
        painter.drawRoundedRect(area, self._theme.px(4), self._theme.px(4))

    def _paint_words(self, painter: QPainter, row: BarRow, area: QRectF, room: float, metrics: QFontMetricsF) -> None:
        base = area.center().y() + (metrics.ascent() - metrics.descent()) / 2
        painter.setPen(QColor(self._theme.role(row.role) if row.highlight else self._theme.text))
        label = metrics.elidedText(row.label, Qt.TextElideMode.ElideRight, room)
        painter.drawText(QPointF(area.left(), base), label)
        painter.setPen(QColor(self._theme.text))
        painter.drawText(QPointF(area.right() - metrics.horizontalAdvance(row.text), base), row.text)

    def _paint_bars(self, painter: QPainter, row: BarRow, track: QRectF, low: float, high: float) -> None:
        unit = track.width() / (high - low)
        zero = track.left() - low * unit
        painter.setPen(Qt.PenStyle.NoPen)
        thick = self._theme.px(12 if row.before is None else 8)
        top = track.center().y() - (thick if row.before is None else thick + self._theme.px(5)) / 2
        self._paint_bar(painter, QRectF(zero, top, row.value * unit, thick), self._colour(row))
        if row.before is not None:
            quiet = QColor(self._theme.subtle)
            quiet.setAlphaF(0.55)
            below = QRectF(zero, top + thick + self._theme.px(1), row.before * unit, self._theme.px(4))
            self._paint_bar(painter, below, quiet)

    def _colour(self, row: BarRow) -> QColor:
        if row.highlight:
            return QColor(self._theme.role(row.role))
        colour = QColor(self._theme.negative if row.value < 0 else self._theme.accent)
        colour.setAlphaF(0.75)
        return colour

    def _paint_bar(self, painter: QPainter, bar: QRectF, colour: QColor) -> None:
        box = bar.normalized()
        if box.width() < 1:  # a value near zero is no bar: a quiet hairline says where it would begin
            painter.fillRect(QRectF(round(box.left()), box.top(), 1, box.height()), QColor(self._theme.hairline))
            return
        painter.setBrush(colour)
        painter.drawRoundedRect(box, self._theme.px(2), self._theme.px(2))

    # ------------------------------------------------------------ mouse and keyboard
    def _row_at(self, y: float) -> int | None:
        index = int(y // self._row_height())
        return index if 0 <= index < len(self._rows) else None

    @override
    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            index = self._row_at(event.pos().y())
            QToolTip.showText(event.globalPos(), "" if index is None else self._rows[index].tip, self)
            return True
        return super().event(event)

    @override
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._point(self._row_at(event.position().y()))

    @override
    def leaveEvent(self, event: QEvent) -> None:
        self._point(None)

    @override
    def mousePressEvent(self, event: QMouseEvent) -> None:
        index = self._row_at(event.position().y())
        if index is not None and event.button() == Qt.MouseButton.LeftButton:
            self.rowClicked.emit(index)

    @override
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.accept()  # the press was ours

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        if key in (Qt.Key.Key_Up, Qt.Key.Key_Down) and self._rows:
            step = -1 if key == Qt.Key.Key_Up else 1
            start = self._pointed if self._pointed is not None else (-1 if step > 0 else len(self._rows))
            self._point(min(max(start + step, 0), len(self._rows) - 1))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self._pointed is not None:
            self.rowClicked.emit(self._pointed)
        else:
            event.ignore()

    @override
    def focusInEvent(self, event: QFocusEvent) -> None:
        if event.reason() in KEYBOARD_REASONS and self._rows:
            self._point(self._pointed or 0)

    @override
    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._point(None)

    def _point(self, index: int | None) -> None:
        if index != self._pointed:
            self._pointed = index
            self.update()
            self.rowHovered.emit(index)
