"""Copies and saves figures and numbers of a panel: asks where to, and says in one line what became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QGuiApplication, QPixmap
from PySide6.QtWidgets import QFileDialog, QWidget

from gui.export import Drawing, ExportError, Provenance, Table, save_figure, save_numbers
from gui.widgets.panel_frame import PanelFrame

Say = Callable[[str, str, bool], object]
SHARP = 2.0  # a copied figure is sharp on paper and on dense screens
FIGURES = {
    "PNG picture (*.png)": (".png", 1.0),
    "PNG picture, twice as fine (*.png)": (".png", 2.0),
    "PNG picture, three times as fine (*.png)": (".png", 3.0),
    "SVG drawing (*.svg)": (".svg", 1.0),
    "PDF page (*.pdf)": (".pdf", 1.0),
}
NUMBERS = {"CSV table (*.csv)": ".csv", "JSON (*.json)": ".json"}


class Exporter(QObject):
    """Serves one panel, or the window with the numbers of all. `say` takes title, hint and whether it is bad."""

    def __init__(
        self,
        name: str,
        widget: QWidget,
        numbers: Callable[[], Sequence[Table]],
        provenance: Callable[[], Provenance],
        say: Say,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._name, self._widget, self._say = name, widget, say
        self._numbers, self._provenance = numbers, provenance

    @Slot()
    def copy_figure(self) -> None:
        QGuiApplication.clipboard().setPixmap(QPixmap.fromImage(self._drawing().image(SHARP)))
        self._say("Picture copied", "Paste it where you need it.", False)

    @Slot()
    def ask_figure(self) -> None:
        title, name = "Save figure", f"headscope-{self._name}.png"
        chosen, kind = QFileDialog.getSaveFileName(self._widget, title, name, ";;".join(FIGURES))
        if chosen:
            ending, ratio = FIGURES.get(kind, (".png", 1.0))
            path = Path(chosen)
            self._write(path if path.suffix.lower() in (".svg", ".pdf") else _ending(path, ending), ratio=ratio)

    @Slot()
    def ask_numbers(self) -> None:
        title, name = "Save numbers", f"headscope-{self._name}.csv"
        chosen, kind = QFileDialog.getSaveFileName(self._widget, title, name, ";;".join(NUMBERS))
        if chosen:
            self._write(_ending(Path(chosen), NUMBERS.get(kind, ".csv")))

    def save_figure(self, path: Path, ratio: float = 1.0) -> None:
        """Raises ExportError."""
        save_figure(self._drawing(), path, ratio, self._provenance())

    def save_numbers(self, path: Path) -> None:
        """Raises ExportError."""
        save_numbers(self._numbers(), path, self._provenance())

    def _drawing(self) -> Drawing:
        return self._widget.drawing() if isinstance(self._widget, PanelFrame) else Drawing.of(self._widget)

    def _write(self, path: Path, ratio: float | None = None) -> None:
        try:
            if ratio is None:
                self.save_numbers(path)
            else:
                self.save_figure(path, ratio)
        except ExportError as error:
            self._say(str(error), "Choose another folder; nothing was lost.", True)
        else:
            self._say(f"Saved {path.name}", str(path.parent), False)


def _ending(path: Path, ending: str) -> Path:
    """The name with its ending, where the user left it out."""
    return path if path.suffix else path.with_suffix(ending)
