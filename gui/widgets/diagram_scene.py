"""What stands where in the composition diagram, and its pictures: still, faded, and what a hover lights.

All of it is drawn once into a still layer and once more, faded; a hover then costs one copy of it and the few edges
and nodes that are lit. Knows nothing of mouse, keys or signals.
"""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSizeF
from PySide6.QtGui import QColor, QPaintEngine, QPainter, QPixmap

from engine.model.config import HeadRef
from engine.work.circuit_results import ENDS, Composition
from engine.work.requests import Pair
from gui.theme import DARK, Theme
from gui.widgets.diagram_layout import Curve, DiagramLayout, EdgeFinder, Shape
from gui.widgets.diagram_model import ROLE_WORDS, Filter, HeadMark, Shown, path_of, shown, touching
from gui.widgets.diagram_paint import DiagramContent, DiagramPainter

_MOST_LABELS = 20  # at rest; what is lit has its own
_VECTORS = (QPaintEngine.Type.SVG, QPaintEngine.Type.Pdf)


class DiagramScene:
    """`node` and `edge` are pointed at, `pinned` and `selected` stay; the view says all of them."""

    def __init__(self) -> None:
        self.composition: Composition | None = None
        self.seen = Shown()
        self.relative = False  # edges are as thick as they are strong beside the strongest one between heads
        self.selected: HeadRef | None = None
        self.pinned: Pair | None = None
        self.node: str | None = None
        self.edge: Pair | None = None
        self.content = DiagramContent()
        self.layout = DiagramLayout.fitted(Shape(), QSizeF(1, 1), 1.0, DARK)
        self._finder = EdgeFinder(())
        self._theme = DARK
        self._boxes: dict[Pair, QRectF] = {}
        self._still: QPixmap | None = None
        self._faded: QPixmap | None = None
        self._corner = QPoint()  # of the layout, where the still layer was drawn from

    @property
    def shape(self) -> Shape:
        return Shape() if self.composition is None else Shape.of(self.composition)

    @property
    def chosen(self) -> Pair | None:
        """The edge that is pointed at, else the pinned one while nothing is."""
        return self.edge or (None if self.node else self.pinned)

    def forget(self) -> None:
        """Nothing is pointed at, pinned or marked any more: these are other heads."""
        self.selected = self.pinned = self.node = self.edge = None
        self.content.marks = {}

    def choose(self, chosen: Filter) -> None:
        self.seen = Shown() if self.composition is None else shown(self.composition, chosen)

    def mark(self, marks: Mapping[str, HeadMark]) -> None:
        self.content.marks = marks

    def arrange(self, room: QSizeF, zoom: float, theme: Theme) -> None:
        """Give everything its place."""
        content, self._theme = self.content, theme
        self.layout = DiagramLayout.fitted(self.shape, room, zoom, theme)
        roles = ((node, content.mark(node)) for node in self.layout.points if node not in ENDS)
        content.radii = {node: self.layout.node_radius(mark.role in ROLE_WORDS, mark.score) for node, mark in roles}
        content.fractions = dict(self.seen.fractions)
        content.full = self._full()
        content.curves = {edge: self.layout.curve(edge, content.radii) for edge in content.fractions}
        content.outlines.clear()
        self._boxes = {edge: _box(curve) for edge, curve in content.curves.items()}
        self._finder = EdgeFinder(content.curves.items())
        self.stale()

    def _full(self) -> float:
        between = (value for edge, value in self.seen.fractions.items() if not {edge.writer, edge.reader} & {*ENDS})
        return max(between, default=0.0) or 1.0 if self.relative else 1.0

    def stale(self) -> None:
        """The still layer is to be drawn anew."""
        self._still = self._faded = None

    def under(self, place: QPointF) -> tuple[str | None, Pair | None]:
        """The node, or else the edge, at a place of the layout."""
        node = self.layout.node_at(place, self.content.radii)
        return (node, None) if node else (None, self._finder.nearest(place, 6.0 * self._theme.scale))

    def edge_point(self, edge: Pair, along: float) -> QPointF:
        """A place on an edge that is drawn, 0 at its writer and 1 at its reader."""
        curve = self.content.curves[edge]
        piece = min(int(along * len(curve)), len(curve) - 1)
        t = along * len(curve) - piece
        weights = ((1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t * t, t**3)
        x, y = (sum(w * float(p[axis]) for w, p in zip(weights, curve[piece], strict=True)) for axis in (0, 1))
        return QPointF(x, y)

    # ------------------------------------------------------------ what stands out
    def lit(self) -> list[Pair]:
        """The edges that stand out now, the chosen one last."""
        chosen = self.chosen
        if chosen is None:
            return [] if self.node is None else touching(self.node, self.seen.fractions)
        if chosen not in self.content.curves and not self._add_hidden(chosen):
            return []
        return path_of(chosen, (edge for edge in self.seen.fractions if edge != chosen))

    def _add_hidden(self, edge: Pair) -> bool:
        """An edge that the filter hides is drawn while it is pointed at elsewhere."""
        figures = None if self.composition is None else self.composition.figures(edge)
        if figures is None:
            return False
        self.content.curves = {**self.content.curves, edge: self.layout.curve(edge, self.content.radii)}
        self.content.fractions = {**self.content.fractions, edge: figures.fraction}
        return True

    # ------------------------------------------------------------ painting
    def paint(self, painter: QPainter, plot: QRectF, origin: QPointF, ratio: float) -> None:
        """Into `plot`, whose corner shows the place `origin` (whole px) of the layout."""
        lit, area = self.lit(), plot.translated(origin)
        if painter.paintEngine().type() in _VECTORS:
            self._paint_paths(painter, plot, area, bool(lit))
        else:
            still = self._layer(area.toAlignedRect(), ratio)
            painter.drawPixmap(0, 0, self._faded_layer(still) if lit else still)
        painter.save()
        painter.setClipRect(plot)
        painter.translate(-origin)
        drawing = DiagramPainter(painter, self.layout, self.content, self._theme)
        drawing.layer_names(area)
        self._paint_lit(drawing, lit, area)
        painter.restore()

    def _paint_paths(self, painter: QPainter, plot: QRectF, area: QRectF, faded: bool) -> None:
        """A figure for paper keeps its paths: no layer is kept."""
        painter.save()
        painter.setClipRect(plot)
        painter.translate(-area.topLeft())
        self._draw(painter, area.toAlignedRect())
        if faded:
            painter.fillRect(area, self._veil())
        painter.restore()

    def _paint_lit(self, drawing: DiagramPainter, lit: list[Pair], area: QRectF) -> None:
        ends = [node for edge in reversed(lit) for node in (edge.writer, edge.reader)]
        nodes = list(dict.fromkeys([self.node, *ends] if self.node else ends))
        if self.node is not None or lit:
            drawing.edges(lit, lit=True, chosen=self.chosen)
            drawing.nodes(reversed(nodes))
            drawing.sockets(lit, lit=True)
            drawing.labels(nodes, True, area)
        if self.selected is not None and str(self.selected) in self.layout.points:
            drawing.ring(str(self.selected), self._theme.accent, 2.0)
        if self.node is not None:
            drawing.ring(self.node, self._theme.text, 1.5)

    def _layer(self, area: QRect, ratio: float) -> QPixmap:
        """The picture of a part of the layout; after a pan only what came into view is drawn."""
        still, moved = self._still, area.topLeft() - self._corner
        if still is not None and still.devicePixelRatio() == ratio and not moved.isNull() and ratio == int(ratio):
            self._still = self._panned(still, area, moved)
            self._faded = None
        elif still is None or still.devicePixelRatio() != ratio or not moved.isNull():
            self._still, self._faded = self._drawn(area, ratio), None
        self._corner = area.topLeft()
        assert self._still is not None
        return self._still

    def _panned(self, old: QPixmap, area: QRect, moved: QPoint) -> QPixmap:
        new, ratio = QPixmap(old.size()), old.devicePixelRatio()
        new.setDevicePixelRatio(ratio)
        painter = QPainter(new)
        painter.drawPixmap(-moved, old)
        for strip in _uncovered(area, moved):
            painter.drawPixmap(strip.topLeft() - area.topLeft(), self._drawn(strip, ratio))
        painter.end()
        return new

    def _drawn(self, area: QRect, ratio: float) -> QPixmap:
        """A part of the layout, drawn from scratch: only the edges and nodes that reach into it."""
        picture = QPixmap(area.size() * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(QColor(self._theme.window))
        painter = QPainter(picture)
        painter.translate(-area.topLeft())
        self._draw(painter, area)
        painter.end()
        return picture

    def _draw(self, painter: QPainter, area: QRect) -> None:
        drawing, reach = DiagramPainter(painter, self.layout, self.content, self._theme), self._theme.px(30)
        near = QRectF(area.adjusted(-reach, -reach, reach, reach))
        drawing.ground()
        edges = [edge for edge in self.seen.fractions if self._boxes[edge].intersects(near)]
        drawing.edges(edges)
        nodes = {node for node in self.content.radii if near.contains(self.layout.points[node])}
        ends = [end for end in ENDS if end in self.layout.points]
        drawing.nodes([*nodes, *ends])
        drawing.sockets([edge for edge in edges if edge.reader in nodes or edge.reader in ends])
        strongest = sorted(self.content.marks, key=lambda node: -self.content.mark(node).score)
        drawing.labels(strongest[:_MOST_LABELS], False, QRectF(QPointF(), self.layout.size))

    def _veil(self) -> QColor:
        """What lies over all that does not stand out."""
        veil = QColor(self._theme.window)
        veil.setAlphaF(0.62)
        return veil

    def _faded_layer(self, still: QPixmap) -> QPixmap:
        if self._faded is None:
            self._faded = QPixmap(still)
            painter = QPainter(self._faded)
            painter.fillRect(self._faded.rect(), self._veil())
            painter.end()
        return self._faded


def _uncovered(area: QRect, moved: QPoint) -> list[QRect]:
    """What came into view at the sides of `area` as it moved."""
    width, height = min(abs(moved.x()), area.width()), min(abs(moved.y()), area.height())
    beside, below = QRect(area), QRect(area)
    beside.setWidth(width)
    below.setHeight(height)
    if moved.x() > 0:
        beside.moveRight(area.right())
    if moved.y() > 0:
        below.moveBottom(area.bottom())
    return [strip for strip in (beside, below) if not strip.isEmpty()]


def _box(curve: Curve) -> QRectF:
    """Around a curve, a px at least each way: Qt calls what has no width empty."""
    low, high = curve.min(axis=(0, 1)), curve.max(axis=(0, 1))
    return QRectF(low[0] - 1, low[1] - 1, high[0] - low[0] + 2, high[1] - low[1] + 2)
