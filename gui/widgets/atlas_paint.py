"""Drawing the atlas: cards with pictures and labels, and the small overlays laid on every picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRect, QRectF, QSize, QSizeF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QImage, QPainter, QPen, QPixmap

from engine.model.config import HeadRef
from gui.theme import NEUTRAL, SMALLEST, Theme, ui_font
from gui.widgets.atlas_layout import AtlasLayout, Badge
from gui.widgets.pictures import image_of, pooled_tiles, strongest

Place = tuple[HeadRef, QRect]  # a head and its card


@dataclass
class AtlasContent:
    """What the cards show. `atlas` holds all pictures side by side, layer by row and head by column."""

    thumbnails: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, 0, 1, 1), np.uint8))
    signed: bool = False
    badges: dict[HeadRef, Badge] = field(default_factory=dict)
    removed: frozenset[HeadRef] = frozenset()


def atlas_image(thumbnails: NDArray[np.uint8], pixels: int, signed: bool, theme: Theme) -> QImage:
    """All pictures (L, H, S, S) in one image; shrunk to the strongest of each block when S is over `pixels`."""
    layers, heads, side, _ = thumbnails.shape
    flat = thumbnails.transpose(0, 2, 1, 3).reshape(layers * side, heads * side)
    most = max(1, pixels)

    def pool(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return pooled_tiles(pooled_tiles(values, 0, side, most), 1, side, most)

    if signed:
        return image_of(strongest(pool, flat, NEUTRAL), theme.signed_lut())
    return image_of(pool(flat), theme.attention_lut())


class CardPainter:
    """Draws whole cards with one painter; made anew for each repaint of the still layer."""

    def __init__(self, painter: QPainter, layout: AtlasLayout, content: AtlasContent, theme: Theme) -> None:
        self._painter, self._layout, self._content, self._theme = painter, layout, content, theme
        self._plain = ui_font(theme.px(SMALLEST))
        self._strong = ui_font(theme.px(SMALLEST), 600)
        self._metrics = QFontMetricsF(self._strong)
        self._widths: dict[str, float] = {}

    def frames(self, places: list[Place], area: QRect) -> None:
        """Everything but the pictures: cards, head numbers, badges, names of layers."""
        tile = self._frame_tile()
        for block in self._layout.blocks(area):
            self._painter.drawTiledPixmap(block, tile)
        self._painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._words(places)
        if self._layout.order is None:
            self._layer_names(area)

    def _frame_tile(self) -> QPixmap:
        """One empty card with the gap around it: a thousand cards are one call."""
        layout = self._layout
        tile = blank(layout.pitch, self._painter.device().devicePixelRatioF())
        painter = QPainter(tile)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(self._theme.hairline), 1.0))
        painter.setBrush(QColor(self._theme.base))
        box = QRectF(QPointF(layout.gap // 2, layout.gap // 2), QSizeF(layout.card_size))
        radius = self._theme.px(6)
        painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)
        painter.end()
        return tile

    def pictures(self, places: list[Place], atlas: QImage) -> None:
        if atlas.isNull():
            return
        side = atlas.width() // self._layout.heads
        for ref, card in places:
            source = QRect(ref.head * side, ref.layer * side, side, side)
            self._painter.drawImage(self._layout.picture(card), atlas, source)
        self._painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for ref, card in places:
            if ref in self._content.removed:
                self._strike(card)

    def _words(self, places: list[Place]) -> None:
        painter, theme = self._painter, self._theme
        room = self._layout.side
        painter.setFont(self._plain)
        painter.setPen(QColor(theme.subtle))
        base = (self._layout.label + self._metrics.ascent() - self._metrics.descent()) / 2
        for ref, card in places:
            line = self._line(card)
            painter.drawText(QPointF(line.left(), line.top() + base), str(ref))
        painter.setFont(self._strong)
        for ref, card in places:
            badge = self._content.badges.get(ref)
            if badge is None or not badge.text:
                continue
            left = room - self._width(str(ref)) - theme.px(4)
            painter.setPen(QColor(theme.role(badge.role)))
            self._badge(badge, self._line(card), left)

    def _line(self, card: QRect) -> QRectF:
        top = card.bottom() + 1 - self._layout.label
        return QRectF(card.left() + self._layout.padding, top, self._layout.side, self._layout.label)

    def _badge(self, badge: Badge, line: QRectF, room: float) -> None:
        """The words, or only the number where they do not fit, or only a dot."""
        end = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        for text in (badge.text, badge.text.split()[-1], badge.text.split()[-1].removeprefix("0")):
            if self._width(text) <= room:
                self._painter.drawText(line, end, text)
                return
        size = self._theme.px(6)
        self._painter.setBrush(self._painter.pen().color())
        self._painter.drawEllipse(QPointF(line.right() - size / 2, line.center().y()), size / 2, size / 2)

    def _width(self, text: str) -> float:
        """Measured once: the same few words stand on hundreds of cards."""
        if text not in self._widths:
            self._widths[text] = self._metrics.horizontalAdvance(text)
        return self._widths[text]

    def _strike(self, card: QRect) -> None:
        """A removed head: faded and struck through."""
        veil = QColor(self._theme.base)
        veil.setAlphaF(0.72)
        picture = self._layout.picture(card)
        self._painter.fillRect(picture, veil)
        self._painter.setPen(QPen(QColor(self._theme.negative), 2 * self._theme.scale))
        self._painter.drawLine(picture.topRight(), picture.bottomLeft())

    def _layer_names(self, area: QRect) -> None:
        painter, layout = self._painter, self._layout
        painter.setFont(self._plain)
        painter.setPen(QColor(self._theme.subtle))
        height = layout.pitch.height()
        for row in range(max(0, area.top() // height), min(layout.rows, area.bottom() // height + 1)):
            painter.save()
            painter.translate(area.left() + self._theme.px(10), row * height + height / 2)
            painter.rotate(-90)
            box = QRectF(-height / 2, -self._theme.px(9), height, self._theme.px(18))
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter, f"layer {layout.layers[-1 - row]}")
            painter.restore()


def blank(size: QSize, ratio: float) -> QPixmap:
    """A transparent pixmap of so many device-independent pixels."""
    pixmap = QPixmap(size * ratio)
    pixmap.setDevicePixelRatio(ratio)
    pixmap.fill(Qt.GlobalColor.transparent)
    return pixmap


def stripe_overlay(painter: QPainter, mask: NDArray[Any], side: int, theme: Theme) -> None:
    """Where an induction head would look: each cell of the mask (T, T) outlined."""
    cell = side / max(1, mask.shape[0])
    size = max(cell, 3.0 * theme.scale)
    painter.setPen(QPen(QColor(theme.induction), 1.0))
    rows, columns = np.nonzero(mask)
    corner = cell / 2 - size / 2
    boxes = [
        QRectF(column * cell + corner, row * cell + corner, size, size)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
    painter.drawRects(boxes)


def focus_overlay(painter: QPainter, row: int | None, column: int | None, count: int, side: int, theme: Theme) -> None:
    """Fades all but one row (what the token attends to) and one column (what attends to it)."""
    veil = QColor(theme.window)
    veil.setAlphaF(0.72)
    painter.fillRect(0, 0, side, side, veil)
    cell = side / max(1, count)
    width = max(cell, 2.0 * theme.scale)
    clear = QPainter.CompositionMode.CompositionMode_Clear
    over = QPainter.CompositionMode.CompositionMode_SourceOver
    bands = []
    if row is not None:
        bands.append(QRectF(0, min(row * cell, side - width), min(side, (row + 1) * cell), width))
    if column is not None:
        bands.append(QRectF(min(column * cell, side - width), column * cell, width, side - column * cell))
    painter.setCompositionMode(clear)
    for band in bands:
        painter.fillRect(band, Qt.GlobalColor.black)
    painter.setCompositionMode(over)
    painter.setPen(QPen(QColor(theme.accent), 1.0))
    for band in bands:
        painter.drawRect(band.adjusted(-0.5, -0.5, 0.5, 0.5).intersected(QRectF(0, 0, side - 1, side - 1)))
