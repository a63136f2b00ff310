"""Train a small model here and watch the circuit form: choices, curves as they come, and ways to disturb it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Slot
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from typing_extensions import override

from engine.training.spec import Spec
from gui.choice_menu import Choice, ChoiceMenu
from gui.export import Table
from gui.live_training import LiveTraining, runs_here, spec_of
from gui.panel import Panel
from gui.state import ExplorerState, Findings, Selection, changed, run_of
from gui.theme import SECONDARY, Theme, ui_font
from gui.widgets.recipe_fields import RecipeFields
from gui.words.film import film_of_rows, step_of, views
from gui.words.live import (
    AFTER,
    BEFORE,
    DISTURB_TIP,
    PRESETS,
    Guess,
    Guessed,
    copies,
    estimate_words,
    outcome_words,
    question_words,
    run_words,
    status_words,
    trouble_words,
)

if TYPE_CHECKING:
    from gui.widgets.charts_view import ChartsView

NO_GUESS = "no guess"


class LivePanel(Panel):
    """The process is the window's; this starts it, steers it and draws what it tells."""

    def __init__(self, state: ExplorerState, training: LiveTraining, parent: QWidget | None = None) -> None:
        body = QWidget()
        super().__init__("Train here", body, parent)
        self._state, self.training = state, training
        self.rows: list[dict[str, Any]] = []
        self.charts: ChartsView | None = None
        self.guessed: Guessed | None = None
        self._waits = False  # for a guess, and goes on by itself
        self.choices = RecipeFields()
        self.start, self.pause, self.stop, self.fork = (
            QPushButton(words) for words in ("Start", "Pause", "Stop", "Fork here")
        )
        self.follow = QCheckBox("Follow")
        self.follow.setToolTip("Every panel shows the weights as they are now, without what is done to the run.")
        self.fork.setToolTip("Goes on from the checkpoint that is shown, as another run.")
        self.line, self.status, self.outcome = QLineEdit(), QLabel(), QLabel()
        self.line.setPlaceholderText("disturb it: force 0.0 previous")
        self.line.setToolTip(DISTURB_TIP)
        self.line.setAccessibleName("Disturbance")
        self.question, self.guesses = QLabel(), list[QPushButton]()
        self.asking = QWidget()
        self.runs, self.presets = ChoiceMenu("Runs", self), ChoiceMenu("Disturb", self)
        self.recipe = QToolButton()
        self.recipe.setText("Recipe")
        self.recipe.setToolTip("The choices instead of the curves; for the next run while one is under way.")
        self.recipe.setCheckable(True)
        self.recipe.setChecked(True)
        self._lay_out(body)
        self._connect()
        self._tell()

    # ------------------------------------------------------------ how it stands
    def _lay_out(self, body: QWidget) -> None:
        self._rows = QVBoxLayout(body)
        self._rows.setContentsMargins(0, 0, 0, 0)
        buttons, disturb, asking, answers = QHBoxLayout(), QHBoxLayout(), QVBoxLayout(self.asking), QHBoxLayout()
        for button in (self.start, self.pause, self.stop, self.fork, self.follow):
            buttons.addWidget(button)
        buttons.addStretch(1)
        disturb.addWidget(_menu_button("Disturb ▾", "Things to do to the run.", self.presets))
        disturb.addWidget(self.line, 1)
        asking.setContentsMargins(0, 0, 0, 0)
        asking.addWidget(self.question)
        for _ in (*BEFORE, NO_GUESS):
            self.guesses.append(QPushButton())
            answers.addWidget(self.guesses[-1])
        answers.addStretch(1)
        asking.addLayout(answers)
        self.asking.hide()
        for label in (self.status, self.outcome):
            label.setWordWrap(True)
        self.outcome.hide()
        self._rows.addWidget(self.choices)
        for row in (buttons, disturb):
            self._rows.addLayout(row)
        for widget in (self.asking, self.status, self.outcome):
            self._rows.addWidget(widget)
        self._rows.addStretch(1)
        self.add_control(self.recipe)
        self.add_control(_menu_button("Runs ▾", "Runs that were put down here.", self.runs))

    def _connect(self) -> None:
        training = self.training
        for button, slot in (
            (self.start, self._start),
            (self.stop, training.stop),
            (self.pause, training.pause),
            (self.fork, self._fork),
        ):
            button.clicked.connect(slot)
        for button in self.guesses:
            button.clicked.connect(self._answer)
        self.follow.toggled.connect(self._follow)
        self.line.returnPressed.connect(self._ask)
        self.presets.set_choices([Choice(line, words) for words, line in PRESETS.items()])
        self.presets.chosen.connect(self._ask_about)
        self.runs.aboutToShow.connect(self._list_runs)
        self.runs.chosen.connect(self._choose_run)
        self.choices.changed.connect(self._tell)
        self.recipe.toggled.connect(self._tell)
        training.measured.connect(self._add)
        training.kept.connect(self._show_checkpoint)
        training.changed.connect(self._tell)
        training.finished.connect(self._say_outcome)
        training.happened.connect(self._note_news)
        self._state.selected.connect(self._on_selected)
        self._state.found.connect(self._on_found)

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self._rows.setSpacing(theme.px(8))
        self.choices.set_theme(theme)
        for label in (self.status, self.question):
            label.setFont(ui_font(theme.px(SECONDARY)))
            label.setStyleSheet(f"color: {theme.subtle}")
        self.outcome.setFont(ui_font(theme.px(SECONDARY), 600))
        self.outcome.setStyleSheet(f"color: {theme.text}")
        for button in (self.start, self.pause, self.stop, self.fork, self.follow, self.line, *self.guesses):
            button.setFont(ui_font(theme.px(SECONDARY)))
        if self.charts is not None:
            self.charts.set_theme(theme)

    @override
    def numbers(self) -> Table:
        """Every measured row, but for the scores of single heads."""
        names = ("step", "loss", "repeat_loss_first", "repeat_loss_second", "repeat_accuracy", "in_context")
        return Table("training here", names, [tuple(row.get(name) for name in names) for row in self.rows])

    # ------------------------------------------------------------ start and go on
    @Slot()
    def _start(self) -> None:
        """What cannot be trained is said under the fields already; the process would say no more."""
        words = trouble_words(self.choices.values())
        if words:
            self.set_note(words)
        else:
            self._begin(Spec.of(self.choices.values()))

    def _begin(self, spec: Spec) -> None:
        self.rows, self.guessed = [], None
        self.outcome.hide()
        self.set_note("")
        self.recipe.setChecked(False)
        self.training.start(spec)
        self.training.follow(self.follow.isChecked())

    @Slot()
    def _fork(self) -> None:
        """From the checkpoint that is shown, with the choices that its run was made with."""
        spec = self._spec_to_fork()
        if spec is not None:
            self._begin(spec)

    def _spec_to_fork(self) -> Spec | None:
        model = self._state.findings.model
        return None if model is None or not model.steps else spec_of(model.run, step_of(model))

    @Slot()
    def _list_runs(self) -> None:
        runs = [Choice(run.name, run_words(run.name, run.step, run.spec.steps)) for run in runs_here()]
        self.runs.set_choices(runs or [Choice("", "no run was put down yet")])

    @Slot(str)
    def _choose_run(self, name: str) -> None:
        """Its choices, to be gone on with; and what it was when it was put down, in every panel."""
        run = next((run for run in runs_here() if run.name == name), None)
        if run is not None and not self.training.running:
            self.choices.set_spec(run.spec)
            self.recipe.setChecked(True)
            self._state.select(model=run.name)

    @Slot(bool)
    def _follow(self, on: bool) -> None:
        self.training.follow(on)

    @Slot(int)
    def _show_checkpoint(self, step: int) -> None:
        """The newest one in every panel, while the run is followed; shown as it is without what is done to the run."""
        if self.follow.isChecked():
            self._state.select(model=f"{self.training.name}@{step}")

    # ------------------------------------------------------------ disturb: first a guess
    @Slot(str)
    def _ask_about(self, line: str) -> None:
        self.line.setText(line)
        self._ask()

    @Slot()
    def _ask(self) -> None:
        """The run waits for the guess. Nothing to guess where something ends, or before anything was measured."""
        if not self.training.running:
            return
        if not self.line.text().strip() or not self.rows:
            self.training.disturb(self.line.text())
            return
        copied = copies(film_of_rows(self.rows))
        self.question.setText(question_words(copied))
        for button, words in zip(self.guesses, (*(AFTER if copied else BEFORE), NO_GUESS, "", ""), strict=False):
            button.setText(words)
            button.setVisible(bool(words))
        self.asking.show()
        self._waits = not self.training.paused
        if self._waits:
            self.training.pause()

    @Slot()
    def _answer(self) -> None:
        button = self.sender()
        words = button.text() if isinstance(button, QPushButton) else NO_GUESS
        guess: Guess | None = next((one for one in (*BEFORE, *AFTER) if one == words), None)
        step = self.rows[-1]["step"]
        self.guessed = None if guess is None else Guessed(guess, step, guess in AFTER)
        self.asking.hide()
        self.outcome.hide()
        self.training.disturb(self.line.text())
        if self._waits:
            self.training.resume()

    @Slot()
    def _say_outcome(self, done: bool = True) -> None:
        if self.guessed is not None and self.rows:
            words = outcome_words(self.guessed, film_of_rows(self.rows), self.training.spec, done)
            self.outcome.setText(words)
            self.outcome.setVisible(bool(words))

    # ------------------------------------------------------------ what comes
    @Slot(dict)
    def _add(self, row: dict[str, Any]) -> None:
        self.rows = [*(old for old in self.rows if old["step"] < row["step"]), row]
        if self.charts is None:
            from gui.widgets.charts_view import ChartsView

            self.charts = ChartsView()
            self.charts.set_theme(self._theme)
            self._rows.insertWidget(self._rows.count() - 1, self.charts, 100)  # all the room there is
        film = film_of_rows(self.rows)
        self.charts.set_views(views(film), film.jump)
        self.charts.curves.set_marks(self.training.marks)
        self.charts.curves.set_step(row["step"])
        self._say_outcome(done=False)
        self._tell()

    @Slot(str, bool)
    def _note_news(self, words: str, bad: bool) -> None:
        self.set_note(words)
        if bad:
            self.guessed = None
        if self.charts is not None:
            self.charts.curves.set_marks(self.training.marks)
        self._tell()

    @Slot(object, object)
    def _on_selected(self, new: Selection, old: Selection) -> None:
        if new.model != old.model and run_of(new.model) != self.training.name:
            self.follow.setChecked(False)  # another model was chosen

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "model"):
            self._tell()

    @Slot()
    def _tell(self) -> None:
        runs, paused = self.training.running, self.training.paused
        shows_recipe = self.recipe.isChecked()  # or the curves: there is no room for both
        self.choices.setVisible(shows_recipe)
        if self.charts is not None:
            self.charts.setVisible(not shows_recipe)
        self.start.setEnabled(not runs)
        self.fork.setEnabled(not runs and self._spec_to_fork() is not None)
        for widget in (self.pause, self.stop, self.line):
            widget.setEnabled(runs)
        self.pause.setText("Go on" if paused else "Pause")
        if not runs:
            self.asking.hide()
        steps = self.training.spec.steps
        words = status_words(self.training.step, steps, paused, self.training.seconds_left)
        self.status.setText(words if runs else estimate_words(self.choices.values()))


def _menu_button(words: str, tip: str, menu: ChoiceMenu) -> QToolButton:
    button = QToolButton()
    button.setText(words)
    button.setToolTip(tip)
    button.setMenu(menu)
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    return button
