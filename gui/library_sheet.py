"""The sheet that lists models before one is opened: those that ship, those on this computer, those opened of late."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QDialog, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from engine.work.results import ModelInfo
from gui.commands import CommandSet
from gui.library import Library, Shelf
from gui.model_words import SMOLLM2, bytes_text, count_text, is_seed_twin, model_facts, short_path, status_line
from gui.state import Status
from gui.theme import SECONDARY, Theme, ui_font
from gui.widgets.model_list import ModelList
from gui.widgets.model_rows import ModelRow, ShelfRows
from gui.widgets.progress_line import ProgressLine
from gui.wording import sentence_case

HEADINGS = ("layers × heads", "parameters", "context", "on disk", "when open ≈", "stored as", "licence")
WORDS = 2  # of the headings, the last
INTRODUCTION = (
    "Enter or a double click opens a model; the present one stays until it is ready. "
    "A file or folder can also be dropped anywhere on the window."
)
NOTHING_HERE = f"Nothing yet: get {SMOLLM2}, or open a GGUF file, a Hugging Face folder or a folder made by “train”."
BUTTONS = ("model.open", "model.folder", "smollm2.get", "smollm2.remove", "recent.clear")


class LibrarySheet(QDialog):
    """`chosen` carries what opens the model; the sheet closes itself then. Stays beside the window, not before it."""

    chosen = Signal(str)

    def __init__(self, library: Library, commands: CommandSet, theme: Theme, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Library")
        self._library, self._commands = library, commands
        self._introduction = QLabel(INTRODUCTION)
        self._introduction.setWordWrap(True)
        self.list = ModelList(HEADINGS, WORDS)
        self.progress = ProgressLine()
        self._open, close = QPushButton("Open"), QPushButton("Close")
        self._open.setDefault(True)
        self._column = QVBoxLayout(self)
        self._column.addWidget(self._introduction)
        self._column.addWidget(self.list, 1)
        self._column.addWidget(self.progress)
        self._column.addLayout(self._button_row(close))
        self.list.chosen.connect(self._choose)
        self.list.marked.connect(self._follow)
        self._open.clicked.connect(self.list.choose_current)
        close.clicked.connect(self.reject)
        self.progress.stopped.connect(library.stop)
        library.changed.connect(self.refresh)
        library.went_on.connect(self._show_progress)
        self.set_theme(theme)
        self.refresh()
        room = self.screen().availableSize()
        self.resize(min(theme.px(1000), room.width()), min(theme.px(700), room.height()))
        self.list.setFocus()

    def _button_row(self, close: QPushButton) -> QHBoxLayout:
        row = QHBoxLayout()
        self._buttons = {name: QPushButton(self._commands.action(name).text()) for name in BUTTONS}
        for name, button in self._buttons.items():
            action = self._commands.action(name)
            button.setToolTip(action.toolTip())
            button.clicked.connect(action.trigger)
            button.setAutoDefault(False)
            row.addWidget(button)
        row.addStretch(1)
        row.addWidget(self._open)
        row.addWidget(close)
        return row

    @Slot(object)
    def set_theme(self, theme: Theme) -> None:
        self._introduction.setFont(ui_font(theme.px(SECONDARY)))
        self._introduction.setStyleSheet(f"color: {theme.subtle}")
        self.list.set_theme(theme)
        self.progress.set_theme(theme)
        margin = theme.px(16)
        self._column.setContentsMargins(margin, theme.px(12), margin, margin)
        self._column.setSpacing(theme.px(10))

    @Slot()
    def refresh(self) -> None:
        """List again what there is, and what can be done about it."""
        library = self._library
        self.list.set_shelves(shelves_of(library))
        possible = {"smollm2.get": library.can_fetch(), "smollm2.remove": library.can_remove()}
        possible["recent.clear"] = library.has_recent()
        for name, button in self._buttons.items():
            button.setVisible(possible.get(name, True))
        self._show_progress()
        self._follow()

    @Slot()
    def _show_progress(self) -> None:
        under_way = self._library.activity or Status()
        words = status_line(under_way.text, under_way.done, under_way.total)
        self.progress.show_progress(sentence_case(words), under_way.done, under_way.total)

    @Slot()
    def _follow(self) -> None:
        self._open.setEnabled(bool(self.list.current_key()))

    @Slot(str)
    def _choose(self, key: str) -> None:
        self.chosen.emit(key)
        self.accept()


def shelves_of(library: Library) -> list[ShelfRows]:
    """The groups of the sheet; the one for recent files only when there are any."""
    shipped = library.on_shelf("ships")
    twins = tuple(model for model in shipped if is_seed_twin(model))
    fold = f"{len(twins)} more, trained from other seeds: does it come out the same each time?" if twins else ""
    shelves = [
        ShelfRows(
            "Ships with Headscope",
            _rows(library, "ships", tuple(model for model in shipped if not is_seed_twin(model))),
            fold=fold,
            twins=_rows(library, "ships", twins),
        ),
        ShelfRows("On this computer", _rows(library, "computer", library.on_shelf("computer")), note=NOTHING_HERE),
    ]
    recent = _rows(library, "recent", library.on_shelf("recent"))
    return [*shelves, ShelfRows("Recent", recent)] if recent else shelves


def _rows(library: Library, shelf: Shelf, models: tuple[ModelInfo, ...]) -> tuple[ModelRow, ...]:
    return tuple(
        ModelRow(
            key=library.key_of(model),
            title=model.title or model.name,
            cells=cells_of(model),
            detail=detail_of(model, shelf),
            tip=model_facts(model),
            is_open=library.is_open(model),
        )
        for model in models
    )


def cells_of(model: ModelInfo) -> tuple[str, ...]:
    """What stands under HEADINGS."""
    return (
        f"{model.layers} × {model.heads}",
        count_text(model.parameters),
        f"{model.context:,}",
        bytes_text(model.size),
        bytes_text(model.memory),
        model.stored or "–",
        model.licence or "not stated",
    )


def detail_of(model: ModelInfo, shelf: Shelf) -> str:
    """What it is; for a model that was opened from a path, where it lies."""
    return model.summary or model.kind if shelf != "recent" else short_path(model.path)
