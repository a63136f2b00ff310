"""A list of steps that can be switched, named, put in another order and thrown away. Takes words, gives places.

Space switches the current row, F2 or a double click names it, Delete throws it away, Alt with Up or Down moves it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QDropEvent, QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QFrame, QListWidget, QListWidgetItem, QWidget
from typing_extensions import override

from gui.theme import BODY, DARK, Theme, ui_font

MOST_ROWS = 6  # in sight at once; the list scrolls


@dataclass(frozen=True)
class StepRow:
    """`text` as shown: what it does, or what the user called it; `misfit` greys it."""

    text: str
    on: bool
    misfit: bool
    tip: str


class StepList(QListWidget):
    """Every signal begins with the place of a step, 0 at the top."""

    switched = Signal(int, bool)
    named = Signal(int, str)
    moved = Signal(int, int)
    dropped = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme = DARK
        self._rows: tuple[StepRow, ...] = ()
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setAccessibleName("Interventions, in the order in which they act")
        self.itemChanged.connect(self._tell)

    def set_theme(self, theme: Theme) -> None:
        self._theme = theme
        self.setFont(ui_font(theme.px(BODY)))
        self.set_rows(self._rows)

    def set_rows(self, rows: Sequence[StepRow]) -> None:
        """Show these steps; emits nothing, and the current row stays where it is."""
        current = self.currentRow()
        self._rows = tuple(rows)
        self.blockSignals(True)
        self.clear()
        for row in rows:
            self.addItem(self._item(row))
        self.setCurrentRow(min(current, len(rows) - 1))
        self.blockSignals(False)
        self.setFixedHeight(self.sizeHint().height())

    def _item(self, row: StepRow) -> QListWidgetItem:
        item = QListWidgetItem(row.text)
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsUserCheckable
        item.setFlags(flags | Qt.ItemFlag.ItemIsEditable | Qt.ItemFlag.ItemIsDragEnabled)
        item.setCheckState(Qt.CheckState.Checked if row.on else Qt.CheckState.Unchecked)
        item.setForeground(QColor(self._theme.subtle if row.misfit or not row.on else self._theme.text))
        font = self.font()
        font.setItalic(row.misfit)
        item.setFont(font)
        item.setToolTip(row.tip)
        item.setSizeHint(QSize(0, self._theme.px(24)))
        return item

    @override
    def sizeHint(self) -> QSize:
        return QSize(self._theme.px(240), self._theme.px(24) * min(MOST_ROWS, max(1, len(self._rows))) + 2)

    @override
    def minimumSizeHint(self) -> QSize:
        return QSize(self._theme.px(120), self.sizeHint().height())

    @Slot(QListWidgetItem)
    def _tell(self, item: QListWidgetItem) -> None:
        """A click on the switch, or a new name; a name of spaces is none."""
        place = self.row(item)
        row = self._rows[place]
        on = item.checkState() == Qt.CheckState.Checked
        if on != row.on:
            self.switched.emit(place, on)
        elif item.text() != row.text:
            self.named.emit(place, " ".join(item.text().split()))

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        place, alt = self.currentRow(), bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
        step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key()), 0)
        if place >= 0 and event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.dropped.emit(place)
        elif place >= 0 and alt and step and 0 <= place + step < self.count():
            self.setCurrentRow(place + step)
            self.moved.emit(place, place + step)
        else:
            super().keyPressEvent(event)

    @override
    def dropEvent(self, event: QDropEvent) -> None:
        """The stack is the state's to change: a dragged row is told, not moved here."""
        start, target = self.currentRow(), self.indexAt(event.position().toPoint()).row()
        event.setDropAction(Qt.DropAction.IgnoreAction)
        event.accept()
        target = self.count() - 1 if target < 0 else target
        if start >= 0 and start != target:
            self.setCurrentRow(target)
            self.moved.emit(start, target)
