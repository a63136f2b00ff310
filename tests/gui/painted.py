"""What a widget painted, for tests that ask whether it paints only what changed."""

from PySide6.QtCore import QEvent, QObject
from PySide6.QtGui import QPaintEvent, QRegion
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot
from typing_extensions import override


class Painted(QObject):
    """Collects the regions of the paint events of one widget from now on."""

    def __init__(self, widget: QWidget, qtbot: QtBot) -> None:
        super().__init__(widget)
        self._widget, self._qtbot, self._region = widget, qtbot, QRegion()
        with qtbot.waitExposed(widget.window()):
            widget.window().show()
        self._settle()
        widget.installEventFilter(self)

    def region(self) -> QRegion:
        self._settle()
        return self._region

    def _settle(self) -> None:
        """A later timer than any that brings a paint event."""
        self._qtbot.wait(30)

    @override
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QPaintEvent):
            self._region += event.region()
        return False
