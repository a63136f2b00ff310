"""A few small icons, painted from paths at any size and in any colour; there are no icon files."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPainterPath, QPen, QPixmap

IconName = Literal["copy", "save", "close", "sort", "filter", "more", "down", "right", "dice", "undo", "warning"]
_GRID = 16.0  # every path is drawn on a square of this side


def icon(name: IconName, colour: str, px: int = 16) -> QIcon:
    """An icon of `px` device-independent pixels, sharp at device pixel ratios 1, 1.5, 2 and 3."""
    return _icon(name, colour, px)


@cache
def _icon(name: IconName, colour: str, px: int) -> QIcon:
    result = QIcon()
    for ratio in (1.0, 1.5, 2.0, 3.0):
        result.addPixmap(_pixmap(_PATHS[name](), colour, px, ratio))
    return result


def _pixmap(path: QPainterPath, colour: str, px: int, ratio: float) -> QPixmap:
    pixmap = QPixmap(round(px * ratio), round(px * ratio))
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(px / _GRID, px / _GRID)
    line, cap, join = Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin
    painter.setPen(QPen(QColor(colour), 1.4, line, cap, join))
    painter.drawPath(path)
    painter.end()
    return pixmap


def _strokes(*strokes: tuple[tuple[float, float], ...]) -> QPainterPath:
    path = QPainterPath()
    for stroke in strokes:
        path.moveTo(QPointF(*stroke[0]))
        for point in stroke[1:]:
            path.lineTo(QPointF(*point))
    return path


def _copy() -> QPainterPath:
    path = _strokes(((10.5, 2.5), (4.5, 2.5), (2.5, 4.5), (2.5, 10.5)))
    path.addRoundedRect(QRectF(5.5, 5.5, 8, 8), 1.5, 1.5)
    return path


def _save() -> QPainterPath:
    return _strokes(
        ((8, 2), (8, 10)),
        ((4.5, 6.5), (8, 10), (11.5, 6.5)),
        ((2.5, 11), (2.5, 13.5), (13.5, 13.5), (13.5, 11)),
    )


def _close() -> QPainterPath:
    return _strokes(((4, 4), (12, 12)), ((12, 4), (4, 12)))


def _sort() -> QPainterPath:
    return _strokes(((2.5, 4), (13.5, 4)), ((2.5, 8), (10, 8)), ((2.5, 12), (6.5, 12)))


def _filter() -> QPainterPath:
    path = QPainterPath()
    path.addEllipse(QRectF(2.5, 2.5, 8, 8))
    path.addPath(_strokes(((9.5, 9.5), (13.5, 13.5))))
    return path


def _more() -> QPainterPath:
    path = QPainterPath()
    for x in (3.5, 8.0, 12.5):
        path.addEllipse(QPointF(x, 8), 0.7, 0.7)
    return path


def _down() -> QPainterPath:
    return _strokes(((4, 6), (8, 10), (12, 6)))


def _right() -> QPainterPath:
    return _strokes(((6, 4), (10, 8), (6, 12)))


def _dice() -> QPainterPath:
    path = QPainterPath()
    path.addRoundedRect(QRectF(2.5, 2.5, 11, 11), 2, 2)
    for x, y in ((5.5, 5.5), (8.0, 8.0), (10.5, 10.5)):
        path.addEllipse(QPointF(x, y), 0.5, 0.5)
    return path


def _undo() -> QPainterPath:
    path = _strokes(((6, 2.5), (3, 5.5), (6, 8.5)), ((3, 5.5), (9, 5.5)))
    path.arcTo(QRectF(5.5, 5.5, 7.5, 7.5), 90, -180)
    path.lineTo(6, 13)
    return path


def _warning() -> QPainterPath:
    return _strokes(((8, 2.5), (14, 13.5), (2, 13.5), (8, 2.5)), ((8, 6.5), (8, 9.5)), ((8, 11.4), (8, 11.5)))


_PATHS: dict[str, Callable[[], QPainterPath]] = {
    "copy": _copy,
    "save": _save,
    "close": _close,
    "sort": _sort,
    "filter": _filter,
    "more": _more,
    "down": _down,
    "right": _right,
    "dice": _dice,
    "undo": _undo,
    "warning": _warning,
}
