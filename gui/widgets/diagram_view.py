"""The composition diagram: hover lights a path up, click or Enter pins, arrow keys walk over the nodes, E over edges.

All of it is drawn once into a still layer and once more, faded, for what a hover lights up; a hover then costs one
copy of it and the few edges and nodes that are lit. Control and wheel zoom, dragging and the wheel alone pan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, QSizeF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
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

from engine.model.config import HeadRef
from engine.work.circuit_results import ENDS, Composition, PairFigures
from engine.work.requests import Pair
from gui.theme import DARK, Theme
from gui.widgets.diagram_layers import DiagramLayers
from gui.widgets.diagram_layout import DiagramLayout, EdgeFinder, Shape, along_curve
from gui.widgets.diagram_model import (
    ROLE_WORDS,
    Filter,
    HeadMark,
    Shown,
    count_words,
    edge_words,
    node_words,
    path_of,
    shown,
    touching,
)
from gui.widgets.diagram_paint import Caption, DiagramContent, DiagramPainter, Legend
from gui.widgets.focus import KEYBOARD_REASONS

_LONGEST = edge_words(Pair("29.24", "47.24", "q"), PairFigures(0.125, 0.125, -12.5, 0.125, 0.88, 99999, 999999))
EdgeWords = Callable[[Pair], str]
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
    """Heads by HeadRef, edges by Pair; hover signals also carry None. The owner decides what is pinned."""

    headHovered = Signal(object)
    headClicked = Signal(object)
    edgeHovered = Signal(object)
    edgeClicked = Signal(str, str, str)  # writer, reader, kind

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self._composition: Composition | None = None
        self._words: EdgeWords | None = None
        self._filter = Filter()
        self._seen = Shown()
        self._content = DiagramContent()
        self._selected: HeadRef | None = None
        self._pinned: Pair | None = None
        self._node: str | None = None  # under the pointer or the keyboard
        self._edge: Pair | None = None
        self._zoom, self._origin = 1.0, QPointF()
        self._layout = DiagramLayout.fitted(Shape(), QSizeF(1, 1), 1.0, DARK)
        self._finder = EdgeFinder(())
        self._legend, self._caption = Legend((), 1.0, DARK), Caption("", 1.0, DARK)
        self._layers = DiagramLayers()
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

    def set_composition(self, composition: Composition | None, words: EdgeWords | None = None) -> None:
        """Another shape of model begins anew, with everything in view. `words` say what an edge means, unless it is
        composition from weights."""
        old = self._layout.shape
        self._composition, self._words = composition, words
        if (Shape() if composition is None else Shape.of(composition)) != old:
            self._zoom, self._origin = 1.0, QPointF()
            self._selected = self._pinned = self._node = self._edge = None
            self._content.marks = {}
        self._choose()

    def set_filter(self, chosen: Filter) -> None:
        if chosen != self._filter:
            self._filter = chosen
            self._choose()

    def set_marks(self, marks: Mapping[HeadRef, HeadMark]) -> None:
        """Roles, their scores and which heads are removed; heads that are left out have no role."""
        named = {str(head): mark for head, mark in marks.items()}
        if named != self._content.marks:
            self._content.marks = named
            self._arrange()

    def set_selected(self, head: HeadRef | None) -> None:
        """Ring a head."""
        if head != self._selected:
            self._selected = head
            self.update()

    def set_pinned(self, edge: Pair | None) -> None:
        """Keep an edge and its path lit while nothing is pointed at."""
        if edge != self._pinned:
            self._pinned = edge
            self._describe()
            self.update()

    def set_hovered_head(self, head: HeadRef | None) -> None:
        """Show a hover that began elsewhere; emits nothing."""
        self._hover(None if head is None else str(head), None)

    def set_hovered_edge(self, edge: Pair | None) -> None:
        """Show a hover that began elsewhere, also of an edge that the filter hides; emits nothing."""
        self._hover(None, edge)

    @property
    def seen(self) -> Shown:
        """The edges drawn, and how many there are."""
        return self._seen

    def node_point(self, node: str) -> QPointF:
        """Where a node (`0.3`, `embed`, `pos`, `unembed`) stands in the widget."""
        return self._layout.points[node] - self._origin

    def edge_point(self, edge: Pair, along: float = 0.5) -> QPointF:
        """A place on an edge that is drawn, 0 at its writer and 1 at its reader."""
        return along_curve(self._content.curves[edge], along) - self._origin

    def reset_zoom(self) -> None:
        self._zoom, self._origin = 1.0, QPointF()
        self._arrange()

    # ------------------------------------------------------------ layout
    def _choose(self) -> None:
        self._seen = Shown() if self._composition is None else shown(self._composition, self._filter)
        self._arrange()

    def _arrange(self) -> None:
        theme, content = self._theme, self._content
        width = self.width() - 2 * theme.px(8)
        self._legend = Legend(self._filter.kinds, width, theme)
        self._caption = Caption(_LONGEST, width, theme)
        shape = Shape() if self._composition is None else Shape.of(self._composition)
        self._layout = DiagramLayout.fitted(shape, self._plot().size(), self._zoom, theme)
        roles = ((node, content.mark(node)) for node in self._layout.points if node not in ENDS)
        content.radii = {node: self._layout.node_radius(mark.role in ROLE_WORDS, mark.score) for node, mark in roles}
        content.fractions = dict(self._seen.fractions)
        content.curves = {edge: self._layout.curve(edge, content.radii) for edge in content.fractions}
        self._finder = EdgeFinder(content.curves.items())
        self._pan(self._origin)
        self._describe()

    def _plot(self) -> QRectF:
        """The room of the drawing, above legend and caption."""
        below = self._legend.height + self._caption.height + 2 * self._theme.px(6)
        return QRectF(0, 0, max(1.0, self.width()), max(1.0, self.height() - below))

    def _pan(self, origin: QPointF) -> None:
        size, plot = self._layout.size, self._plot()
        x = min(max(origin.x(), 0.0), max(0.0, size.width() - plot.width()))
        y = min(max(origin.y(), 0.0), max(0.0, size.height() - plot.height()))
        self._origin = QPointF(round(x), round(y))
        self._layers.forget()
        self.update()

    def _zoom_by(self, factor: float, about: QPointF) -> None:
        """What is under `about` stays there."""
        old, place = self._layout, about + self._origin
        across, up = (place.x() - old.left) / old.across, (old.row_y(1) - place.y()) / max(old.up, 1.0)
        self._zoom = min(max(self._zoom * factor, 1.0), _MOST_ZOOM)
        self._arrange()
        new = self._layout
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
        lit = self._lit()
        painter.fillRect(self.rect(), QColor(theme.window))
        painter.drawPixmap(0, 0, self._layer(faded=bool(lit)))
        painter.save()
        painter.setClipRect(plot)
        painter.translate(-self._origin)
        self._paint_lit(DiagramPainter(painter, self._layout, self._content, theme), lit)
        painter.restore()
        corner = QPointF(theme.px(8), plot.bottom() + theme.px(6))
        self._legend.paint(painter, corner)
        pointed = self._node or self._edge or self._pinned
        self._caption.paint(painter, corner + QPointF(0, self._legend.height), self.caption(), pointed is not None)

    def _paint_lit(self, drawing: DiagramPainter, lit: list[Pair]) -> None:
        area = self._plot().translated(self._origin)
        chosen = self._edge or (None if self._node else self._pinned)
        ends = [node for edge in reversed(lit) for node in (edge.writer, edge.reader)]
        nodes = list(dict.fromkeys([self._node, *ends] if self._node else ends))
        if self._node is not None or lit:
            drawing.edges(lit, lit=True, chosen=chosen)
            drawing.nodes(reversed(nodes))
            drawing.sockets(lit, lit=True)
            drawing.labels(nodes, True, area)
        if self._selected is not None and str(self._selected) in self._layout.points:
            drawing.ring(str(self._selected), self._theme.accent, 2.0)
        if self._node is not None:
            drawing.ring(self._node, self._theme.text, 1.5)

    def _lit(self) -> list[Pair]:
        """The edges that stand out now, the chosen one last."""
        chosen = self._edge or (None if self._node else self._pinned)
        if chosen is None:
            return [] if self._node is None else touching(self._node, self._seen.fractions)
        if chosen not in self._content.curves and not self._add_hidden(chosen):
            return []
        return path_of(chosen, (edge for edge in self._seen.fractions if edge != chosen))

    def _add_hidden(self, edge: Pair) -> bool:
        """An edge that the filter hides is drawn while it is pointed at elsewhere."""
        figures = None if self._composition is None else self._composition.figures(edge)
        if figures is None:
            return False
        self._content.curves = {**self._content.curves, edge: self._layout.curve(edge, self._content.radii)}
        self._content.fractions = {**self._content.fractions, edge: figures.fraction}
        return True

    def _layer(self, faded: bool) -> QPixmap:
        plot, content, edges = self._plot(), self._content, self._seen.fractions
        ratio, theme = self.devicePixelRatioF(), self._theme
        still = self._layers.still(plot, self._origin, ratio, self._layout, content, edges, theme)
        return self._layers.faded(still, plot, theme) if faded else still

    # ------------------------------------------------------------ words
    def caption(self) -> str:
        """The lines under the picture: the edge or node pointed at, else the pinned edge, else what is hidden."""
        if self._composition is None:
            return _NOTHING
        edge = self._edge or (None if self._node else self._pinned)
        if edge is not None:
            return self._words(edge) if self._words else edge_words(edge, self._composition.figures(edge))
        if self._node is not None:
            return f"{node_words(self._node, self._content.mark(self._node), self._seen.fractions)}."
        counted = count_words(self._seen, self._filter)
        return f"{counted} {_HINT}" if self._seen.fractions else counted

    def _describe(self) -> None:
        self.setAccessibleDescription(self.caption())

    # ------------------------------------------------------------ mouse
    def _under(self, point: QPointF) -> tuple[str | None, Pair | None]:
        """The node, or else the edge, at a place of the widget."""
        if not self._plot().contains(point):
            return None, None
        place = point + self._origin
        node = self._layout.node_at(place, self._content.radii)
        return (node, None) if node else (None, self._finder.nearest(place, 6.0 * self._theme.scale))

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
        elif self._layout.size != self._plot().size():
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
        if key in _STEPS and self._layout.shape.heads:
            self._step(*_STEPS[key])
        elif key == Qt.Key.Key_E and self._node is not None:
            self._next_edge(-1 if back else 1)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and (self._node or self._edge):
            self._pin(None if self._edge else self._node, self._edge)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Minus) and not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            about = self._plot().center() if self._node is None else self.node_point(self._node)
            self._zoom_by(1.2 if key == Qt.Key.Key_Plus else 1 / 1.2, about)
        elif key == Qt.Key.Key_Home:
            self.reset_zoom()
        else:
            event.ignore()  # Escape and the window's shortcuts are not ours

    @override
    def focusInEvent(self, event: QFocusEvent) -> None:
        if event.reason() in KEYBOARD_REASONS and self._node is None and self._layout.shape.heads:
            self._step(0, 0)

    @override
    def focusOutEvent(self, event: QFocusEvent) -> None:
        if event.reason() in KEYBOARD_REASONS:
            self._point(None, None)

    def _step(self, right: int, up: int) -> None:
        start = self._node or (None if self._selected is None else str(self._selected))
        if start is None or start not in self._layout.points:
            target = str(HeadRef(0, 0))
        else:
            target = self._layout.neighbour(start, right, up)
        place, half = self._layout.points[target], self._plot().center()
        if not self._plot().translated(self._origin).contains(place):
            self._pan(place - half)
        self._point(target, None)

    def _next_edge(self, step: int) -> None:
        """Lights the edges of the node one after another, the strongest first; after the last the node again."""
        assert self._node is not None
        turns = [None, *reversed(touching(self._node, self._seen.fractions))]
        at = turns.index(self._edge) if self._edge in turns else 0
        self._point(self._node, turns[(at + step) % len(turns)])

    def _pin(self, node: str | None, edge: Pair | None) -> None:
        if edge is not None:
            self.edgeClicked.emit(*edge)
        elif node is not None and node not in ENDS:
            self.headClicked.emit(HeadRef.parse(node))

    # ------------------------------------------------------------ hover
    def _point(self, node: str | None, edge: Pair | None) -> None:
        """Hover that began here: shown and told."""
        old = (_head(self._node), self._edge)
        self._hover(node, edge)
        if old[0] != _head(node):
            self.headHovered.emit(_head(node))
        if old[1] != edge:
            self.edgeHovered.emit(edge)

    def _hover(self, node: str | None, edge: Pair | None) -> None:
        node = node if node in self._layout.points else None
        if (node, edge) != (self._node, self._edge):
            self._node, self._edge = node, edge
            self._describe()
            self.update()


def _head(node: str | None) -> HeadRef | None:
    return None if node is None or node in ENDS else HeadRef.parse(node)
