"""The walk through the circuit as a picture: which marks stand where, and at which step each appears. No painting.

Columns are tokens, the level goes up with the layers; a mark belongs to a step and says whose it is by its role.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QPointF, QRectF, QSizeF
from PySide6.QtGui import QFontMetricsF, QPainterPath

from gui.theme import SECONDARY, Role, Theme, mono_font

Shape = Literal["flow", "line", "dot", "ring", "box"]
Level = Literal["tokens", "writer", "key", "reader", "prediction"]
Place = tuple[int, Level]  # position, level
ACROSS: dict[Level, float] = {"tokens": 0.0, "writer": 0.27, "key": 0.58, "reader": 0.70, "prediction": 1.0}


@dataclass(frozen=True)
class Mark:
    """One thing in the picture. `flow` is a path along which something moves, `line` one that is only there.

    `start` and `end` are (position, level); `bend` is how far a path swings up (+) or down (-), in parts of its
    length; `weight` 0 to 1 makes it thick. `words` stand beside it, `side` says where.
    """

    step: str
    shape: Shape
    start: Place
    end: Place
    role: Role = "none"
    weight: float = 1.0
    bend: float = 0.0
    dashed: bool = False
    words: str = ""
    side: Literal["beside", "above", "below", "left"] = "beside"
    row: int = 0  # of words that stand under one another beside the same place


@dataclass(frozen=True)
class Column:
    """A token with the role of its place."""

    text: str
    role: Role = "none"


@dataclass(frozen=True)
class Scene:
    """Everything there is to draw, in the order of the steps; `layers` are the names of the two bands."""

    columns: tuple[Column, ...] = ()
    marks: tuple[Mark, ...] = ()
    steps: tuple[str, ...] = ()
    layers: tuple[str, str] = ("", "")
    prediction: str = ""
    query: int = 0


class WalkLayout:
    """Where things of a scene stand in a picture of that size."""

    def __init__(self, scene: Scene, size: QSizeF, theme: Theme) -> None:
        self.scene, self.size, self._theme = scene, size, theme
        self.left, self.right = theme.px(64), theme.px(40)
        self.bottom, self.top = size.height() - theme.px(44), theme.px(34)
        self._centres = self._spread()

    def _spread(self) -> list[float]:
        """A centre for each column: as wide as its label; where there is no room, places with a role keep theirs."""
        columns, room = self.scene.columns, self.size.width() - self.left - self.right
        metrics = QFontMetricsF(mono_font(self._theme.px(SECONDARY)))
        wanted = [metrics.horizontalAdvance(column.text) + self._theme.px(14) for column in columns]
        fixed = [
            max(width, self._theme.px(74)) if c.role != "none" else 0.0
            for width, c in zip(wanted, columns, strict=True)
        ]
        plain = sum(width for width, keep in zip(wanted, fixed, strict=True) if not keep)
        share = min(1.0, max(room - sum(fixed), 1.0) / max(plain, 1.0))
        wanted = [keep or width * share for width, keep in zip(wanted, fixed, strict=True)]
        scale = room / max(sum(wanted), 1.0)
        centres, at = [], float(self.left)
        for width in wanted:
            centres.append(at + width * scale / 2)
            at += width * scale
        return centres

    def x(self, position: int) -> float:
        return self._centres[position] if self._centres else float(self.left)

    def y(self, level: Level) -> float:
        return self.bottom - (self.bottom - self.top) * ACROSS[level]

    def point(self, place: Place) -> QPointF:
        return QPointF(self.x(place[0]), self.y(place[1]))

    def band(self, level: Level) -> QRectF:
        """The ground of a layer."""
        high = (self.bottom - self.top) * 0.22
        middle = self.y(level) + (high * 0.2 if level == "reader" else 0.0)
        return QRectF(self._theme.px(8), middle - high / 2, self.size.width() - self._theme.px(16), high)

    def box(self) -> QRectF:
        """Where the prediction stands."""
        width, high = self._theme.px(112), self._theme.px(34)
        middle = min(self.x(self.scene.query), self.size.width() - width / 2 - self._theme.px(8))
        return QRectF(middle - width / 2, self.top - high / 2, width, high)

    def path(self, mark: Mark) -> QPainterPath:
        """From its start to its end, bent."""
        start, end = self.point(mark.start), self.point(mark.end)
        path = QPainterPath(start)
        length = abs(end.x() - start.x()) + abs(end.y() - start.y())
        swing = QPointF(0, -mark.bend * length)
        path.cubicTo(start + (end - start) * 0.25 + swing, start + (end - start) * 0.75 + swing, end)
        return path

    def words_at(self, mark: Mark, width: float, height: float) -> QPointF:
        """The left end of the base line of a mark's words, kept inside the picture."""
        theme, end = self._theme, self.point(mark.end)
        if mark.side == "beside":
            roomy = end.x() + theme.px(16) + width < self.size.width() - theme.px(8)
            x = end.x() + theme.px(16) if roomy else end.x() - theme.px(16) - width
            y = end.y() + height * 0.35 + mark.row * (height + theme.px(3))
        elif mark.side == "left":
            x, y = end.x() - theme.px(12) - width, (self.point(mark.start).y() + end.y()) / 2 + mark.row * height
        else:
            middle = self.path(mark).pointAtPercent(0.5)
            x = middle.x() - width / 2
            y = middle.y() - theme.px(8) if mark.side == "above" else middle.y() + height + theme.px(2)
        x = min(max(x, float(theme.px(8))), max(theme.px(8), self.size.width() - width - theme.px(8)))
        return QPointF(x, y)
