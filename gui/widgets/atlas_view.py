"""All heads in one picture. Hover previews, click or Enter pins, arrow keys move, Ctrl and wheel zoom.

All pictures are one image, made from the bytes by a lookup table when the data changes; cards and words are
drawn once into a still layer, so that a hover costs one copy of it and one small overlay for each visible head.
It is painted by hand rather than as one pyqtgraph ImageItem: the frames, labels and badges between the pictures
would be thousands of graphics items, and side by side (1,400 x 900 px, 1,024 heads) a hover took a fifth of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QFrame, QToolTip, QWidget
from typing_extensions import override

from engine.model.config import HeadRef
from gui.theme import DARK, Theme
from gui.widgets.atlas_layout import AtlasLayout
from gui.widgets.atlas_layout import Badge as Badge
from gui.widgets.atlas_paint import (
    AtlasContent,
    CardPainter,
    Place,
    atlas_image,
    blank,
    focus_overlay,
    stripe_overlay,
)
from gui.widgets.focus import KEYBOARD_REASONS

_STEPS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}
_ZOOM_RANGE = (0.5, 6.0)


class AtlasView(QAbstractScrollArea):
    """Signals carry a HeadRef (`headHovered` also None); the owner decides what is selected."""

    headHovered = Signal(object)
    headClicked = Signal(object)
    headActivated = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self._content = AtlasContent()
        self._order: tuple[HeadRef, ...] | None = None
        self._layers: range | None = None
        self._selected: HeadRef | None = None
        self._hovered: HeadRef | None = None
        self._focus: tuple[int | None, int | None, int] | None = None
        self._zoom = 1.0
        self._layout = AtlasLayout.fitted(range(0), 0, None, QSize(1, 1), 1.0, DARK)
        self._atlas = QImage()
        self._frames: QPixmap | None = None  # all but the pictures
        self._still: QPixmap | None = None  # with the pictures, without pointer and overlays
        self._visible: list[Place] | None = None
        self._stripe: NDArray[np.bool_] | None = None
        self._overlay: QPixmap | None = None
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.viewport().setMouseTracking(True)
        self.setAccessibleName("Attention patterns of all heads")
        for bar in (self.horizontalScrollBar(), self.verticalScrollBar()):
            bar.valueChanged.connect(self._scrolled)

    # ------------------------------------------------------------ what is shown
    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self._arrange(new_pictures=True)

    def set_thumbnails(self, thumbnails: NDArray[np.uint8], signed: bool = False) -> None:
        """(L, H, S, S), attention 0-1 as 0-255 with the theme's gamma applied; `signed`: differences, 128 is none."""
        same_shape = thumbnails.shape[:2] == self._content.thumbnails.shape[:2]
        self._content.thumbnails, self._content.signed = thumbnails, signed
        if same_shape:
            self._atlas, self._still = self._new_atlas(self._layout), None
            self.viewport().update()
        else:
            self._selected = self._hovered = self._order = self._layers = None
            self._content.badges, self._content.removed = {}, frozenset()
            self._zoom = 1.0
            self._arrange(new_pictures=True)

    def set_badges(self, badges: dict[HeadRef, Badge]) -> None:
        self._content.badges = dict(badges)
        self._redraw()

    def set_order(self, order: list[HeadRef] | None) -> None:
        """A sorted grid from the top left, or None for layers and heads as they stand."""
        self._order = None if order is None else tuple(order)
        self._arrange()

    def set_layers(self, layers: range | None) -> None:
        """Only these layers, or None for all of them."""
        if layers != self._layers:
            self._layers = layers
            self._arrange()

    def set_selected(self, head: HeadRef | None) -> None:
        """Ring a head and bring it into view."""
        if head != self._selected:
            self._selected = head
            self.viewport().update()
        if head is not None:
            self._reveal(head)

    def set_hovered(self, head: HeadRef | None) -> None:
        """Show a hover that began elsewhere; emits nothing."""
        if head != self._hovered:
            self._hovered = head
            self.viewport().update()

    def set_removed(self, heads: frozenset[HeadRef]) -> None:
        """Fade and strike through the heads that are taken out of the model."""
        if heads != self._content.removed:
            self._content.removed = heads
            self._still = None
            self.viewport().update()

    def set_focus_cells(self, row: int | None, column: int | None, count: int) -> None:
        """Pick out a row (where the token looks) and a column (who looks at it), of `count` tokens, everywhere."""
        focus = None if row is None and column is None else (row, column, count)
        if focus != self._focus:
            self._focus, self._overlay = focus, None
            self.viewport().update()

    def set_stripe(self, mask: NDArray[np.bool_] | None) -> None:
        """Outline the cells where an induction head would look, (T, T)."""
        if mask is not self._stripe:
            self._stripe, self._overlay = mask, None
            self.viewport().update()

    def card_rect(self, head: HeadRef) -> QRect:
        """Where a head's card stands in the viewport; empty when it is not shown."""
        return self._layout.card(head).translated(-self._origin())

    # ------------------------------------------------------------ layout
    def _arrange(self, new_pictures: bool = False) -> None:
        count, heads = self._content.thumbnails.shape[:2]
        layers = range(count) if self._layers is None else self._layers
        order = self._order and tuple(ref for ref in self._order if ref.layer in layers)
        room = self.viewport().size()
        layout = AtlasLayout.fitted(layers, heads, order, room, self._zoom, self._theme)
        if new_pictures or layout.side != self._layout.side or self._atlas.isNull():
            self._atlas = self._new_atlas(layout)
        self._layout = layout
        for bar, whole, part, step in (
            (self.horizontalScrollBar(), layout.size.width(), room.width(), layout.pitch.width()),
            (self.verticalScrollBar(), layout.size.height(), room.height(), layout.pitch.height()),
        ):
            bar.setRange(0, max(0, whole - part))
            bar.setPageStep(part)
            bar.setSingleStep(max(1, step // 2))
        self._overlay = None
        self._redraw()

    def _new_atlas(self, layout: AtlasLayout) -> QImage:
        thumbnails = self._content.thumbnails
        if not thumbnails.size:
            return QImage()
        pixels = round(layout.side * self.devicePixelRatioF())
        return atlas_image(thumbnails, pixels, self._content.signed, self._theme)

    def _redraw(self) -> None:
        self._frames = self._still = self._visible = None
        self.viewport().update()

    def _scrolled(self) -> None:
        self._redraw()

    def _origin(self) -> QPoint:
        return QPoint(self.horizontalScrollBar().value(), self.verticalScrollBar().value())

    def _area(self) -> QRect:
        return QRect(self._origin(), self.viewport().size())

    def _reveal(self, head: HeadRef) -> None:
        card, area = self._layout.card(head), self._area()
        if card.isEmpty() or area.contains(card):
            return
        for bar, low, high, near, far in (
            (self.horizontalScrollBar(), card.left(), card.right(), area.left(), area.right()),
            (self.verticalScrollBar(), card.top(), card.bottom(), area.top(), area.bottom()),
        ):
            if low < near:
                bar.setValue(low - self._layout.gap)
            elif high > far:
                bar.setValue(bar.value() + high - far + self._layout.gap)

    @override
    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    @override
    def sizeHint(self) -> QSize:
        return QSize(self._theme.px(420), self._theme.px(260))

    @override
    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(160), self._theme.px(110))

    # ------------------------------------------------------------ painting
    def _places(self) -> list[Place]:
        if self._visible is None:
            self._visible = self._layout.within(self._area())
        return self._visible

    def _still_layer(self) -> QPixmap:
        """Frames, words and pictures; new data redraws only the pictures."""
        ratio = self.devicePixelRatioF()
        if self._frames is None or self._frames.devicePixelRatio() != ratio:
            self._frames, self._still = self._new_frames(ratio), None
        if self._still is None:
            self._still = QPixmap(self._frames)
            painter = QPainter(self._still)
            painter.translate(-self._origin())
            self._cards(painter).pictures(self._places(), self._atlas)
            painter.end()
        return self._still

    def _new_frames(self, ratio: float) -> QPixmap:
        frames = QPixmap(self.viewport().size() * ratio)
        frames.setDevicePixelRatio(ratio)
        frames.fill(QColor(self._theme.window))
        painter = QPainter(frames)
        painter.translate(-self._origin())
        self._cards(painter).frames(self._places(), self._area())
        painter.end()
        return frames

    def _cards(self, painter: QPainter) -> CardPainter:
        return CardPainter(painter, self._layout, self._content, self._theme)

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        still = self._still_layer()
        painter = QPainter(self.viewport())
        painter.drawPixmap(0, 0, still)
        if self._focus is not None or self._stripe is not None:
            self._paint_overlays(painter, still)
        painter.translate(-self._origin())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if self._hovered is not None:
            self._ring(painter, self._hovered, self._theme.subtle, 1.0)
        if self._selected is not None:
            self._ring(painter, self._selected, self._theme.accent, 2.0)

    def _paint_overlays(self, painter: QPainter, still: QPixmap) -> None:
        """The same small picture over every head; those out of the model are then put back as they were."""
        if self._overlay is None:
            self._overlay = self._new_overlay()
        for block in self._layout.blocks(self._area()):
            painter.drawTiledPixmap(block.translated(-self._origin()), self._overlay)
        for head in self._content.removed:
            card = self.card_rect(head).intersected(self.viewport().rect())
            if not card.isEmpty():
                ratio = still.devicePixelRatio()
                source = QRect(card.topLeft() * ratio, card.size() * ratio)
                painter.drawPixmap(card, still, source)

    def _new_overlay(self) -> QPixmap:
        layout = self._layout
        overlay = blank(layout.pitch, self.devicePixelRatioF())
        painter = QPainter(overlay)
        inset = layout.gap // 2 + layout.padding
        painter.translate(inset, inset)
        if self._focus is not None:
            focus_overlay(painter, *self._focus, layout.side, self._theme)
        if self._stripe is not None:
            stripe_overlay(painter, self._stripe, layout.side, self._theme)
        painter.end()
        return overlay

    def _ring(self, painter: QPainter, head: HeadRef, colour: str, width: float) -> None:
        card = self._layout.card(head)
        if not card.isEmpty():
            painter.setPen(QPen(QColor(colour), width * self._theme.scale))
            radius = self._theme.px(6)
            painter.drawRoundedRect(QRectF(card).adjusted(0.5, 0.5, -0.5, -0.5), radius, radius)

    # ------------------------------------------------------------ mouse
    def _head_under(self, point: QPoint) -> HeadRef | None:
        place = point + self._origin()
        return self._layout.head_at(place.x(), place.y())

    @override
    def viewportEvent(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            head = self._head_under(event.pos())
            QToolTip.showText(event.globalPos(), "" if head is None else self.tip(head), self.viewport())
            return True
        if event.type() == QEvent.Type.Leave:
            self._move_hover(None)
        return super().viewportEvent(event)

    def tip(self, head: HeadRef) -> str:
        """The tooltip of a head, in one sentence."""
        badge = self._content.badges.get(head)
        words = f"Head {head} (layer {head.layer}, head {head.head})"
        if badge is not None and (badge.tip or badge.text):
            words += f": {badge.tip or badge.text}"
        if head in self._content.removed:
            words += "; removed from the model for now"
        return f"{words}."

    @override
    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._move_hover(self._head_under(event.position().toPoint()))

    @override
    def mousePressEvent(self, event: QMouseEvent) -> None:
        head = self._head_under(event.position().toPoint())
        if head is not None and event.button() == Qt.MouseButton.LeftButton:
            self.headClicked.emit(head)

    @override
    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.accept()  # the press was ours

    @override
    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        head = self._head_under(event.position().toPoint())
        if head is not None and event.button() == Qt.MouseButton.LeftButton:
            self.headActivated.emit(head)

    @override
    def wheelEvent(self, event: QWheelEvent) -> None:
        if not event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            super().wheelEvent(event)
            return
        factor = 1.15 ** (event.angleDelta().y() / 120)
        self._zoom = min(max(self._zoom * factor, _ZOOM_RANGE[0]), _ZOOM_RANGE[1])
        self._arrange()
        event.accept()

    # ------------------------------------------------------------ keyboard
    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = _STEPS.get(Qt.Key(event.key()))
        if step is not None and self._layout.refs:
            self._step(*step)
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space) and self._hovered is not None:
            self.headClicked.emit(self._hovered)
        else:
            event.ignore()  # Escape and the window's shortcuts are not ours

    @override
    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        if event.reason() in KEYBOARD_REASONS and self._hovered is None and self._layout.refs:
            self._step(0, 0)

    @override
    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        if event.reason() in KEYBOARD_REASONS:
            self._move_hover(None)

    def _step(self, right: int, down: int) -> None:
        start = self._hovered or self._selected
        if start is None or start not in self._layout.index:
            target = self._layout.refs[0]
        else:
            target = self._layout.neighbour(start, right, down)
        self._reveal(target)
        self._move_hover(target)

    def _move_hover(self, head: HeadRef | None) -> None:
        if head != self._hovered:
            self._hovered = head
            self.setAccessibleDescription("" if head is None else self.tip(head))
            self.viewport().update()
            self.headHovered.emit(head)
