"""The gallery of experiments: a question, one's own guess, and only then the answer with its controls and intervals."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QToolButton, QWidget
from typing_extensions import override

from engine.work.experiments.catalogue import BY_NAME, GALLERY, Experiment, Report
from gui.choice_menu import Choice, ChoiceMenu
from gui.export import Cell, Table
from gui.panel import Panel
from gui.state import ExplorerState, Findings, Selection, changed
from gui.theme import BODY, Theme, ui_font
from gui.widgets.page import Page
from gui.words.composition import trouble_words
from gui.words.gallery import measure_row, probe_words, result_words

ASKING = "What do you expect? The answer is measured when you have said it."


class GalleryPanel(Panel):
    """Nothing is run before a guess is made; going to another experiment takes the guess back."""

    asks = ("experiment",)

    def __init__(self, state: ExplorerState, parent: QWidget | None = None) -> None:
        self.page = Page("Experiment")
        super().__init__("Experiments", self.page, parent)
        self._state = state
        self.menu, chooser = ChoiceMenu("Experiments", self), QToolButton(self)
        chooser.setText("Choose ▾")
        chooser.setToolTip("Nine experiments on the open model.")
        chooser.setMenu(self.menu)
        chooser.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu.chosen.connect(self._choose)
        self.add_control(chooser)
        self.title, self.question = self.page.heading(""), self.page.sentence(strong=True)
        self.example = self.page.sentence()
        self.foretold_title, self.foretold = self.page.heading("Foretold"), self.page.sentence(strong=True)
        self.controls = self.page.sentence()
        self.yes, self.no = QPushButton("It comes true"), QPushButton("It does not")
        self.asking = self.page.sentence()
        self.page.add(self._buttons())
        self.result_title = self.page.heading("What came of it")
        self.result, self.bars = self.page.sentence(strong=True), self.page.bars("Means with intervals")
        self.probe = self.page.sentence()
        state.selected.connect(self._on_selected)
        state.found.connect(self._on_found)
        self._show()

    def _buttons(self) -> QWidget:
        box = QWidget()
        row = QHBoxLayout(box)
        row.setContentsMargins(0, 0, 0, 0)
        for button in (self.yes, self.no):
            row.addWidget(button)
            button.clicked.connect(self._guess)
        row.addStretch(1)
        return box

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.page.set_theme(theme)
        for button in (self.yes, self.no):
            button.setFont(ui_font(theme.px(BODY)))

    @override
    def numbers(self) -> Table:
        """Every mean with its interval."""
        header = ("condition", "what", "mean", "low", "high", "n", "control")
        report = self._report()
        rows: list[tuple[Cell, ...]] = [
            (one.condition, one.what, one.mean, one.low, one.high, one.n, str(one.control))
            for one in (report.measures if report is not None else ())
        ]
        return Table(f"experiment {self._experiment().name}", header, rows)

    @Slot(str)
    def _choose(self, name: str) -> None:
        self._state.select(experiment=name, guess=None)

    @Slot()
    def _guess(self) -> None:
        self._state.select(guess=self.sender() is self.yes)

    @Slot(object, object)
    def _on_selected(self, new: Selection, old: Selection) -> None:
        if changed(new, old, "experiment", "guess"):
            self._show()

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "experiment", "model", "troubles"):
            self._show()

    def _experiment(self) -> Experiment:
        return BY_NAME[self._state.selection.experiment]

    def _report(self) -> Report | None:
        """The answer to this experiment on the open model, once a guess was made."""
        found, model = self._state.findings.experiment, self._state.findings.model
        fits = found is not None and model is not None and found.model == model.name
        mine = fits and found is not None and found.experiment.name == self._state.selection.experiment
        return found if mine and self._state.selection.guess is not None else None

    def _show(self) -> None:
        experiment, guess, report = self._experiment(), self._state.selection.guess, self._report()
        self.menu.set_choices([Choice(one.name, one.title, current=one.name == experiment.name) for one in GALLERY])
        self.title.setText(experiment.title)
        self.question.setText(experiment.question)
        self.example.setText(f"For example: {experiment.example}")
        self.foretold.setText(experiment.prediction)
        self.controls.setText(f"Controls: {experiment.controls}")
        self.asking.setText(ASKING)
        for widget in (self.asking, self.yes, self.no):
            widget.setVisible(guess is None)
        for part in (self.result_title, self.result):
            part.setVisible(guess is not None)
        self.bars.setVisible(report is not None)
        self.probe.setVisible(report is not None)
        if report is None:
            trouble = trouble_words(self._state.findings.troubles.get("experiment"))
            self.result.setText(trouble or "measuring …")
            return
        self.result.setText(result_words(report, guess))
        self.bars.set_rows([measure_row(one) for one in report.measures])
        self.probe.setText(probe_words(report))
