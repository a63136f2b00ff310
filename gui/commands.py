"""One list of everything that can be done, from which menus, shortcuts and the help sheet are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMenu

MENUS = ("File", "Prompt", "Model", "Intervene", "View", "Help")
PANELS = "Panels"  # a menu inside View


@dataclass(frozen=True)
class Command:
    """Something the user can do. `keys` are alternatives; one of a `group` is always chosen; `short` is for buttons."""

    name: str
    menu: str
    text: str
    run: Callable[[], object]
    tip: str
    keys: tuple[str, ...] = ()
    checked: Callable[[], bool] | None = None
    enabled: Callable[[], bool] | None = None
    group: str = ""
    short: str = ""


class CommandSet(QObject):
    """The commands as actions; `refresh` brings ticks and greys up to date."""

    def __init__(self, commands: tuple[Command, ...], parent: QObject) -> None:
        super().__init__(parent)
        self.commands = commands
        self._actions = {command.name: self._action(command) for command in commands}
        self._groups: dict[str, QActionGroup] = {}
        for command in commands:
            if command.group:
                group = self._groups.setdefault(command.group, QActionGroup(self))
                group.addAction(self._actions[command.name])
        self.refresh()

    def _action(self, command: Command) -> QAction:
        action = QAction(command.text, self)
        action.setObjectName(command.name)
        action.setShortcuts([QKeySequence(keys) for keys in command.keys])
        action.setToolTip(command.tip)
        action.setStatusTip(command.tip)
        if command.short:
            action.setIconText(command.short)
        action.setCheckable(command.checked is not None)
        action.triggered.connect(command.run)
        action.triggered.connect(self.refresh)
        return action

    def action(self, name: str) -> QAction:
        return self._actions[name]

    @property
    def actions(self) -> list[QAction]:
        return list(self._actions.values())

    def fill(self, menu: QMenu, title: str) -> None:
        """The commands of one menu in their order, a line between groups of related ones."""
        previous = ""
        for command in self.commands:
            if command.menu != title:
                continue
            family = command.name.partition(".")[0]
            if previous not in ("", family):
                menu.addSeparator()
            menu.addAction(self._actions[command.name])
            previous = family

    @Slot()
    def refresh(self) -> None:
        for command in self.commands:
            action = self._actions[command.name]
            if command.checked is not None:
                action.setChecked(command.checked())
            if command.enabled is not None:
                action.setEnabled(command.enabled())


def keys_text(command: Command) -> str:
    """The shortcut as the platform writes it."""
    native = QKeySequence.SequenceFormat.NativeText
    return QKeySequence(command.keys[0]).toString(native) if command.keys else ""
