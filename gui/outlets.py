"""What panels let out, joined to whoever writes it: figures and numbers to files, requests to a page of code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import QObject, Qt, Slot
from PySide6.QtWidgets import QWidget

from gui.code import code_of
from gui.code_sheet import CodeSheet
from gui.export import Table
from gui.exporter import Exporter, Say
from gui.panel import Panel
from gui.panels.prompt_panel import PromptPanel
from gui.provenance import provenance_of
from gui.state import ExplorerState
from gui.theme import ThemeManager


class Outlets(QObject):
    """`window` serves the whole window, with the numbers of every panel in sight."""

    def __init__(
        self,
        window: QWidget,
        prompt: PromptPanel,
        panels: Mapping[str, Panel],
        state: ExplorerState,
        themes: ThemeManager,
        say: Say,
    ) -> None:
        super().__init__(window)
        self._state, self._themes, self._prompt, self._panels = state, themes, prompt, panels
        self.window = Exporter("window", window, self.tables, self.provenance, say, self)
        for name, panel in panels.items():
            exporter = Exporter(name, panel, _Numbers(panel), self.provenance, say, self)
            panel.copyFigure.connect(exporter.copy_figure)
            panel.saveFigure.connect(exporter.ask_figure)
            panel.saveNumbers.connect(exporter.ask_numbers)
            panel.showCode.connect(self._show_code)

    def tables(self) -> Sequence[Table]:
        """The tokens, and the numbers of every panel in sight."""
        shown = (panel for name, panel in self._panels.items() if name in self._state.selection.panels)
        return [self._prompt.numbers(), *(panel.numbers() for panel in shown)]

    def provenance(self) -> dict[str, Any]:
        return provenance_of(self._state)

    @Slot()
    def _show_code(self) -> None:
        panel = self.sender()
        if isinstance(panel, Panel):
            code = code_of(self._state.findings.opened, panel.requests())
            sheet = CodeSheet(panel.windowTitle(), code, self._themes.theme, panel.window())
            sheet.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            sheet.open()


class _Numbers:
    """The numbers of one panel, when they are wanted."""

    def __init__(self, panel: Panel) -> None:
        self._panel = panel

    def __call__(self) -> Sequence[Table]:
        return [self._panel.numbers()]
