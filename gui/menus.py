"""The menus that change while the program runs: models at a glance, and the sample prompts of the open one."""

from __future__ import annotations

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QWidget

from gui.actions import Actions
from gui.choice_menu import Choice, ChoiceMenu
from gui.library import Library
from gui.model_words import model_facts, model_line
from gui.prompts import samples
from gui.state import ExplorerState, Findings, changed


class ChangingMenus(QObject):
    """`models` hangs on the model button and ends with `more`; `open` is the same list inside the menu bar."""

    def __init__(
        self, state: ExplorerState, actions: Actions, library: Library, more: list[QAction], window: QWidget
    ) -> None:
        super().__init__(window)
        self._state, self._library = state, library
        self.models, self.open = ChoiceMenu("Models", window), ChoiceMenu("Open", window)
        self.samples = ChoiceMenu("Sample prompts", window)
        self.models.set_footer(more)
        self.models.chosen.connect(library.open)
        self.open.chosen.connect(library.open)
        self.samples.chosen.connect(actions.sample_prompt)
        library.changed.connect(self._list_models)
        state.found.connect(self._on_found)

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "models", "model"):
            self._list_models()
        if changed(new, old, "model"):
            self._list_samples()

    @Slot()
    def _list_models(self) -> None:
        library = self._library
        choices = [
            Choice(library.key_of(model), model_line(model), model_facts(model), library.is_open(model))
            for model in library.short_list()
        ]
        for menu in (self.models, self.open):
            menu.set_choices(choices)

    def _list_samples(self) -> None:
        model = self._state.findings.model
        own = samples(model) if model is not None else ()
        self.samples.set_choices([Choice(sample.text, sample.text, sample.why) for sample in own])
