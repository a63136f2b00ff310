"""Where nodes stand in the composition diagram and which way its edges run. Pure geometry, no painting, no state.

Places depend on the shape of the model, the room and the zoom only: a prompt moves nothing. Edges rise from writer
to reader; on the way past other layers they keep to the gaps between heads, so that none runs through a node.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRectF, QSizeF

from engine.model.config import HeadRef
from engine.work.circuit_results import EMBED, ENDS, POSITIONS, UNEMBED, Composition
from engine.work.requests import Pair
from gui.theme import Theme

Curve = NDArray[np.float64]  # (n, 4, 2): cubic Bezier pieces, each with two ends and two control points between

_WIDEST, _HIGHEST, _LARGEST = 190.0, 170.0, 26.0  # px at 100 %: between heads, between layers, radius of a node
_GUTTER, _MARGIN = 62.0, 12.0  # px: left of the first head for names of layers, and around everything
_ASIDE, _BESIDE = 34.0, 8  # px right of the last head for its role in words, where there are no more heads than that
_LOWEST = 5.0  # px: between layers; below that the diagram scrolls
_END_ROOM, _FEW = (24.0, 38.0), 6  # px from an end to the next node, for few layers and for more (numbers of heads)
_PILLS = {EMBED: 128.0, POSITIONS: 84.0, UNEMBED: 168.0}  # px: widths of the ends
_PILL_HEIGHT = 24.0
_QUIET = 0.68  # the radius of a head without a role, as a share of the largest
_FLAT = 26.0  # px: between layers; below that an edge crosses over once
_LEAN = 0.8  # how far an edge that must go far aside leans over at its ends, so that flat edges do not merge
_LANE = {"q": -1.0, "k": 0.0, "v": 1.0}  # side by side in a gap, and left to right below a reader
_PORT = {kind: (math.sin(math.radians(50) * side), math.cos(math.radians(50) * side)) for kind, side in _LANE.items()}


@dataclass(frozen=True)
class Shape:
    """The heads of a model as a grid, and whether positions are an end of their own."""

    layers: int = 0
    heads: int = 0
    positions: bool = False

    @classmethod
    def of(cls, composition: Composition) -> Shape:
        layers = 1 + max((head.layer for head in composition.heads), default=-1)
        heads = 1 + max((head.head for head in composition.heads), default=-1)
        return cls(layers, heads, POSITIONS in composition.rows)


@dataclass(frozen=True)
class DiagramLayout:
    """Layer 0 at the bottom, between the embedding below and the unembedding on top. Lengths in px."""

    shape: Shape
    size: QSizeF  # of the whole drawing, at least the room
    left: float  # of head 0
    bottom: float  # of the embedding
    across: float  # from head to head
    up: float  # from layer to layer
    end: float  # from the ends to their nearest layer
    aside: float  # right of the last head, for words
    radius: float  # of the largest node
    scale: float  # of the interface

    @classmethod
    def fitted(cls, shape: Shape, room: QSizeF, zoom: float, theme: Theme) -> DiagramLayout:
        """All of it in `room` at zoom 1, nearer than that above; few heads do not drift apart in much room."""
        scale = theme.scale
        gutter, margin, pill = (length * scale for length in (_GUTTER, _MARGIN, _PILL_HEIGHT))
        steps = max(shape.layers - 1, 0)
        aside = _ASIDE * scale if shape.heads <= _BESIDE else 0.0
        width, height = room.width() - gutter - margin - aside, room.height() - 2 * margin - pill
        across = zoom * max(4.0, min(width / max(shape.heads, 1), _WIDEST * scale))
        up = height / (steps + 1.2)
        room_at_end = _END_ROOM[shape.layers > _FEW] * scale
        if up < room_at_end / 0.3:
            up = max((height - 2 * room_at_end) / (steps + 0.6), _LOWEST * scale)
        up = zoom * min(up, _HIGHEST * scale)
        end = max(0.6 * up, 0.3 * up + room_at_end)
        drawn_width = gutter + shape.heads * across + aside + margin
        drawn_height = 2 * end + steps * up + pill + 2 * margin
        size = QSizeF(max(room.width(), drawn_width), max(room.height(), drawn_height))
        left = max(gutter, (size.width() - aside - shape.heads * across) / 2) + across / 2
        bottom = (size.height() + drawn_height - pill) / 2 - margin
        radius = min(0.215 * across, 0.32 * up, _LARGEST * scale)
        return cls(shape, size, left, bottom, across, up, end, aside, radius, scale)

    # ------------------------------------------------------------ nodes
    @cached_property
    def points(self) -> dict[str, QPointF]:
        """The middle of every node."""
        shape = self.shape
        found = {
            str(HeadRef(layer, head)): QPointF(self.left + head * self.across, self.row_y(layer + 1))
            for layer in range(shape.layers)
            for head in range(shape.heads)
        }
        middle = self.left + (shape.heads - 1) * self.across / 2
        aside = (_PILLS[POSITIONS] + 12) * self.scale / 2 if shape.positions else 0.0
        found[EMBED] = QPointF(middle - aside, self.bottom)
        if shape.positions:
            found[POSITIONS] = QPointF(middle + (_PILLS[EMBED] + 12) * self.scale / 2, self.bottom)
        found[UNEMBED] = QPointF(middle, self.row_y(shape.layers + 1))
        return found

    def row(self, node: str) -> int:
        """0 for embedding and positions, layer + 1 for heads, one more than the last for the unembedding."""
        if node in (EMBED, POSITIONS):
            return 0
        return self.shape.layers + 1 if node == UNEMBED else HeadRef.parse(node).layer + 1

    def row_y(self, row: int) -> float:
        if row == 0:
            return self.bottom
        top = row > self.shape.layers
        return self.bottom - self.end - (min(row, self.shape.layers) - 1) * self.up - (self.end if top else 0.0)

    def node_radius(self, role: bool, score: float) -> float:
        """The stronger the role the larger the node; the rest are small and alike."""
        if not role:
            return max(_QUIET * self.radius, 1.2 * self.scale)
        size = 0.74 + 0.26 * min(max(score, 0.0), 1.0)
        return max(size * self.radius, min(4.5 * self.scale, 0.42 * self.up))

    @cached_property
    def socket(self) -> float:
        """Half the side of the mark where an edge enters its reader."""
        return min(max(0.4 * self.radius, 1.6 * self.scale), 8.0 * self.scale)

    def pill(self, end: str) -> QRectF:
        width, height = _PILLS[end] * self.scale, _PILL_HEIGHT * self.scale
        return QRectF(self.points[end].x() - width / 2, self.points[end].y() - height / 2, width, height)

    def band(self, layer: int) -> QRectF:
        """The strip behind one layer's heads."""
        height = min(0.62 * self.up, 2.0 * self.radius + 28 * self.scale)
        half = max(self.across, 230 * self.scale) / 2 if self.shape.heads == 1 else self.across / 2
        width = (self.shape.heads - 1) * self.across + 2 * half + self.aside
        return QRectF(self.left - half, self.row_y(layer + 1) - height / 2, width, height)

    def node_at(self, point: QPointF, radii: Mapping[str, float]) -> str | None:
        """The node under a place, with a few px of grace around small ones."""
        for end in (end for end in ENDS if end in self.points):
            if self.pill(end).contains(point):
                return end
        layer = round((self.row_y(1) - point.y()) / self.up) if self.up else 0
        head = round((point.x() - self.left) / self.across)
        node = str(HeadRef(layer, head))
        if layer < 0 or head < 0 or node not in self.points:
            return None
        away = point - self.points[node]
        reach = max(radii.get(node, self.radius), min(6.0 * self.scale, self.up / 2))
        return node if math.hypot(away.x(), away.y()) <= reach else None

    def neighbour(self, node: str, right: int, up: int) -> str:
        """The next node in a direction; the same one at the edge."""
        shape, row = self.shape, min(max(self.row(node) + up, 0), self.shape.layers + 1)
        if row == 0:
            return POSITIONS if shape.positions and (right > 0 or (node == POSITIONS and not right)) else EMBED
        if row > shape.layers:
            return UNEMBED
        at = (self.points[node].x() - self.left) / self.across
        head = min(max(math.floor(at + 0.5) + right, 0), shape.heads - 1)
        return str(HeadRef(row - 1, head))

    # ------------------------------------------------------------ edges
    def port(self, edge: Pair, radius: float, half: float) -> QPointF:
        """The middle of the mark (`half` its side) where an edge enters: queries left, keys below, values right."""
        place = self.points[edge.reader]
        if edge.reader == UNEMBED:
            pill = self.pill(UNEMBED)
            aside = (self.points[edge.writer].x() - place.x()) / max(self.shape.heads * self.across / 2, 1.0)
            return QPointF(place.x() + 0.42 * pill.width() * min(max(aside, -1.0), 1.0), pill.bottom() + half)
        aside, down = _PORT[edge.kind]
        reach = radius + half + 0.5
        return QPointF(place.x() + aside * reach, place.y() + down * reach)

    def curve(self, edge: Pair, radii: Mapping[str, float]) -> Curve:
        """From the top of the writer to the underside of the mark at its reader."""
        port = self.port(edge, radii.get(edge.reader, self.radius), self.socket)
        start = self._start(edge.writer, port, radii.get(edge.writer, self.radius))
        first, last = self.row(edge.writer), self.row(edge.reader)
        target = port if edge.reader == UNEMBED else self.points[edge.reader]
        lane = _LANE.get(edge.kind, 0.0) * min(0.11 * self.across, 5 * self.scale)
        knots, reach = [(start.x(), start.y())], min(self.radius, 0.36 * self.up)
        for row, along in self._rows(first, last, start.x()):  # upright past the nodes of a layer
            x = self._passing(start.x(), target.x(), along, lane)
            knots += [(x, self.row_y(row) + reach), (x, self.row_y(row) - reach)]
        knots.append((port.x(), port.y() + 0.8 * self.socket))
        return _smooth(np.array(knots))

    def _start(self, writer: str, towards: QPointF, radius: float) -> QPointF:
        place = self.points[writer]
        if writer not in ENDS:
            return QPointF(place.x(), place.y() - radius)
        reach = self.pill(writer).width() / 2 - 12 * self.scale
        aside = min(max((towards.x() - place.x()) * 0.4, -reach), reach)
        return QPointF(place.x() + aside, self.pill(writer).top())

    def _rows(self, first: int, last: int, start: float) -> list[tuple[int, float]]:
        """The rows that an edge passes, and which share of its way aside it is there.

        Where layers stand close it crosses over once, edges of different heads in different gaps; of the rows before
        and after only the outermost matter.
        """
        if self.up >= _FLAT * self.scale or last - first < 2:
            return [(row, (row - first) / (last - first)) for row in range(first + 1, last)]
        column = (start - self.left) / self.across  # heads are whole numbers
        share = 0.2 + 0.6 * column / max(self.shape.heads - 1, 1)
        turn = first + round(share * (last - first))  # the last row before it crosses over
        rows = sorted({first + 1, turn, turn + 1, last - 1} & set(range(first + 1, last)))
        return [(row, float(row > turn)) for row in rows]

    def _passing(self, start: float, end: float, along: float, lane: float) -> float:
        """Where to pass a layer on the way: nearly straight, but around nodes.

        An edge that stays in its column runs beside it, to the nearer side of the drawing.
        """
        eased = 0.5 * (along + along * along * (3 - 2 * along))
        first, last = (start - self.left) / self.across, (end - self.left) / self.across  # heads are whole numbers
        at, aside = first + (last - first) * eased, lane / self.across
        column = min(max(round(at), 0), self.shape.heads - 1)
        least = min(0.5, (self.radius + 5 * self.scale + abs(lane)) / self.across)
        if abs(last - first) < 0.25:
            outward = -1 if column < (self.shape.heads - 1) / 2 else 1
            bow = least + (min(0.5, 3 * least) - least) * 4 * along * (1 - along)
            at = column + outward * bow + aside
        elif abs(at - column) < least:
            side = last - first if round(first) == column else first - last if round(last) == column else at - column
            at = column + math.copysign(least, side or last - first) + aside
        return self.left + at * self.across


def _smooth(knots: NDArray[np.float64]) -> Curve:
    """A curve through knots (n + 1, 2) that rises all the way without overshoot, upright at both ends unless it must
    go farther aside than up.

    Sideways slopes are harmonic means (Fritsch and Butland 1984).
    """
    steps = np.diff(knots, axis=0)  # (n, 2)
    slopes = steps[:, 0] / np.where(np.abs(steps[:, 1]) < 1e-9, -1e-9, steps[:, 1])  # (n,)
    tangents = np.zeros(len(knots))  # (n + 1,)
    before, after = slopes[:-1], slopes[1:]
    same = before * after > 0
    total = np.where(same, before + after, 1.0)
    tangents[1:-1] = np.where(same, 2 * before * after / total, 0.0)
    ends = slopes[[0, -1]]
    tangents[[0, -1]] = _LEAN * np.sign(ends) * np.maximum(np.abs(ends) - 1.0, 0.0)
    reach = np.full(len(knots), 1 / 3)
    reach[[0, -1]] = 0.5
    rise = steps[:, 1]
    leave = knots[:-1] + np.stack([tangents[:-1] * rise * reach[:-1], rise * reach[:-1]], axis=1)
    arrive = knots[1:] - np.stack([tangents[1:] * rise * reach[1:], rise * reach[1:]], axis=1)
    return np.stack([knots[:-1], leave, arrive, knots[1:]], axis=1)


def along_curve(curve: Curve, share: float) -> QPointF:
    """A place on a curve, 0 at its start and 1 at its end."""
    piece = min(int(share * len(curve)), len(curve) - 1)
    t = share * len(curve) - piece
    weights = np.array([(1 - t) ** 3, 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t * t, t**3])  # (4,)
    x, y = weights @ curve[piece]
    return QPointF(float(x), float(y))


def sampled(curve: Curve, least: int = 24) -> NDArray[np.float64]:
    """Points along a curve, at least so many, (m, 2)."""
    each = max(3, -(-least // len(curve)))
    t = np.linspace(0.0, 1.0, each, endpoint=False)[:, None, None]  # (each, 1, 1)
    p0, p1, p2, p3 = (curve[None, :, at] for at in range(4))  # (1, n, 2)
    points = (1 - t) ** 3 * p0 + 3 * (1 - t) ** 2 * t * p1 + 3 * (1 - t) * t**2 * p2 + t**3 * p3  # (each, n, 2)
    return np.concatenate([points.transpose(1, 0, 2).reshape(-1, 2), curve[-1:, 3]])


class EdgeFinder:
    """Which of many curves runs nearest to a place."""

    def __init__(self, curves: Iterable[tuple[Pair, Curve]]) -> None:
        found = [(edge, sampled(curve)) for edge, curve in curves]
        self._edges = [edge for edge, _ in found]
        starts = [points[:-1] for _, points in found]
        self._owner = np.repeat(np.arange(len(found)), [len(points) for points in starts])
        self._start = np.concatenate(starts) if starts else np.zeros((0, 2))  # (N, 2)
        ends = [points[1:] for _, points in found]
        self._along = (np.concatenate(ends) if ends else np.zeros((0, 2))) - self._start

    def nearest(self, point: QPointF, reach: float) -> Pair | None:
        """The nearest edge within `reach` px, of equally near ones the last."""
        if not self._edges:
            return None
        away = np.array([point.x(), point.y()]) - self._start
        length = np.maximum((self._along**2).sum(axis=1), 1e-9)
        share = np.clip((away * self._along).sum(axis=1) / length, 0.0, 1.0)[:, None]
        distance = ((away - share * self._along) ** 2).sum(axis=1)
        nearest = len(distance) - 1 - int(np.argmin(distance[::-1]))
        return self._edges[int(self._owner[nearest])] if distance[nearest] <= reach * reach else None
