"""A splitter that shows one hairline and is still wide enough to grab."""

from __future__ import annotations

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QColor, QEnterEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSplitter, QSplitterHandle, QWidget
from typing_extensions import override

from gui.theme import DARK, Theme

HANDLE_WIDTH = 7


class _Handle(QSplitterHandle):
    def __init__(self, orientation: Qt.Orientation, parent: QSplitter) -> None:
        super().__init__(orientation, parent)
        self._hot = False

    @override
    def enterEvent(self, event: QEnterEvent) -> None:
        self._hot = True
        self.update()

    @override
    def leaveEvent(self, event: QEvent) -> None:
        self._hot = False
        self.update()

    @override
    def paintEvent(self, event: QPaintEvent) -> None:
        splitter = self.splitter()
        theme = splitter.theme if isinstance(splitter, HairlineSplitter) else DARK
        painter = QPainter(self)
        painter.setPen(QColor(theme.accent if self._hot else theme.hairline))
        middle = self.rect().center()
        if self.orientation() == Qt.Orientation.Horizontal:
            painter.drawLine(middle.x(), 0, middle.x(), self.height())
        else:
            painter.drawLine(0, middle.y(), self.width(), middle.y())


class HairlineSplitter(QSplitter):
    """Panes keep their smallest size; none can be closed by dragging."""

    def __init__(self, orientation: Qt.Orientation, panes: list[QWidget], shares: list[int]) -> None:
        super().__init__(orientation)
        self.theme = DARK
        self.setChildrenCollapsible(False)
        self.setHandleWidth(HANDLE_WIDTH)
        for place, (pane, share) in enumerate(zip(panes, shares, strict=True)):
            self.addWidget(pane)
            self.setStretchFactor(place, share)
        self.setSizes([100 * share for share in shares])

    def set_theme(self, theme: Theme) -> None:
        self.theme = theme
        for place in range(self.count()):
            self.handle(place).update()

    @override
    def createHandle(self) -> QSplitterHandle:
        return _Handle(self.orientation(), self)
