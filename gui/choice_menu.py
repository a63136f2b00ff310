"""A menu of things to choose from that changes while the program runs: models, sample prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QWidget


@dataclass(frozen=True)
class Choice:
    """One entry; `key` is what `chosen` carries, `current` ticks it."""

    key: str
    text: str
    tip: str = ""
    current: bool = False


class ChoiceMenu(QMenu):
    """`chosen` carries the key of the entry."""

    chosen = Signal(str)

    def __init__(self, title: str, parent: QWidget) -> None:
        super().__init__(title, parent)
        self.setToolTipsVisible(True)
        self._own: list[QAction] = []
        self._line: QAction | None = None
        self.triggered.connect(self._choose)

    def set_footer(self, actions: Sequence[QAction]) -> None:
        """What stands below the entries, whatever they are."""
        self._line = self.addSeparator()
        self.addActions(list(actions))

    def set_choices(self, choices: Sequence[Choice]) -> None:
        """Replace the entries."""
        for action in self._own:
            self.removeAction(action)
            action.deleteLater()
        self._own = [self._action(choice) for choice in choices]
        if self._line is not None:
            self.insertActions(self._line, self._own)
        else:
            self.addActions(self._own)

    def _action(self, choice: Choice) -> QAction:
        action = QAction(choice.text, self)
        action.setToolTip(choice.tip)
        action.setData(choice.key)
        action.setCheckable(choice.current)
        action.setChecked(choice.current)
        return action

    @Slot(QAction)
    def _choose(self, action: QAction) -> None:
        if action in self._own:
            self.chosen.emit(str(action.data()))
