"""The matrix of all pairs of one kind: one image, writers down and readers across, brighter nearer to the ceiling.

Pointing outlines a pair and reads it below; a click or Enter pins it; the wheel zooms, dragging pans, a double
click or Home shows all again. Knows scores of pairs, not the model.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
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
    QPixmap,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget
from typing_extensions import override

from engine.work.circuit_results import Composition, Floats, PairFigures
from engine.work.requests import Pair
from gui.theme import DARK, SMALLEST, Theme, ui_font
from gui.widgets.diagram_model import READS, Kind, edge_words
from gui.widgets.diagram_paint import Caption
from gui.widgets.focus import KEYBOARD_REASONS
from gui.widgets.matrix_paint import Cell, MatrixFrame, MatrixPainter, indexed

_LONGEST = edge_words(Pair("29.24", "47.24", "q"), PairFigures(0.125, 0.125, -112.5, 0.125, 0.88, 99999, 999999))
NOTHING = "Composition is not measured yet."
_STEPS = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}
_EMPTY: Floats = np.zeros((0, 0))


class MatrixView(QWidget):
    """`pairHovered` carries a Pair or None, `pairClicked` a Pair."""

    pairHovered = Signal(object)
    pairClicked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self._composition: Composition | None = None
        self._kind: Kind = "k"
        self._missing = NOTHING
        self._fraction = _EMPTY
        self._places = indexed(_EMPTY)
        self._cell: Cell | None = None
        self._pinned: Pair | None = None
        self._whole = MatrixFrame(QRectF())
        self._frame = self._whole
        self._caption = Caption("", 1.0, DARK)
        self._still: QPixmap | None = None
        self._pressed: QPointF | None = None
        self._dragged = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Composition of all pairs of heads")
        self._describe()

    # ------------------------------------------------------------ what is shown
    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._arrange(keep_zoom=True)

    def set_composition(self, composition: Composition | None, kind: Kind, missing: str = NOTHING) -> None:
        """The pairs of one kind; other heads than before are shown from afar. `missing` says why there are none."""
        self._missing = missing
        old, self._composition, self._kind = self._composition, composition, kind
        table = None if composition is None else composition.kinds.get(kind)
        self._fraction = _EMPTY if table is None else _with_pairs(table.fraction)
        self._places = indexed(self._fraction)
        same = old is not None and composition is not None and _names(old) == _names(composition)
        if not same:
            self._cell = self._pinned = None
        self._arrange(keep_zoom=same)
        self._describe()

    def set_hovered_pair(self, pair: Pair | None) -> None:
        """Show a hover that began elsewhere, while its kind is shown; emits nothing."""
        shown = pair is not None and pair.kind == self._kind
        self._hover(self._place(pair.writer, pair.reader) if pair is not None and shown else None)

    def set_pinned(self, edge: Pair | None) -> None:
        """Ring a pair, while its kind is shown."""
        if edge != self._pinned:
            self._pinned = edge
            self._describe()
            self.update()

    def cell_rect(self, writer: str, reader: str) -> QRectF:
        """Where a pair stands in the widget; empty when it is out of view or not in the matrix."""
        cell = self._place(writer, reader)
        return QRectF() if cell is None else self._frame.rect(*cell)

    def reset_zoom(self) -> None:
        self._arrange(keep_zoom=False)

    def _place(self, writer: str, reader: str) -> Cell | None:
        composition = self._composition
        if composition is None or writer not in self._writers or reader not in composition.columns:
            return None
        return composition.rows[writer], composition.columns[reader]

    @property
    def _writers(self) -> tuple[str, ...]:
        """The writers of the rows: without the last layer, which no head reads."""
        return () if self._composition is None else self._composition.writers[: self._fraction.shape[0]]

    # ------------------------------------------------------------ layout
    def _arrange(self, keep_zoom: bool) -> None:
        theme, old = self._theme, self._frame
        zoomed = keep_zoom and old.cell > 1.001 * self._whole.cell
        self._caption = Caption(_LONGEST, self.width() - 2 * theme.px(8), theme)
        metrics = QFontMetricsF(ui_font(theme.px(SMALLEST), 600))
        names = self._writers
        left = metrics.horizontalAdvance(max(names, key=len, default="")) + theme.px(26)
        top = 2 * metrics.height() + theme.px(14)
        area = QRectF(self.rect()).adjusted(left, top, -theme.px(10), -self._below())
        area.setSize(area.size().expandedTo(QSize(1, 1)))
        self._whole = MatrixFrame.fitted(area, self._fraction.shape[0], self._fraction.shape[1], float(theme.px(64)))
        spare = area.width() - self._whole.plot.width()
        self._whole = replace(self._whole, plot=self._whole.plot.translated(spare / 2, 0))
        near = zoomed and old.cell > self._whole.cell and (old.rows, old.columns) == self._fraction.shape
        moved = replace(self._whole, cell=old.cell, x=old.x, y=old.y).clamped()
        self._move(moved if near else self._whole)

    def _below(self) -> float:
        return self._caption.height + 2 * self._theme.px(6)

    def _move(self, frame: MatrixFrame) -> None:
        self._frame, self._still = frame, None
        self.update()

    def _zoom_by(self, factor: float, about: QPointF) -> None:
        self._move(self._frame.zoomed(about, factor, self._whole.cell, float(self._theme.px(64))))

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
        painter, theme = QPainter(self), self._theme
        painter.drawPixmap(0, 0, self._still_layer())
        if self._composition is not None:
            drawing = MatrixPainter(painter, self._frame, theme)
            pinned = self._pinned_cell()
            if pinned is not None:
                drawing.pin(pinned)
            if self._cell is not None:
                drawing.cross(self._cell)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            drawing.axes(self._writers, self._composition.readers, self._cell)
        corner = QPointF(theme.px(8), self.height() - self._caption.height - theme.px(4))
        bright = self._cell is not None or self._pinned_cell() is not None
        self._caption.paint(painter, corner, self.caption(), bright)

    def _still_layer(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        if self._still is None or self._still.devicePixelRatio() != ratio:
            still = QPixmap(self.size() * ratio)
            still.setDevicePixelRatio(ratio)
            still.fill(QColor(self._theme.window))
            painter = QPainter(still)
            if self._composition is not None and self._fraction.size:
                self._paint_still(painter, self._composition, ratio)
            painter.end()
            self._still = still
        return self._still

    def _paint_still(self, painter: QPainter, composition: Composition, ratio: float) -> None:
        theme, plot = self._theme, self._frame.plot
        drawing = MatrixPainter(painter, self._frame, theme)
        drawing.cells(self._places, ratio)
        drawing.grid(self._writers, composition.readers, self._fraction)
        drawing.numbers(self._fraction)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(ui_font(theme.px(SMALLEST), 600))
        painter.setPen(QColor(theme.subtle))
        line = theme.px(18)
        box = QRectF(theme.px(8), 0, self.width(), line)
        words = f"readers, by {READS[self._kind]} →"
        painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, words)
        painter.save()
        painter.translate(plot.left() - (self._label_room() + theme.px(9)), plot.top())
        painter.rotate(-90)
        side = QRectF(-plot.height(), -line / 2, plot.height(), line)
        painter.drawText(side, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, "← writers")
        painter.restore()
        drawing.scale_bar(QPointF(self.width() - theme.px(4), theme.px(1)))

    def _label_room(self) -> float:
        metrics = QFontMetricsF(ui_font(self._theme.px(SMALLEST), 600))
        names = self._writers
        return metrics.horizontalAdvance(max(names, key=len, default="")) + self._theme.px(6)

    # ------------------------------------------------------------ words
    def caption(self) -> str:
        """The lines under the picture: the pair pointed at, else the pinned one, else how to read it."""
        composition = self._composition
        if composition is None:
            return self._missing
        cell = self._pinned_cell() if self._cell is None else self._cell
        if cell is None:
            return (
                f"Every pair of heads, by how near it comes to its ceiling in {READS[self._kind]}. Point to read one."
            )
        edge = self._edge(cell)
        return edge_words(edge, composition.figures(edge))

    def _edge(self, cell: Cell) -> Pair:
        assert self._composition is not None
        return Pair(self._composition.writers[cell[0]], self._composition.readers[cell[1]], self._kind)

    def _pinned_cell(self) -> Cell | None:
        shown = self._pinned is not None and self._pinned.kind == self._kind
        return self._place(self._pinned.writer, self._pinned.reader) if shown and self._pinned is not None else None

    def _describe(self) -> None:
        self.setAccessibleDescription(self.caption())

    # ------------------------------------------------------------ mouse
    @override
    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            pointed = self._frame.cell_at(QPointF(event.pos())) is not None
            QToolTip.showText(event.globalPos(), self.caption() if pointed else "", self)
            return True
        return super().event(event)

    @override
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed is not None and event.buttons() & Qt.MouseButton.LeftButton:
            moved = event.position() - self._pressed
            if self._dragged or moved.manhattanLength() > 4:
                self._dragged, self._pressed = True, event.position()
                self._move(self._frame.panned(moved))
            return
        self._point(self._frame.cell_at(event.position()))

    @override
    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed, self._dragged = event.position(), False
            self._point(self._frame.cell_at(event.position()))

    @override
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._pressed is not None and not self._dragged:
            self._click(self._frame.cell_at(event.position()))
        self._pressed = None

    @override
    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.reset_zoom()

    @override
    def wheelEvent(self, event: QWheelEvent) -> None:
        if self._composition is None:
            event.ignore()
            return
        self._zoom_by(1.2 ** (event.angleDelta().y() / 120), event.position())
        self._point(self._frame.cell_at(event.position()))
        event.accept()

    @override
    def leaveEvent(self, event: QEvent) -> None:
        self._point(None)

    # ------------------------------------------------------------ keyboard
    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        control = event.modifiers() & Qt.KeyboardModifier.ControlModifier
        if key in _STEPS and self._fraction.size:
            self._step(*_STEPS[key])
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self._cell is not None:
            self._click(self._cell)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Minus) and not control:
            about = self._frame.plot.center() if self._cell is None else self._frame.rect(*self._cell).center()
            self._zoom_by(1.2 if key == Qt.Key.Key_Plus else 1 / 1.2, about)
        elif key == Qt.Key.Key_Home:
            self.reset_zoom()
        else:
            event.ignore()  # Escape and the window's shortcuts are not ours

    @override
    def focusInEvent(self, event: QFocusEvent) -> None:
        if event.reason() in KEYBOARD_REASONS and self._cell is None and self._fraction.size:
            self._step(0, 0)

    @override
    def focusOutEvent(self, event: QFocusEvent) -> None:
        if event.reason() in KEYBOARD_REASONS:
            self._point(None)

    def _step(self, down: int, right: int) -> None:
        """One cell on; at first to the pinned pair, or the strongest one."""
        if self._cell is None:
            strongest = divmod(int(self._places.argmax()), self._places.shape[1])
            cell = self._pinned_cell() or strongest
        else:
            rows, columns = self._fraction.shape
            cell = min(max(self._cell[0] + down, 0), rows - 1), min(max(self._cell[1] + right, 0), columns - 1)
        self._move(self._frame.showing(*cell))
        self._point(cell)

    def _click(self, cell: Cell | None) -> None:
        if cell is not None and np.isfinite(self._fraction[cell]):
            self.pairClicked.emit(self._edge(cell))

    # ------------------------------------------------------------ hover
    def _point(self, cell: Cell | None) -> None:
        """Hover that began here: shown and told."""
        if cell != self._cell:
            self._hover(cell)
            self.pairHovered.emit(None if cell is None else self._edge(cell))

    def _hover(self, cell: Cell | None) -> None:
        if cell != self._cell:
            self._cell = cell
            self._describe()
            self.update()


def _with_pairs(fraction: Floats) -> Floats:
    """The rows down to the last one that has a pair."""
    known = np.flatnonzero(np.isfinite(fraction).any(axis=1))
    return fraction[: known[-1] + 1] if known.size else fraction[:0]


def _names(composition: Composition) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return composition.writers, composition.readers
