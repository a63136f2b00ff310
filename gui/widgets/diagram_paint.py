"""Drawing the composition diagram: layers, nodes, edges in three styles, labels and the legend. No state of its own.

A kind of composition is told by its line (Q dashed, K solid, V dotted), by the mark at the reader (Q a ring, K a
square, V a diamond) and its letter, and by colour last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QPainter, QPainterPath, QPainterPathStroker, QPen, QPolygonF

from engine.work.circuit_results import EMBED, ENDS, POSITIONS, UNEMBED
from engine.work.requests import Pair, PairKind
from gui.theme import SECONDARY, SMALLEST, Theme, ui_font
from gui.widgets.diagram_layout import Curve, DiagramLayout
from gui.widgets.diagram_model import KINDS, READS, ROLE_WORDS, SHORT_WORDS, HeadMark, Kind

_PILL_WORDS = {EMBED: "token embedding", POSITIONS: "positions", UNEMBED: "unembedding: next token"}
_DASHES = {"q": [3.2, 2.2], "v": [1.0, 1.3]}  # in pen widths
_LETTER_FROM = 6.5  # px: half the side of a mark that has room for its letter
_CENTRE = Qt.AlignmentFlag.AlignCenter
_PLAIN = HeadMark()


@dataclass
class DiagramContent:
    """What is drawn: edges with their fraction of the ceiling, the weakest first, and how heads are marked."""

    fractions: Mapping[Pair, float] = field(default_factory=dict)
    curves: Mapping[Pair, Curve] = field(default_factory=dict)
    marks: Mapping[str, HeadMark] = field(default_factory=dict)
    radii: Mapping[str, float] = field(default_factory=dict)

    full: float = 1.0  # the fraction of the thickest edge between heads; of edges with an end it is 1
    outlines: dict[tuple[Pair, float], QPainterPath] = field(default_factory=dict)

    def outline(self, edge: Pair, width: float) -> QPainterPath | None:
        """A line with its dashes, to be filled. It is kept: Qt's own dashes also begin elsewhere in every part of a
        picture that is drawn by itself."""
        key = (edge, width)
        if key not in self.outlines and edge in self.curves:
            self.outlines[key] = QPainterPathStroker(edge_pen(edge.kind, width)).createStroke(_path(self.curves[edge]))
        return self.outlines.get(key)

    def thickness(self, edge: Pair) -> float:
        """0 to 1."""
        full = 1.0 if edge.writer in ENDS or edge.reader in ENDS else self.full
        return min(max(self.fractions.get(edge, 0.0) / full, 0.0), 1.0)

    def mark(self, node: str) -> HeadMark:
        return self.marks.get(node, _PLAIN)


def kind_colour(kind: PairKind, theme: Theme) -> QColor:
    names = {"q": theme.accent, "k": theme.induction, "v": theme.duplicate}
    return QColor(names.get(kind, theme.subtle))


def edge_pen(kind: PairKind, width: float, colour: QColor | None = None) -> QPen:
    """The line of a kind: dashed, solid or dotted."""
    pen = QPen(colour or QColor(), width)
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)  # round dots take twice as long
    if kind in _DASHES:
        pen.setDashPattern(_DASHES[kind])
    return pen


def paint_mark(painter: QPainter, kind: PairKind, place: QPointF, half: float, colour: QColor, ground: QColor) -> None:
    """Where an edge enters: a ring for queries, a square for keys, a diamond for values, an arrow head for logits."""
    painter.setPen(QPen(colour, max(1.0, 0.2 * half)))
    painter.setBrush(ground if kind == "q" else colour)
    if kind == "q":
        painter.drawEllipse(place, 0.94 * half, 0.94 * half)
    elif kind == "k":
        side = 0.84 * half
        painter.drawRoundedRect(
            QRectF(place.x() - side, place.y() - side, 2 * side, 2 * side), 0.25 * half, 0.25 * half
        )
    else:
        tips = [(0, -1), (1, 0), (0, 1), (-1, 0)] if kind == "v" else [(0, -0.9), (0.8, 0.8), (-0.8, 0.8)]
        reach = (1.18 if kind == "v" else 1.0) * half
        painter.drawPolygon(QPolygonF([place + QPointF(x * reach, y * reach) for x, y in tips]))
    if kind != "unembed" and half >= _LETTER_FROM:
        painter.setFont(ui_font(1.3 * half, 700))
        painter.setPen(colour if kind == "q" else ground)
        painter.drawText(QRectF(place.x() - half, place.y() - half, 2 * half, 2 * half), _CENTRE, kind.upper())


class DiagramPainter:
    """Draws with one painter whose origin is the layout's; made anew for each repaint."""

    def __init__(self, painter: QPainter, layout: DiagramLayout, content: DiagramContent, theme: Theme) -> None:
        self._painter, self._layout, self._content, self._theme = painter, layout, content, theme
        self._small, self._strong = ui_font(theme.px(SMALLEST)), ui_font(theme.px(SMALLEST), 600)
        self._metrics = QFontMetricsF(self._strong)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        longest = f"{layout.shape.layers - 1}.{layout.shape.heads - 1}"
        inside = layout.node_radius(False, 0.0) - theme.scale
        self.names_inside = self._metrics.horizontalAdvance(longest) / 2 <= inside

    # ------------------------------------------------------------ what never moves
    def _named_layers(self) -> range:
        """As many as can be named below one another."""
        least = 1.4 * self._metrics.height()
        step = next(step for step in (1, 2, 5, 10, 20, 1000) if step * self._layout.up >= least)
        return range(0, self._layout.shape.layers, step)

    def ground(self) -> None:
        """Layers, numbers of heads, and the way in and out."""
        layout, painter, theme = self._layout, self._painter, self._theme
        layers = layout.shape.layers
        if not layers:
            return
        named_layers = self._named_layers()
        painter.setFont(self._small)
        for layer in range(layers):
            band = layout.band(layer)
            named = layer in named_layers
            if band.height() >= theme.px(20):
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(theme.base))
                painter.drawRoundedRect(band, theme.px(6), theme.px(6))
            elif named:
                painter.setPen(QPen(QColor(theme.hairline), 1.0))
                painter.drawLine(QPointF(band.left(), band.center().y()), QPointF(band.right(), band.center().y()))
        if not self.names_inside:
            self._head_numbers()
        painter.setPen(QPen(QColor(theme.hairline), 1.5 * theme.scale))
        middle = layout.points[UNEMBED].x()
        top, bottom = layout.band(layers - 1).top(), layout.band(0).bottom()
        for start, end in ((layout.pill(EMBED).top(), bottom), (top, layout.pill(UNEMBED).bottom())):
            painter.drawLine(QPointF(middle, start), QPointF(middle, end))

    def layer_names(self, area: QRectF) -> None:
        """Beside the layers that are in view."""
        self._painter.setFont(self._small)
        for layer in self._named_layers():
            self._layer_name(f"layer {layer}", self._layout.band(layer), area)

    def _layer_name(self, name: str, band: QRectF, area: QRectF) -> None:
        """At the left of its layer; at the edge of the view while that is out of sight."""
        width, height = self._metrics.horizontalAdvance(name) + self._theme.px(4), self._metrics.height()
        left = max(band.left() - width - self._theme.px(6), area.left() + self._theme.px(4))
        box = QRectF(left, band.center().y() - height / 2, width, height)
        if left > band.left() - width:
            self._plate(box)
        self._painter.setPen(QColor(self._theme.subtle))
        self._painter.drawText(box, _CENTRE, name)

    def _head_numbers(self) -> None:
        """Below layer 0, where nodes are too small to hold their names."""
        layout, painter = self._layout, self._painter
        heads, height = layout.shape.heads, self._metrics.height()
        widest = self._metrics.horizontalAdvance(str(heads - 1)) + self._theme.px(6)
        step = max(1, -(-int(widest) // max(1, int(layout.across))))
        y = layout.row_y(1) + layout.radius + self._theme.px(6)
        painter.setPen(QColor(self._theme.subtle))
        ends = [layout.pill(end) for end in (EMBED, POSITIONS) if end in layout.points]
        for head in range(0, heads, step):
            x = layout.left + head * layout.across
            text = f"head {head}" if head == 0 and layout.across > 2 * widest + self._theme.px(24) else str(head)
            if not any(end.intersects(QRectF(x - widest / 2, y, widest, height)) for end in ends):
                painter.drawText(QRectF(x - 50, y, 100, height), _CENTRE, text)

    # ------------------------------------------------------------ edges
    def edges(self, edges: Iterable[Pair], lit: bool = False, chosen: Pair | None = None) -> None:
        """Lines only, in the order given; lit ones in full colour, the chosen one with a seam around it."""
        for edge in edges:
            fraction = self._content.thickness(edge)
            seam = self._theme.scale if edge == chosen else 0.0
            width, colour = self._width(fraction, lit) + seam, kind_colour(edge.kind, self._theme)
            line = self._content.outline(edge, width)
            if line is None:
                continue
            colour.setAlphaF(1.0 if lit else 0.4 + 0.6 * fraction)
            if not lit and (self._content.mark(edge.writer).removed or self._content.mark(edge.reader).removed):
                colour.setAlphaF(0.25)
            if edge == chosen:
                pen = QPen(QColor(self._theme.window), width + 5 * self._theme.scale)
                self._painter.strokePath(_path(self._content.curves[edge]), pen)
            self._painter.fillPath(line, colour)

    def _width(self, fraction: float, lit: bool) -> float:
        """1 to 7 px where there is room, thinner where nodes are small."""
        theme, room = self._theme, min(max(self._layout.radius / self._theme.px(22), 0.5), 1.0)
        return max((1.0 + 6.0 * fraction * fraction) * room, 1.6 if lit else 0.9) * theme.scale

    def sockets(self, edges: Iterable[Pair], lit: bool = False) -> None:
        """The marks at the readers; a lit one is large enough for its letter."""
        half = max(self._layout.socket, self._theme.px(8)) if lit else self._layout.socket
        ground = QColor(self._theme.base)
        for reader, kind in dict.fromkeys((edge.reader, edge.kind) for edge in edges):
            same = [edge for edge in edges if edge.reader == reader and edge.kind == kind] if reader == UNEMBED else []
            some = same or [Pair(reader, reader, kind)]
            for edge in some:
                mark = min(half, self._theme.px(5)) if kind == "unembed" else half
                place = self._layout.port(edge, self._content.radii.get(reader, self._layout.radius), mark)
                paint_mark(self._painter, kind, place, mark, kind_colour(kind, self._theme), ground)

    # ------------------------------------------------------------ nodes
    def nodes(self, nodes: Iterable[str]) -> None:
        layout, painter = self._layout, self._painter
        for node in nodes:
            if node in ENDS:
                self._pill(node)
                continue
            mark, place = self._content.mark(node), layout.points[node]
            radius = self._content.radii.get(node, layout.radius)
            role = mark.role in ROLE_WORDS
            width = min((1.5 + 2.0 * mark.score) * self._theme.scale, 0.4 * radius) if role else self._theme.scale
            colour = QColor(self._theme.role(mark.role)) if role else QColor(self._theme.subtle)
            if not role:
                colour.setAlphaF(0.55)
            painter.setPen(QPen(colour, width))
            painter.setBrush(QColor(self._theme.raised if radius > self._theme.px(4) or role else self._theme.hairline))
            painter.drawEllipse(place, radius - width / 2, radius - width / 2)
            if self.names_inside:
                self._text(QRectF(place.x() - radius, place.y() - radius, 2 * radius, 2 * radius), node, role)
            if mark.removed:
                self._strike(place, radius)

    def _text(self, box: QRectF, text: str, strong: bool) -> None:
        self._painter.setFont(self._strong if strong else self._small)
        self._painter.setPen(QColor(self._theme.text if strong else self._theme.subtle))
        self._painter.drawText(box, _CENTRE, text)

    def _pill(self, end: str) -> None:
        box = self._layout.pill(end)
        self._painter.setPen(QPen(QColor(self._theme.subtle), 1.0))
        self._painter.setBrush(QColor(self._theme.raised))
        self._painter.drawRoundedRect(box, box.height() / 2, box.height() / 2)
        self._text(box, _PILL_WORDS[end], False)

    def _strike(self, place: QPointF, radius: float) -> None:
        """A removed head: faded and struck through."""
        veil = QColor(self._theme.window)
        veil.setAlphaF(0.6)
        self._painter.setPen(Qt.PenStyle.NoPen)
        self._painter.setBrush(veil)
        self._painter.drawEllipse(place, radius + 1, radius + 1)
        reach = QPointF(radius, -radius)
        self._painter.setPen(QPen(QColor(self._theme.negative), 2 * self._theme.scale))
        self._painter.drawLine(place - reach, place + reach)

    def ring(self, node: str, colour: str, width: float) -> None:
        """Around a node that is pointed at or chosen."""
        pen = QPen(QColor(colour), width * self._theme.scale)
        self._painter.setPen(pen)
        self._painter.setBrush(Qt.BrushStyle.NoBrush)
        gap = 2.5 * self._theme.scale
        if node in ENDS:
            box = self._layout.pill(node).adjusted(-gap, -gap, gap, gap)
            self._painter.drawRoundedRect(box, box.height() / 2, box.height() / 2)
        else:
            reach = self._content.radii.get(node, self._layout.radius) + gap
            self._painter.drawEllipse(self._layout.points[node], reach, reach)

    # ------------------------------------------------------------ labels
    def labels(self, nodes: Sequence[str], names: bool, area: QRectF) -> None:
        """Beside nodes, the first ones first: the role in words, and the name where the node cannot hold it.

        A label that would cover another or a head with a role is left out; pointing at its node shows it.
        """
        self._painter.setFont(self._strong)
        marks = self._content.marks
        solid = (
            self._layout.points if self.names_inside else {*(n for n in marks if marks[n].role in ROLE_WORDS), *nodes}
        )
        taken = [self._box(node) for node in solid if node in self._layout.points]
        area = area.intersected(QRectF(self._layout.band(0).left() - 1, area.top(), area.width(), area.height()))
        for node in nodes:
            texts = self._notes(node, names) if node in self._layout.points and node not in ENDS else []
            for words, box in [(one, side) for one in texts for side in self._sides(node, one)]:
                if area.contains(box) and not any(box.intersects(other) for other in taken):
                    taken.append(box)
                    self._plate(box)
                    mark = self._content.mark(node)
                    role = mark.role in ROLE_WORDS
                    self._painter.setPen(QColor(self._theme.role(mark.role) if role else self._theme.text))
                    self._painter.drawText(box, _CENTRE, words)
                    break

    def _notes(self, node: str, names: bool) -> list[str]:
        """Label texts for a node, the fullest first."""
        mark = self._content.mark(node)
        name = "" if self.names_inside else f"{node} "
        if mark.role not in ROLE_WORDS:
            return [node] if names and not self.names_inside else []
        long, short = ROLE_WORDS[mark.role], SHORT_WORDS[mark.role]
        notes = [f"{name}{short} {mark.score:.2f}", f"{name}{short}"]
        return [f"{long} {mark.score:.2f}", *notes] if self.names_inside else [*notes, node]

    def _sides(self, node: str, text: str) -> list[QRectF]:
        """Boxes to the right; where the words begin with the node's name also left, above and below: a role alone would
        seem to be the neighbour's there."""
        place, width, height = (
            self._layout.points[node],
            self._metrics.horizontalAdvance(text) + 4,
            self._metrics.height(),
        )
        reach = self._content.radii.get(node, self._layout.radius) + self._theme.px(3)
        sides = [(reach, -height / 2)]
        if not self.names_inside:
            sides += [(-reach - width, -height / 2), (-width / 2, -reach - height), (-width / 2, reach)]
        return [QRectF(place.x() + x, place.y() + y, width, height) for x, y in sides]

    def _box(self, node: str) -> QRectF:
        if node in ENDS:
            return self._layout.pill(node)
        place, reach = self._layout.points[node], self._content.radii.get(node, self._layout.radius)
        return QRectF(place.x() - reach, place.y() - reach, 2 * reach, 2 * reach)

    def _plate(self, box: QRectF) -> None:
        """Quiet ground behind words that stand on lines."""
        ground = QColor(self._theme.base)
        ground.setAlphaF(0.86)
        self._painter.setPen(Qt.PenStyle.NoPen)
        self._painter.setBrush(ground)
        self._painter.drawRoundedRect(box, 3, 3)


def _path(curve: Curve) -> QPainterPath:
    path = QPainterPath(QPointF(*curve[0, 0]))
    for piece in curve[:, 1:].reshape(-1, 6).tolist():
        path.cubicTo(*piece)
    return path


class Legend:
    """What the lines mean, set in as many rows as the width asks for."""

    def __init__(self, kinds: Iterable[Kind], thick: str, width: float, theme: Theme) -> None:
        self._theme = theme
        self._font = ui_font(theme.px(SMALLEST))
        metrics = QFontMetricsF(self._font)
        self._sample, gap, self._line = theme.px(40), theme.px(14), theme.px(20)
        shown = [kind for kind in KINDS if kind in set(kinds)]
        words: list[tuple[Kind | None, str]] = [(None, "A line feeds")]
        words += [(kind, READS[kind]) for kind in shown]
        words.append((None, thick))
        self._items: list[tuple[Kind | None, str, float, int]] = []
        x, row = 0.0, 0
        for kind, text in words:
            needed = metrics.horizontalAdvance(text) + (self._sample if kind else 0)
            if x > 0 and x + needed > width:
                x, row = 0.0, row + 1
            self._items.append((kind, text, x, row))
            x += needed + gap
        self.height = (row + 1) * self._line

    def paint(self, painter: QPainter, corner: QPointF) -> None:
        theme = self._theme
        for kind, text, left, row in self._items:
            x, y = corner.x() + left, corner.y() + (row + 0.5) * self._line
            if kind is not None:
                colour = kind_colour(kind, theme)
                painter.setPen(edge_pen(kind, 2.5 * theme.scale, colour))
                painter.drawLine(QPointF(x, y), QPointF(x + theme.px(18), y))
                place = QPointF(x + theme.px(25), y)
                paint_mark(painter, kind, place, 7.0 * theme.scale, colour, QColor(theme.base))
                x += self._sample
            painter.setFont(self._font)
            painter.setPen(QColor(theme.subtle))
            box = QRectF(x, y - self._line / 2, 1000, self._line)
            painter.drawText(box, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)


class Caption:
    """A few lines of words below a picture. Room is kept for the longest, so that a hover moves nothing."""

    def __init__(self, longest: str, width: float, theme: Theme) -> None:
        self._theme, self._width = theme, width
        self.font = ui_font(theme.px(SECONDARY))
        self._metrics = QFontMetricsF(self.font)
        self.height = len(self.lines(longest)) * self._metrics.height() + theme.px(4)

    def lines(self, text: str) -> list[str]:
        """`text` broken between words into lines that fit."""
        lines: list[str] = []
        for word in text.split():
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and self._metrics.horizontalAdvance(longer) <= self._width:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines

    def paint(self, painter: QPainter, corner: QPointF, text: str, bright: bool) -> None:
        painter.setFont(self.font)
        painter.setPen(QColor(self._theme.text if bright else self._theme.subtle))
        for number, line in enumerate(self.lines(text)):
            painter.drawText(corner + QPointF(0, number * self._metrics.height() + self._metrics.ascent()), line)
