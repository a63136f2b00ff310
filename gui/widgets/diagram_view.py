"""The composition diagram: hover lights a path up, click or Enter pins, arrow keys walk over the nodes, E over edges.

Control and wheel zoom, dragging and the wheel alone pan. What is drawn is the scene's business (diagram_scene.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget
from typing_extensions import override

from engine.model.config import HeadRef
from engine.work.circuit_results import ENDS, Composition, PairFigures
from engine.work.requests import Pair
from gui.theme import DARK, Theme
from gui.widgets.diagram_model import FROM_WEIGHTS, Filter, HeadMark, Shown, Telling, edge_words, node_words, touching
from gui.widgets.diagram_paint import Caption, Legend
from gui.widgets.diagram_scene import DiagramScene
from gui.widgets.focus import KEYBOARD_REASONS

_LONGEST = edge_words(Pair("29.24", "47.24", "q"), PairFigures(0.125, 0.125, -12.5, 0.125, 0.88, 99999, 999999))
_HINT = "Point at a line to read it."
_NOTHING = "Composition is not measured yet."
_MOST_ZOOM = 10.0
_STEPS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, 1),
    Qt.Key.Key_Down: (0, -1),
}


class DiagramView(QWidget):
    """`pointed` carries the head (HeadRef) and the edge (Pair) under pointer or keys, each perhaps None. The owner
    decides what is pinned."""

    pointed = Signal(object, object)
    headClicked = Signal(object)
    edgeClicked = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self._scene = DiagramScene()
        self._telling = FROM_WEIGHTS
        self._filter = Filter()
        self._zoom, self._origin = 1.0, QPointF()
        self._legend, self._caption = Legend((), "", 1.0, DARK), Caption("", 1.0, DARK)
        self._pressed: QPointF | None = None
        self._dragged = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Composition diagram")
        self._describe()

    # ------------------------------------------------------------ what is shown
    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._arrange()

    def set_composition(self, composition: Composition | None, telling: Telling = FROM_WEIGHTS) -> None:
        """Another shape of model begins anew, with everything in view. `telling` says what an edge means."""
        scene, old = self._scene, self._scene.shape
        if composition is scene.composition and telling == self._telling:
            return
        scene.composition, scene.relative, self._telling = composition, telling.relative, telling
        if scene.shape != old:
            self._zoom, self._origin = 1.0, QPointF()
            scene.forget()
        self._choose()

    def set_filter(self, chosen: Filter) -> None:
        if chosen != self._filter:
            self._filter = chosen
            self._choose()

    def set_marks(self, marks: Mapping[HeadRef, HeadMark]) -> None:
        """Roles, their scores and which heads are removed; heads that are left out have no role."""
        named = {str(head): mark for head, mark in marks.items()}
        if named != self._scene.content.marks:
            self._scene.mark(named)
            self._arrange()

    def set_selected(self, head: HeadRef | None) -> None:
        """Ring a head."""
        if head != self._scene.selected:
            self._scene.selected = head
            self.update()

    def set_pinned(self, edge: Pair | None) -> None:
        """Keep an edge and its path lit while nothing is pointed at."""
        if edge != self._scene.pinned:
            self._scene.pinned = edge
            self._describe()
            self.update()

    def set_hovered(self, head: HeadRef | None, edge: Pair | None) -> None:
        """Show a hover that began elsewhere, also of an edge that the filter hides; emits nothing."""
        if (head, edge) != (_head(self._scene.node), self._scene.edge):  # an end under the pointer is no head
            self._hover(None if head is None else str(head), edge)

    @property
    def seen(self) -> Shown:
        """The edges drawn, and how many there are."""
        return self._scene.seen

    def node_point(self, node: str) -> QPointF:
        """Where a node (`0.3`, `embed`, `pos`, `unembed`) stands in the widget."""
        return self._scene.layout.points[node] - self._origin

    def edge_point(self, edge: Pair, along: float = 0.5) -> QPointF:
        """A place on an edge that is drawn, 0 at its writer and 1 at its reader."""
        return self._scene.edge_point(edge, along) - self._origin

    def reset_zoom(self) -> None:
        self._zoom, self._origin = 1.0, QPointF()
        self._arrange()

    # ------------------------------------------------------------ layout
    def _choose(self) -> None:
        self._scene.choose(self._filter)
        self._arrange()

    def _arrange(self) -> None:
        theme, width = self._theme, self.width() - 2 * self._theme.px(8)
        self._legend = Legend(self._filter.kinds, self._telling.thick, width, theme)
        self._caption = Caption(_LONGEST, width, theme)
        self._scene.arrange(self._plot().size(), self._zoom, theme)
        self._pan(self._origin)
        self._describe()

    def _plot(self) -> QRectF:
        """The room of the drawing, above legend and caption."""
        below = self._legend.height + self._caption.height + 2 * self._theme.px(6)
        return QRectF(0, 0, max(1.0, self.width()), max(1.0, self.height() - below))

    def _pan(self, origin: QPointF) -> None:
        size, plot = self._scene.layout.size, self._plot()
        x = min(max(origin.x(), 0.0), max(0.0, size.width() - plot.width()))
        y = min(max(origin.y(), 0.0), max(0.0, size.height() - plot.height()))
        self._origin = QPointF(round(x), round(y))
        self.update()

    def _zoom_by(self, factor: float, about: QPointF) -> None:
        """What is under `about` stays there."""
        old, place = self._scene.layout, about + self._origin
        across, up = (place.x() - old.left) / old.across, (old.row_y(1) - place.y()) / max(old.up, 1.0)
        self._zoom = min(max(self._zoom * factor, 1.0), _MOST_ZOOM)
        self._arrange()
        new = self._scene.layout
        self._pan(QPointF(new.left + across * new.across, new.row_y(1) - up * new.up) - about)

    @override
    def resizeEvent(self, event: QResizeEvent) -> None:
        self._arrange()

    @override
    def sizeHint(self) -> QSize:
        return QSize(self._theme.px(520), self._theme.px(420))

    @override
    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(240), self._theme.px(220))

    # ------------------------------------------------------------ painting
    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        painter, theme, plot = QPainter(self), self._theme, self._plot()
        painter.fillRect(self.rect(), QColor(theme.window))
        self._scene.paint(painter, plot, self._origin, self.devicePixelRatioF())
        corner = QPointF(theme.px(8), plot.bottom() + theme.px(6))
        self._legend.paint(painter, corner)
        bright = self._scene.node is not None or self._scene.chosen is not None
        self._caption.paint(painter, corner + QPointF(0, self._legend.height), self.caption(), bright)

    # ------------------------------------------------------------ words
    def caption(self) -> str:
        """The lines under the picture: the edge or node pointed at, else the pinned edge, else what is hidden."""
        scene = self._scene
        if scene.composition is None:
            return _NOTHING
        if scene.chosen is not None:
            return self._telling.edge(scene.chosen, scene.composition.figures(scene.chosen))
        if scene.node is not None:
            return f"{node_words(scene.node, scene.content.mark(scene.node), scene.seen.fractions)}."
        counted = self._telling.counted(scene.seen, self._filter)
        return f"{counted} {_HINT}" if scene.seen.fractions else counted

    def _describe(self) -> None:
        self.setAccessibleDescription(self.caption())

    # ------------------------------------------------------------ mouse
    def _under(self, point: QPointF) -> tuple[str | None, Pair | None]:
        """The node, or else the edge, at a place of the widget."""
        return self._scene.under(point + self._origin) if self._plot().contains(point) else (None, None)

    @override
    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            node, edge = self._under(QPointF(event.pos()))
            QToolTip.showText(event.globalPos(), self.caption() if node or edge else "", self)
            return True
        return super().event(event)

    @override
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed is not None and event.buttons() & Qt.MouseButton.LeftButton:
            moved = event.position() - self._pressed
            if self._dragged or moved.manhattanLength() > 4:
                self._dragged, self._pressed = True, event.position()
                self._pan(self._origin - moved)
            return
        self._point(*self._under(event.position()))

    @override
    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed, self._dragged = event.position(), False

    @override
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._pressed is not None and not self._dragged:
            self._pin(*self._under(event.position()))
        self._pressed = None

    @override
    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        if self._under(event.position()) == (None, None):
            self.reset_zoom()

    @override
    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._zoom_by(1.2 ** (event.angleDelta().y() / 120), event.position())
        elif self._scene.layout.size != self._plot().size():
            self._pan(self._origin - QPointF(event.angleDelta()) * 0.5)
        else:
            event.ignore()
            return
        self._point(*self._under(event.position()))
        event.accept()

    @override
    def leaveEvent(self, event: QEvent) -> None:
        self._point(None, None)

    # ------------------------------------------------------------ keyboard
    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        back = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if key in _STEPS and self._scene.layout.shape.heads:
            self._step(*_STEPS[key])
        elif key == Qt.Key.Key_E and self._scene.node is not None:
            self._next_edge(-1 if back else 1)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and (self._scene.node or self._scene.edge):
            self._pin(None if self._scene.edge else self._scene.node, self._scene.edge)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Minus) and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            about = self._plot().center() if self._scene.node is None else self.node_point(self._scene.node)
            self._zoom_by(1.2 if key == Qt.Key.Key_Plus else 1 / 1.2, about)
        elif key == Qt.Key.Key_Home:
            self.reset_zoom()
        else:
            event.ignore()  # Escape and the window's shortcuts are not ours

    @override
    def focusInEvent(self, event: QFocusEvent) -> None:
        if event.reason() in KEYBOARD_REASONS and self._scene.node is None and self._scene.layout.shape.heads:
            self._step(0, 0)

    @override
    def focusOutEvent(self, event: QFocusEvent) -> None:
        if event.reason() in KEYBOARD_REASONS:
            self._point(None, None)

    def _step(self, right: int, up: int) -> None:
        start = self._scene.node or (None if self._scene.selected is None else str(self._scene.selected))
        if start is None or start not in self._scene.layout.points:
            target = str(HeadRef(0, 0))
        else:
            target = self._scene.layout.neighbour(start, right, up)
        place, half = self._scene.layout.points[target], self._plot().center()
        if not self._plot().translated(self._origin).contains(place):
            self._pan(place - half)
        self._point(target, None)

    def _next_edge(self, step: int) -> None:
        """Lights the edges of the node one after another, the strongest first; after the last the node again."""
        assert self._scene.node is not None
        turns = [None, *reversed(touching(self._scene.node, self._scene.seen.fractions))]
        at = turns.index(self._scene.edge) if self._scene.edge in turns else 0
        self._point(self._scene.node, turns[(at + step) % len(turns)])

    def _pin(self, node: str | None, edge: Pair | None) -> None:
        if edge is not None:
            self.edgeClicked.emit(edge)
        elif node is not None and node not in ENDS:
            self.headClicked.emit(HeadRef.parse(node))

    # ------------------------------------------------------------ hover
    def _point(self, node: str | None, edge: Pair | None) -> None:
        """Hover that began here: shown and told."""
        old = (_head(self._scene.node), self._scene.edge)
        self._hover(node, edge)
        if old != (_head(node), edge):
            self.pointed.emit(_head(node), edge)

    def _hover(self, node: str | None, edge: Pair | None) -> None:
        scene = self._scene
        node = node if node in scene.layout.points else None
        if (node, edge) != (scene.node, scene.edge):
            scene.node, scene.edge = node, edge
            self._describe()
            self.update()


def _head(node: str | None) -> HeadRef | None:
    return None if node is None or node in ENDS else HeadRef.parse(node)
