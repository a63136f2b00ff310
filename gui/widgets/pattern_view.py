"""One head's pattern, large: rows are destinations, columns are sources, both labelled with their tokens.

The pointer's row (outgoing) and column (incoming) are outlined at once and the value is written below. The
wheel zooms, dragging pans, a double click shows all again. Knows values and tokens, not the model.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QFontMetricsF,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget
from typing_extensions import override

from engine.work.results import Token
from gui.theme import DARK, SECONDARY, Theme, mono_font, ui_font
from gui.widgets.focus import KEYBOARD_REASONS
from gui.widgets.pattern_axes import PatternFrame, fitted_plot
from gui.widgets.pattern_brush import Stroke
from gui.widgets.pattern_paint import (
    AxisPainter,
    Kind,
    cells_in_view,
    indexed,
    paint_cross,
    paint_grid,
    paint_stripe,
    roomy,
)
from gui.widgets.token_text import spoken, visible

Cell = tuple[int, int]
_BRUSH = "Drag paints attention, with Shift it erases · each stroke can be undone (Ctrl+Z)"
_HINT = "Point at a cell to read it · wheel zooms, drag moves, double click shows all"
_VERB = re.compile(r"(?<=\)) (attends to|scores) (?=“|a part)")  # gives way to an arrow where room is short
_STEPS = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}


class PatternView(QWidget):
    """`cellHovered` carries (destination, source) or None, `cellClicked` the two positions, `painted` the cells of one
    stroke and whether it erases (Shift)."""

    cellHovered = Signal(object)
    cellClicked = Signal(int, int)
    painted = Signal(object, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self._values: NDArray[Any] = np.zeros((0, 0), np.float32)
        self._places: NDArray[np.uint16] = np.zeros((0, 0), np.uint16)
        self._kind: Kind = "attention"
        self._difference = ""
        self._tokens: tuple[Token, ...] = ()
        self._labels: list[str] = []
        self._stripe: NDArray[np.bool_] | None = None
        self._mark: tuple[int | None, int | None] = (None, None)
        self._token: int | None = None
        self._cell: Cell | None = None
        self._frame = PatternFrame(QRectF(), 0)
        self._image: tuple[tuple[PatternFrame, float], QRectF, QImage] | None = (
            None  # kept while only the pointer moves
        )
        self._room = 0.0  # px for a label
        self._pressed: QPointF | None = None
        self._dragged = False
        self._brush: Stroke | None = None  # there while dragging paints instead of moving the picture
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Attention pattern of one head")

    # ------------------------------------------------------------ what is shown
    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._arrange(keep_zoom=True)

    def set_values(self, values: NDArray[Any], kind: Kind, tokens: tuple[Token, ...]) -> None:
        """(T, T), rows = destinations: attention 0 to 1, raw scores (NaN where masked), or the difference of attention
        between two prompts, -1 to 1 (NaN without a partner).
        """
        same_size = len(tokens) == len(self._tokens)
        self._values, self._kind, self._tokens = values, kind, tokens
        self._places = indexed(values, kind)
        self._labels = [visible(token.text) for token in tokens]
        if not same_size:
            self._cell = self._token = self._stripe = None
            self._mark = (None, None)
        self._arrange(keep_zoom=same_size)

    def set_painting(self, on: bool) -> None:
        """Whether dragging, and Enter, paint cells."""
        self._brush = Stroke() if on else None
        self.setCursor(Qt.CursorShape.CrossCursor if on else Qt.CursorShape.ArrowCursor)
        self.update()

    def set_difference(self, words: str) -> None:
        """What a difference is called, e.g. "A minus B"."""
        self._difference = words

    def set_marks(self, destination: int | None, source: int | None) -> None:
        """The pinned row (current token) and the cell of the source it attends to."""
        if (destination, source) != self._mark:
            self._mark = (destination, source)
            self.update()

    def set_hovered_token(self, position: int | None) -> None:
        """Outline what this token attends to and what attends to it, both at once; emits nothing."""
        if position != self._token:
            self._token = position
            self.update()

    def set_stripe(self, mask: NDArray[np.bool_] | None) -> None:
        """Outline the cells where an induction head would look, (T, T)."""
        if mask is not self._stripe:
            self._stripe = mask
            self.update()

    def cell_rect(self, destination: int, source: int) -> QRectF:
        """Where a cell stands in the widget; empty when it is out of view."""
        return self._frame.cell_rect(destination, source)

    def reset_zoom(self) -> None:
        self._arrange(keep_zoom=False)

    # ------------------------------------------------------------ layout
    def _arrange(self, keep_zoom: bool) -> None:
        theme, count = self._theme, len(self._tokens)
        self._image = None
        metrics = QFontMetricsF(mono_font(theme.px(SECONDARY)))
        widest = max(theme.px(40), min(theme.px(120), self.width() // 5))
        widths = [min(metrics.horizontalAdvance(label), widest) for label in self._labels]
        self._room = max(widths, default=0.0)
        area = QRectF(self.rect()).adjusted(theme.px(4), theme.px(2), -theme.px(4), -self._caption_height())
        plot = fitted_plot(area, widths, metrics.height(), theme.px(8))
        old = self._frame
        kept = keep_zoom and old.count == count and old.span < count
        self._frame = replace(old, plot=plot) if kept else PatternFrame(plot, count, 0, 0, float(max(count, 1)))
        self.update()

    def _caption_height(self) -> int:
        return self._theme.px(28)

    @override
    def resizeEvent(self, event: QResizeEvent) -> None:
        self._arrange(keep_zoom=True)

    @override
    def sizeHint(self) -> QSize:
        return QSize(self._theme.px(520), self._theme.px(520))

    @override
    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(240), self._theme.px(225))

    # ------------------------------------------------------------ painting
    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        if not self._tokens:
            return
        painter, theme, frame = QPainter(self), self._theme, self._frame
        self._paint_cells(painter)
        paint_grid(painter, frame, theme)
        if self._stripe is not None:
            paint_stripe(painter, frame, self._stripe, theme)
        self._paint_marks(painter)
        if self._brush is not None:
            self._brush.paint(painter, frame, theme)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        axes = AxisPainter(painter, frame, self._labels, self._room, mono_font(theme.px(SECONDARY)))
        axes.rows(self._bright(0), theme.subtle)
        axes.columns(self._bright(1), theme.subtle)
        self._paint_caption(painter)

    def _paint_cells(self, painter: QPainter) -> None:
        key = (self._frame, self.devicePixelRatioF())
        if self._image is None or self._image[0] != key:
            lut = self._theme.attention_lut() if self._kind == "attention" else self._theme.signed_lut()
            self._image = (key, *cells_in_view(self._frame, self._places, self._kind, lut, key[1]))
        painter.save()
        painter.setClipRect(self._frame.plot)
        painter.drawImage(self._image[1], self._image[2])
        painter.restore()

    def _paint_marks(self, painter: QPainter) -> None:
        theme, frame = self._theme, self._frame
        destination, source = self._mark
        if destination is not None:
            pen = QPen(QColor(theme.accent), 2 * theme.scale)
            painter.setPen(pen)
            painter.drawRect(roomy(frame.block_rect(destination, 0, 1, destination + 1), pen))
            if source is not None and source <= destination:
                painter.setPen(QPen(QColor(theme.induction), 2 * theme.scale))
                painter.drawRect(roomy(frame.cell_rect(destination, source), pen))
        pen = QPen(QColor(theme.text), theme.scale)
        if self._cell is not None:
            paint_cross(painter, frame, *self._cell, pen)
            painter.setPen(QPen(QColor(theme.text), 2 * theme.scale))
            painter.drawRect(frame.cell_rect(*self._cell))
        elif self._token is not None and self._token < frame.count:
            paint_cross(painter, frame, self._token, self._token, pen)

    def _bright(self, axis: int) -> dict[int, str]:
        """Labels that must be seen, with their colours; pointer first."""
        theme, found = self._theme, {}
        if self._cell is not None:
            found[self._cell[axis]] = theme.text
        elif self._token is not None:
            found[self._token] = theme.text
        place = self._mark[axis]
        if place is not None:
            found[place] = theme.accent if axis == 0 else theme.induction
        return found

    def _paint_caption(self, painter: QPainter) -> None:
        theme = self._theme
        box = QRectF(self.rect()).adjusted(theme.px(4), 0, -theme.px(4), -theme.px(4))
        box.setTop(self._frame.plot.bottom() + theme.px(6))
        box.setHeight(theme.px(20))
        plain, strong = ui_font(theme.px(SECONDARY)), ui_font(theme.px(SECONDARY), 600)
        words, number = self._caption()
        room = box.width() - QFontMetricsF(strong).horizontalAdvance(number)
        if QFontMetricsF(plain).horizontalAdvance(words) > room:
            words = _VERB.sub(" → ", words)
        words = QFontMetricsF(plain).elidedText(words, Qt.TextElideMode.ElideRight, room)
        middle = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.setFont(plain)
        painter.setPen(QColor(theme.subtle))
        painter.drawText(box, middle, words)
        painter.setFont(strong)
        painter.setPen(QColor(theme.text))
        painter.drawText(box.adjusted(QFontMetricsF(plain).horizontalAdvance(words), 0, 0, 0), middle, number)

    def _caption(self) -> tuple[str, str]:
        """Words and number for the cell under the pointer, or else the marked one."""
        cell = self._cell
        if cell is None and self._mark[0] is not None and self._mark[1] is not None:
            cell = (self._mark[0], self._mark[1])
        if cell is None or max(cell) >= len(self._tokens):
            return (_HINT if self._brush is None else _BRUSH), ""
        row, column = cell
        value = float(self._values[row, column])
        places = (
            f"{spoken(self._tokens[row].text)} ({row})",
            f"{spoken(self._tokens[column].text)} ({column})",
        )
        if self._kind == "attention":
            return f"{places[0]} attends to {places[1]} with ", f"{value:.2f}"
        if self._kind == "difference":
            number = f"{value:+.2f}" if np.isfinite(value) else "nothing: no such place there"
            return f"{places[0]} attends to {places[1]}, {self._difference}: ", number
        number = f"{value:+.2f}" if np.isfinite(value) else "no score: it comes later"
        return f"{places[0]} scores {places[1]} with ", number

    def caption(self) -> str:
        """The line under the picture, as plain text."""
        return "".join(self._caption())

    # ------------------------------------------------------------ mouse
    @override
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._brush is not None and self._brush.cells:
            self._brush.go_to(self._frame.cell_at(event.position()))
            self.update()
        elif self._pressed is not None and event.buttons() & Qt.MouseButton.LeftButton:
            moved = event.position() - self._pressed
            if self._dragged or moved.manhattanLength() > 4:
                self._dragged, self._pressed = True, event.position()
                self._frame = self._frame.panned(moved)
                self.update()
            return
        self._point(self._frame.cell_at(event.position()))

    @override
    def mousePressEvent(self, event: QMouseEvent) -> None:
        cell = self._frame.cell_at(event.position())
        if event.button() != Qt.MouseButton.LeftButton:
            return
        if self._brush is not None and cell is not None:
            self._brush.begin(cell, bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
            self.update()
        else:
            self._pressed, self._dragged = event.position(), False

    @override
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._end_stroke()
        cell = self._frame.cell_at(event.position())
        if self._pressed is not None and not self._dragged and cell is not None:
            self.cellClicked.emit(*cell)
        self._pressed = None

    def _end_stroke(self) -> None:
        if self._brush is not None and self._brush.cells:
            cells, erases = self._brush.end()
            self.painted.emit(cells, erases)

    @override
    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.reset_zoom()

    @override
    def wheelEvent(self, event: QWheelEvent) -> None:
        if not self._tokens:
            event.ignore()
            return
        self._frame = self._frame.zoomed(event.position(), 1.2 ** (event.angleDelta().y() / 120))
        self._point(self._frame.cell_at(event.position()))
        self.update()
        event.accept()

    @override
    def leaveEvent(self, event: QEvent) -> None:
        self._point(None)

    # ------------------------------------------------------------ keyboard
    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if key in _STEPS and self._tokens:
            self._step(*_STEPS[key])
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self._cell is not None:
            if self._brush is None:
                self.cellClicked.emit(*self._cell)
            else:
                self._brush.begin(self._cell, bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
                self._end_stroke()
        elif key == Qt.Key.Key_Home:
            self.reset_zoom()
        else:
            event.ignore()

    @override
    def focusInEvent(self, event: QFocusEvent) -> None:
        if event.reason() in KEYBOARD_REASONS and self._cell is None and self._tokens:
            self._step(0, 0)

    @override
    def focusOutEvent(self, event: QFocusEvent) -> None:
        if event.reason() in KEYBOARD_REASONS:
            self._point(None)

    def _step(self, down: int, right: int) -> None:
        last = len(self._tokens) - 1
        start = self._cell or (self._mark[0] if self._mark[0] is not None else last, self._mark[1] or 0)
        if self._cell is not None:
            start = (start[0] + down, start[1] + right)
        row = min(max(start[0], 0), last)
        cell = (row, min(max(start[1], 0), row))
        self._frame = self._frame.showing(*cell)
        self._point(cell)

    def _point(self, cell: Cell | None) -> None:
        if cell != self._cell:
            self._cell = cell
            self.setAccessibleDescription(self.caption())
            self.update()
            self.cellHovered.emit(cell)
