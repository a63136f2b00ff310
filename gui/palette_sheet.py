"""The command palette: type, arrow down, Enter. It lists what `palette.py` finds and says what was chosen."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, QObject, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QDialog, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget
from typing_extensions import override

from gui.palette import HELP, Entry
from gui.theme import BODY, Theme, ui_font

_WALK = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown)


class PaletteSheet(QDialog):
    """`chosen` carries an Entry that does something; one that is only to be read keeps the sheet open."""

    chosen = Signal(object)

    def __init__(self, find: Callable[[str], list[Entry]], theme: Theme, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Find anything")
        self._find, self._entries = find, list[Entry]()
        self.field, self.list = QLineEdit(), QListWidget()
        self.field.setPlaceholderText(HELP)
        self.field.setAccessibleName("Find a command, a head or a pair")
        self.list.setAccessibleName("What fits")
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        for widget in (self.field, self.list):
            widget.setFont(ui_font(theme.px(BODY)))
        column = QVBoxLayout(self)
        column.addWidget(self.field)
        column.addWidget(self.list, 1)
        self.field.textChanged.connect(self._show)
        self.field.installEventFilter(self)
        self.list.itemActivated.connect(self._choose)
        self.list.itemClicked.connect(self._choose)
        self.resize(theme.px(620), theme.px(420))
        self._show("")

    @Slot(str)
    def _show(self, text: str) -> None:
        self._entries = self._find(text)
        self.list.clear()
        for entry in self._entries:
            self.list.addItem(f"{entry.title}    {entry.detail}")
        self.list.setCurrentRow(0)

    @Slot(QListWidgetItem)
    def _choose(self, item: QListWidgetItem) -> None:
        entry = self._entries[self.list.row(item)]
        if entry.command or entry.head is not None or entry.pair is not None:
            self.accept()
            self.chosen.emit(entry)

    @override
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Arrows walk the list while the typing goes on; Enter chooses."""
        if watched is not self.field or not isinstance(event, QKeyEvent) or event.type() != QEvent.Type.KeyPress:
            return False
        if event.key() in _WALK:
            step = -1 if event.key() in (Qt.Key.Key_Up, Qt.Key.Key_PageUp) else 1
            self.list.setCurrentRow(min(max(self.list.currentRow() + step, 0), self.list.count() - 1))
            return True
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            item = self.list.currentItem()
            if item is not None:
                self._choose(item)
            return True
        return False
