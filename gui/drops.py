"""Files dragged onto a window: says over the whole window what dropping would do, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QEvent, QMimeData, QObject, QRect, Qt, Signal
from PySide6.QtGui import QColor, QDragEnterEvent, QDragMoveEvent, QDropEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from gui.theme import DARK, SECONDARY, Theme, ui_font

ENDINGS = (".safetensors", ".gguf", ".whl", ".json")
KINDS = "A .gguf or .safetensors file, a SmolLM2 wheel or a folder with config.json can be opened."


@dataclass(frozen=True)
class Offer:
    """What dropping would do: open `path`; or nothing, and `title` and `hint` say why."""

    path: str
    title: str
    hint: str = ""


def offer_of(data: QMimeData) -> Offer | None:
    """None for what holds no files at all, such as text: that is for others to take."""
    if not data.hasUrls():
        return None
    urls = data.urls()
    if len(urls) > 1:
        return Offer("", "One model at a time", "Drop a single file or folder.")
    if not urls or not urls[0].isLocalFile():
        return Offer("", "Only files on this computer can be opened", "Save it first, then drop the file.")
    path = Path(urls[0].toLocalFile())
    if not path.is_dir() and path.suffix.lower() not in ENDINGS:
        return Offer("", f"{path.name} is not a model that can be opened", KINDS)
    return Offer(str(path), f"Drop to open {path.name}", "The present model stays until this one is ready.")


class DropHint(QWidget):
    """Covers the window while something is dragged over it; the pointer does not feel it."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._theme, self._window = DARK, window
        self.offer = Offer("", "")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme

    def show_offer(self, offer: Offer) -> None:
        self.offer = offer
        self.setGeometry(self._window.rect())
        self.show()
        self.raise_()
        self.update()

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        theme, painter = self._theme, QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        veil = QColor(theme.window)
        veil.setAlphaF(0.82)
        painter.fillRect(self.rect(), veil)
        edge, width, height = theme.accent if self.offer.path else theme.subtle, theme.px(560), theme.px(104)
        card = QRect((self.width() - width) // 2, (self.height() - height) // 2, width, height)
        painter.setPen(QPen(QColor(edge), 2, Qt.PenStyle.DashLine))
        painter.setBrush(QColor(theme.base))
        painter.drawRoundedRect(card, theme.px(6), theme.px(6))
        middle = card.adjusted(theme.px(16), theme.px(22), -theme.px(16), -theme.px(50))
        for text, size, weight, colour in (
            (self.offer.title, 15, 600, theme.text if self.offer.path else theme.subtle),
            (self.offer.hint, SECONDARY, 400, theme.subtle),
        ):
            painter.setFont(ui_font(theme.px(size), weight))
            painter.setPen(QColor(colour))
            shown = painter.fontMetrics().elidedText(text, Qt.TextElideMode.ElideMiddle, middle.width())
            painter.drawText(middle, Qt.AlignmentFlag.AlignCenter, shown)
            middle.translate(0, theme.px(28))


class DropZone(QObject):
    """`dropped` carries a path; `refused` a title and a hint on what can be dropped instead."""

    dropped = Signal(str)
    refused = Signal(str, str)

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.hint = DropHint(window)
        window.setAcceptDrops(True)
        window.installEventFilter(self)

    def set_theme(self, theme: Theme) -> None:
        self.hint.set_theme(theme)

    @override
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Asks no attribute of ours before it must: events still come while Python takes window and zone apart."""
        kind = event.type()
        if kind == QEvent.Type.DragLeave:
            self.hint.hide()
        elif isinstance(event, QDropEvent) and kind in (QEvent.Type.DragEnter, QEvent.Type.DragMove, QEvent.Type.Drop):
            return self._answer(event)
        return False

    def _answer(self, event: QDropEvent) -> bool:
        """Also what cannot be opened is taken, so that there is a chance to say why; True when it was for us."""
        offer = offer_of(event.mimeData())
        if offer is None:
            event.ignore()
            return True
        event.setDropAction(Qt.DropAction.CopyAction)  # whoever drags must not take the file for moved
        event.accept()
        if isinstance(event, QDragEnterEvent | QDragMoveEvent):
            self.hint.show_offer(offer)
            return True
        self.hint.hide()
        if offer.path:
            self.dropped.emit(offer.path)
        else:
            self.refused.emit(offer.title, offer.hint)
        return True
