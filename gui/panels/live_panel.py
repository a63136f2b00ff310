"""Train a small model here and watch the circuit form: a few choices, curves as they come, and ways to disturb it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Slot
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QDoubleSpinBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from gui.export import Table
from gui.live_training import LiveTraining
from gui.panel import Panel
from gui.state import ExplorerState
from gui.theme import SECONDARY, Theme, ui_font
from gui.words.film import curves_of_rows
from gui.words.live import CHOICES, estimate_words, status_words

if TYPE_CHECKING:
    from gui.widgets.curves_view import CurvesView

DISTURB_TIP = "One line, from the next step on: force 0.0 previous, forbid 0.0 0.1 offset 1, zero 0.1. Empty: end it."


class LivePanel(Panel):
    """The process is the window's; this starts it, steers it and draws what it tells."""

    def __init__(self, state: ExplorerState, training: LiveTraining, parent: QWidget | None = None) -> None:
        body = QWidget()
        super().__init__("Train here", body, parent)
        self._state, self.training = state, training
        self.rows: list[dict[str, Any]] = []
        self.curves: CurvesView | None = None
        self.fields = {name: _field(name) for name in CHOICES}
        self.start, self.pause, self.stop, self.look = (
            QPushButton(words) for words in ("Start", "Pause", "Stop", "Look at it")
        )
        self.line, self.status, self._labels = QLineEdit(), QLabel(), list[QLabel]()
        self.line.setPlaceholderText("disturb it: force 0.0 previous")
        self.line.setToolTip(DISTURB_TIP)
        self.line.setAccessibleName("Disturbance")
        self.status.setWordWrap(True)
        self._lay_out(body)
        for button, slot in ((self.start, self._start), (self.stop, training.stop), (self.pause, training.pause)):
            button.clicked.connect(slot)
        self.look.clicked.connect(self._look)
        self.line.returnPressed.connect(self._disturb)
        for field in self.fields.values():
            field.valueChanged.connect(self._tell)
        training.measured.connect(self._add)
        training.changed.connect(self._tell)
        training.happened.connect(self._note_news)
        self._tell()

    def _lay_out(self, body: QWidget) -> None:
        grid, self._rows = QGridLayout(), QVBoxLayout(body)
        for place, (name, field) in enumerate(self.fields.items()):
            label = QLabel(CHOICES[name].title)
            label.setBuddy(field)
            self._labels.append(label)
            grid.addWidget(label, 2 * (place // 3), place % 3)
            grid.addWidget(field, 2 * (place // 3) + 1, place % 3)
        buttons = QGridLayout()
        for place, button in enumerate((self.start, self.pause, self.stop, self.look)):
            buttons.addWidget(button, 0, place)
        self._rows.setContentsMargins(0, 0, 0, 0)
        self._rows.addLayout(grid)
        self._rows.addLayout(buttons)
        self._rows.addWidget(self.line)
        self._rows.addWidget(self.status)
        self._rows.addStretch(1)

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self._rows.setSpacing(theme.px(8))
        for label in (self.status, *self._labels):
            label.setFont(ui_font(theme.px(SECONDARY)))
            label.setStyleSheet(f"color: {theme.subtle}")
        for button in (self.start, self.pause, self.stop, self.look):
            button.setFont(ui_font(theme.px(SECONDARY)))
        if self.curves is not None:
            self.curves.set_theme(theme)

    @override
    def numbers(self) -> Table:
        """Every measured row, but for the scores of single heads."""
        names = ("step", "repeat_loss_first", "repeat_loss_second", "repeat_accuracy")
        return Table("training here", names, [tuple(row.get(name) for name in names) for row in self.rows])

    def spec(self) -> dict[str, Any]:
        """What was chosen."""
        return {name: field.value() for name, field in self.fields.items()}

    @Slot()
    def _start(self) -> None:
        self.rows = []
        self.training.start(self.spec())

    @Slot()
    def _disturb(self) -> None:
        self.training.disturb(self.line.text())

    @Slot()
    def _look(self) -> None:
        """The model as it was written down last, in every panel; its film is under the timeline."""
        if self._state.selection.model == self.training.name:
            self._state.select(model="")  # it is another one by now
        self._state.select(model=self.training.name)

    @Slot(dict)
    def _add(self, row: dict[str, Any]) -> None:
        self.rows = [*(old for old in self.rows if old["step"] < row["step"]), row]
        if self.curves is None:
            from gui.widgets.curves_view import CurvesView

            self.curves = CurvesView()
            self.curves.set_theme(self._theme)
            self._rows.insertWidget(self._rows.count() - 1, self.curves, 100)  # all the room there is
        self.curves.set_curves(*curves_of_rows(self.rows), None)
        self.curves.set_marks(self.training.disturbed)
        self.curves.set_step(row["step"])
        self._tell()

    @Slot(str, bool)
    def _note_news(self, words: str, bad: bool) -> None:
        self.set_note(words)
        if self.curves is not None:
            self.curves.set_marks(self.training.disturbed)
        self._tell()

    @Slot()
    def _tell(self) -> None:
        runs, paused = self.training.running, self.training.paused
        for field in self.fields.values():
            field.setEnabled(not runs)
        self.start.setEnabled(not runs)
        for widget in (self.pause, self.stop, self.line):
            widget.setEnabled(runs)
        self.pause.setText("Go on" if paused else "Pause")
        self.look.setEnabled(bool(self.rows) and bool(self.training.name))
        words = status_words(self.training.step, self.spec()["steps"], paused) if runs else estimate_words(self.spec())
        self.status.setText(words)


def _field(name: str) -> QSpinBox | QDoubleSpinBox:
    choice = CHOICES[name]
    field: QSpinBox | QDoubleSpinBox
    if isinstance(choice.usual, float):
        field = QDoubleSpinBox()
        field.setDecimals(4)
        field.setRange(choice.least, choice.most)
        field.setValue(choice.usual)
    else:
        field = QSpinBox()
        field.setRange(int(choice.least), int(choice.most))
        field.setValue(choice.usual)
    field.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)  # the style sheet leaves no room for arrows
    field.setToolTip(f"{choice.title}: {choice.least:g} to {choice.most:g}")
    field.setAccessibleName(choice.title)
    return field
