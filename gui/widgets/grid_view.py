"""A small labelled matrix of numbers on a page, one coloured square each: terms of a score, scores of tokens.

Pointing, or the arrow keys, reads a number below; a click or Enter chooses it. As high as its width allows. Knows
labels and numbers only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QFontMetricsF,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget
from typing_extensions import override

from gui.theme import DARK, SMALLEST, Theme, mono_font, ui_font
from gui.widgets.focus import KEYBOARD_REASONS
from gui.widgets.pattern_paint import Kind, cells_image, placed

Cell = tuple[int, int]
_STEPS = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}
_EMPTY: NDArray[Any] = np.zeros((0, 0))
_LARGEST, _LABELLED, _LONGEST_LABEL = 24, 12, 84  # px at 100 %: a cell, a cell that has room for a label, a label


class GridView(QWidget):
    """`cellClicked` carries row and column."""

    cellClicked = Signal(int, int)

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self._values = _EMPTY
        self._kind: Kind = "score"
        self._rows: list[str] = []
        self._columns: list[str] = []
        self._words = "{row} × {column}: {value}"
        self._hint = ""
        self._cell: Cell | None = None
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(name)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._fit()

    def set_grid(
        self, values: NDArray[Any], kind: Kind, rows: Sequence[str], columns: Sequence[str], words: str, hint: str
    ) -> None:
        """(R, C), NaN where there is nothing: "score" in two colours around zero, "attention" 0 to 1. `words` read a
        cell, with places for {row}, {column} and {value}; `hint` stands there while no cell is pointed at."""
        self._values, self._kind, self._words, self._hint = values, kind, words, hint
        self._rows, self._columns = list(rows), list(columns)
        if self._cell is not None and not (self._cell[0] < len(rows) and self._cell[1] < len(columns)):
            self._cell = None
        self._fit()

    # ------------------------------------------------------------ layout
    def _label_room(self, width: float) -> tuple[float, float]:
        """Of the rows' labels, and of the columns', which stand upright; none where cells are too small for them."""
        metrics, longest = QFontMetricsF(mono_font(self._theme.px(SMALLEST))), self._theme.px(_LONGEST_LABEL)
        widest = [
            min(longest, max((metrics.horizontalAdvance(text) for text in texts), default=0.0))
            for texts in (self._rows, self._columns)
        ]
        gap = self._theme.px(6)
        side = (width - widest[0] - gap) / max(len(self._columns), 1)
        if side < self._theme.px(_LABELLED):
            return 0.0, 0.0
        return widest[0] + gap, widest[1] + gap

    def _plot(self) -> QRectF:
        return self._plot_in(self.width() - 1)

    def _plot_in(self, width: float) -> QRectF:
        left, top = self._label_room(width)
        rows, columns = self._values.shape
        side = min(self._theme.px(_LARGEST), (width - left) / max(columns, 1))
        return QRectF(left, top, side * columns, side * rows)

    def _fit(self) -> None:
        self.updateGeometry()
        self.update()

    @override
    def heightForWidth(self, width: int) -> int:
        return math.ceil(self._plot_in(width - 1).bottom()) + self._theme.px(24) if self._values.size else 0

    @override
    def sizeHint(self) -> QSize:
        width = self._theme.px(240)
        return QSize(width, self.heightForWidth(width))

    @override
    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(60), 0)

    def cell_rect(self, row: int, column: int) -> QRectF:
        """Where a cell stands in the widget."""
        plot, (rows, columns) = self._plot(), self._values.shape
        width, height = plot.width() / max(columns, 1), plot.height() / max(rows, 1)
        return QRectF(plot.left() + column * width, plot.top() + row * height, width, height)

    # ------------------------------------------------------------ painting
    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        if not self._values.size:
            return
        painter, theme, plot = QPainter(self), self._theme, self._plot()
        lut = theme.attention_lut() if self._kind == "attention" else theme.signed_lut()
        painter.drawImage(plot, cells_image(placed(self._values, self._kind), lut))
        painter.setPen(QPen(QColor(theme.hairline), 1))
        painter.drawRect(plot)
        self._paint_labels(painter, plot)
        if self._cell is not None:
            painter.setPen(QPen(QColor(theme.text), 2 * theme.scale))
            painter.drawRect(self.cell_rect(*self._cell))
        painter.setFont(ui_font(theme.px(SMALLEST)))
        painter.setPen(QColor(theme.text if self._cell else theme.subtle))
        line = QRectF(0, plot.bottom() + theme.px(4), self.width(), theme.px(18))
        words = QFontMetricsF(painter.font()).elidedText(self.caption(), Qt.TextElideMode.ElideRight, line.width())
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words)

    def _paint_labels(self, painter: QPainter, plot: QRectF) -> None:
        theme = self._theme
        if plot.left() == 0:
            return
        painter.setFont(mono_font(theme.px(SMALLEST)))
        metrics, longest = QFontMetricsF(painter.font()), theme.px(_LONGEST_LABEL)
        elide, middle = Qt.TextElideMode.ElideRight, (metrics.ascent() - metrics.descent()) / 2
        for number, text in enumerate(self._rows):
            painter.setPen(QColor(theme.text if self._cell and self._cell[0] == number else theme.subtle))
            words, at = metrics.elidedText(text, elide, longest), self.cell_rect(number, 0).center().y() + middle
            right = plot.left() - theme.px(4) - metrics.horizontalAdvance(words)
            painter.drawText(QPointF(right, at), words)
        for number, text in enumerate(self._columns):
            painter.setPen(QColor(theme.text if self._cell and self._cell[1] == number else theme.subtle))
            painter.save()
            painter.translate(self.cell_rect(0, number).center().x() + middle, plot.top() - theme.px(4))
            painter.rotate(-90)
            painter.drawText(QPointF(0, 0), metrics.elidedText(text, elide, longest))
            painter.restore()

    def caption(self) -> str:
        """The cell that is pointed at, in words."""
        if self._cell is None:
            return self._hint
        row, column = self._cell
        value = float(self._values[row, column])
        told = "nothing" if not np.isfinite(value) else f"{value:+.2f}" if self._kind == "score" else f"{value:.2f}"
        return self._words.format(row=self._rows[row], column=self._columns[column], value=told.replace("-", "−"))

    # ------------------------------------------------------------ mouse and keyboard
    def _cell_at(self, point: QPointF) -> Cell | None:
        plot, (rows, columns) = self._plot(), self._values.shape
        if not self._values.size or not plot.contains(point):
            return None
        row = int((point.y() - plot.top()) / plot.height() * rows)
        column = int((point.x() - plot.left()) / plot.width() * columns)
        return min(row, rows - 1), min(column, columns - 1)

    @override
    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.caption(), self)
            return True
        return super().event(event)

    @override
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._point(self._cell_at(event.position()))

    @override
    def leaveEvent(self, event: QEvent) -> None:
        self._point(None)

    @override
    def mousePressEvent(self, event: QMouseEvent) -> None:
        cell = self._cell_at(event.position())
        if cell is not None and event.button() == Qt.MouseButton.LeftButton:
            self.cellClicked.emit(*cell)

    @override
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.accept()  # the press was ours

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if key in _STEPS and self._values.size:
            down, right = _STEPS[key]
            row, column = self._cell or (0, 0)
            rows, columns = self._values.shape
            self._point((min(max(row + down, 0), rows - 1), min(max(column + right, 0), columns - 1)))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self._cell is not None:
            self.cellClicked.emit(*self._cell)
        else:
            event.ignore()

    @override
    def focusInEvent(self, event: QFocusEvent) -> None:
        if event.reason() in KEYBOARD_REASONS and self._cell is None and self._values.size:
            self._point((0, 0))

    @override
    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._point(None)

    def _point(self, cell: Cell | None) -> None:
        if cell != self._cell:
            self._cell = cell
            self.setAccessibleDescription(self.caption())
            self.update()
