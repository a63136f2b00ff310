"""Opening the library sheet and answering its questions, as a person does."""

from __future__ import annotations

from PySide6.QtCore import Qt

from gui.ask_dialog import AskDialog
from gui.library_sheet import LibrarySheet
from tests.gui.conftest import Stage


def sheet_of(stage: Stage) -> LibrarySheet:
    stage.window.commands.action("model.library").trigger()
    sheet = next(iter(stage.window.findChildren(LibrarySheet)))
    stage.qtbot.waitUntil(sheet.isActiveWindow)
    return sheet


def sheets(stage: Stage) -> list[LibrarySheet]:
    return [sheet for sheet in stage.window.findChildren(LibrarySheet) if sheet.isVisible()]


def answer_question(stage: Stage, name: str, yes: bool = True) -> None:
    """Choose the command and press one of the two buttons of its question."""
    stage.window.commands.action(name).trigger()
    dialog = stage.window.findChildren(AskDialog)[-1]
    stage.qtbot.mouseClick(dialog.yes if yes else dialog.no, Qt.MouseButton.LeftButton)
