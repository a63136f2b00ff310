"""Copy figure and Save numbers of the panels: asks where to, writes, and says in one line what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QGuiApplication, QPixmap
from PySide6.QtWidgets import QFileDialog, QWidget

from gui.export import ExportError, Table, save_figure, save_numbers
from gui.widgets.panel_frame import PanelFrame

Say = Callable[[str, str, bool], object]


class NumberedPanel(Protocol):
    """A panel that can tell its numbers."""

    def numbers(self) -> Table: ...


class Exporter(QObject):
    """Serves one panel, or the window with the numbers of all. `say` takes title, hint and whether it is bad."""

    def __init__(
        self, name: str, widget: QWidget, panels: Mapping[str, NumberedPanel], say: Say, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._name, self._widget, self._panels, self._say = name, widget, panels, say

    @Slot()
    def copy_figure(self) -> None:
        QGuiApplication.clipboard().setPixmap(self._picture())
        self._say("Picture copied", "Paste it where you need it.", False)

    @Slot()
    def ask_figure(self) -> None:
        path = self._ask("Save figure", f"headscope-{self._name}.png", "PNG picture (*.png);;SVG drawing (*.svg)")
        if path is not None:
            self._write(path, self.save_figure)

    @Slot()
    def ask_numbers(self) -> None:
        path = self._ask("Save numbers", f"headscope-{self._name}.csv", "CSV table (*.csv)")
        if path is not None:
            self._write(path, self.save_numbers)

    def save_figure(self, path: Path) -> None:
        save_figure(self._widget, path)

    def save_numbers(self, path: Path) -> None:
        save_numbers([panel.numbers() for panel in self._panels.values()], path)

    def _picture(self) -> QPixmap:
        return self._widget.figure() if isinstance(self._widget, PanelFrame) else self._widget.grab()

    def _ask(self, title: str, name: str, kinds: str) -> Path | None:
        chosen, _ = QFileDialog.getSaveFileName(self._widget, title, name, kinds)
        return Path(chosen) if chosen else None

    def _write(self, path: Path, save: Callable[[Path], None]) -> None:
        try:
            save(path)
        except ExportError as error:
            self._say(str(error), "Choose another folder; nothing was lost.", True)
        else:
            self._say(f"Saved {path.name}", str(path.parent), False)
