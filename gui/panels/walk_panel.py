"""How did it know? The two-head circuit on this prompt as one picture that builds up, a sentence and numbers a step."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget
from typing_extensions import override

from engine.circuits.walk_steps import Step, steps
from engine.work.results import Walk
from gui.actions import Actions
from gui.export import Cell, Table
from gui.panel import Panel
from gui.state import ExplorerState, Findings, Selection, changed
from gui.theme import SECONDARY, Theme, ui_font
from gui.widgets.page import Page
from gui.widgets.walk_controls import WalkControls
from gui.widgets.walk_player import WalkPlayer
from gui.widgets.walk_scene import Scene
from gui.widgets.walk_view import WalkView
from gui.words.composition import trouble_words
from gui.words.walk import PLAIN_ONLY, TITLES, evidence_html, heading_words
from gui.words.walk_picture import scene_of

BESIDE = 1000  # px at 100 %: from this width on the words stand beside the picture, else below it
STOPS = "The claims stop at the first step that does not hold."


class WalkPanel(Panel):
    """Left and Right go from step to step, Space plays; the step is the state's, so that others can point at it."""

    asks = ("walk",)

    def __init__(self, state: ExplorerState, actions: Actions, parent: QWidget | None = None) -> None:
        body = QWidget()
        self.view, self.controls, self.page = WalkView(), WalkControls(), Page("What this step says")
        super().__init__("How did it know?", body, parent)
        self._state, self._actions = state, actions
        self._told: tuple[Step, ...] = ()
        self.player = WalkPlayer(self)
        self._lay_out(body)
        self.player.told.connect(self._show_step)
        self.player.running.connect(self.controls.set_running)
        self.controls.connect_to(self.player)
        self.visibilityChanged.connect(self._on_visible)
        state.selected.connect(self._on_selected)
        state.found.connect(self._on_found)
        self._show(state.findings)

    def _lay_out(self, body: QWidget) -> None:
        self.heading = self.page.heading("")
        self.sentence = self.page.sentence(strong=True)
        self.offer = QPushButton()
        self.offer.clicked.connect(self._take_offer)
        self.evidence = QLabel()
        self.evidence.setWordWrap(True)
        self.evidence.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        for widget in (self.offer, self.evidence):
            self.page.add(widget)
        left = QVBoxLayout()
        left.addWidget(self.view, 1)
        left.addWidget(self.controls)
        self._sides = QBoxLayout(QBoxLayout.Direction.LeftToRight, body)
        self._sides.setContentsMargins(0, 0, 0, 0)
        self._sides.addLayout(left, 7)
        self._sides.addWidget(self.page, 3)
        body.installEventFilter(self)
        self.body.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        for widget in (self.view, self.controls, self.page):
            widget.set_theme(theme)
        self._sides.setSpacing(theme.px(14))
        self.evidence.setFont(ui_font(theme.px(SECONDARY)))
        self.evidence.setStyleSheet(f"color: {theme.subtle}")
        self._turn()

    @override
    def numbers(self) -> Table:
        """Every number of the evidence, step by step."""
        rows: list[tuple[Cell, ...]] = [
            (step.name, row.what, row.value, row.of) for step in self._told for row in step.evidence
        ]
        return Table("walk through the circuit", ("step", "what", "value", "of"), rows)

    @override
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Picture and words side by side where there is room; keys of the walk wherever the focus is inside."""
        if watched is self.body and event.type() == QEvent.Type.Resize:
            self._turn()
        return super().eventFilter(watched, event)

    def _turn(self) -> None:
        wide = self.body.width() >= self._theme.px(BESIDE)
        way = QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        self._sides.setDirection(way)

    @override
    def keyPressEvent(self, event: QKeyEvent) -> None:
        doings = {
            Qt.Key.Key_Left: self.player.back,
            Qt.Key.Key_Right: self.player.forward,
            Qt.Key.Key_Space: self.player.toggle,
        }
        key = Qt.Key(event.key())
        if key in doings:
            doings[key]()
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            self.player.stop()
            self.player.seek(0 if key == Qt.Key.Key_Home else self.player.count - 1)
        else:
            super().keyPressEvent(event)

    @Slot(bool)
    def _on_visible(self, visible: bool) -> None:
        if not visible:
            self.player.stop()

    # ------------------------------------------------------------ following the state
    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "walk", "analysis", "troubles"):
            self._show(new)

    @Slot(object, object)
    def _on_selected(self, new: Selection, old: Selection) -> None:
        if changed(new, old, "walk_step"):
            self._go_to(new.walk_step)

    def _go_to(self, name: str) -> None:
        """To a step by its name, unless it is the one that is shown; "" is the last one."""
        names = [step.name for step in self._told]
        place = names.index(name) if name in names else len(names) - 1
        if names and place != self.player.step:
            self.player.stop()
            self.player.seek(place)

    def _steps(self, found: Findings) -> tuple[Step, ...]:
        """The steps, if the walk is through the run in sight."""
        walk: Walk | None = found.walk
        if walk is None or found.analysis is None or found.analysis.interventions:
            return ()
        return steps(walk) if walk.tokens == tuple(token.text for token in found.analysis.tokens) else ()

    def _show(self, found: Findings) -> None:
        told = self._steps(found)
        if told and told == self._told:
            return
        self._told = told
        self.view.set_scene(scene_of(found.walk, told) if told and found.walk is not None else Scene())
        self.controls.set_steps([TITLES.get(step.name, step.name) for step in told])
        self.player.set_count(len(told))
        self._go_to(self._state.selection.walk_step)
        meddled = found.analysis is not None and bool(found.analysis.interventions)
        waiting = (
            PLAIN_ONLY if meddled else trouble_words(found.troubles.get("walk")) or "walking through the circuit …"
        )
        if not told:
            self._write("", waiting)
        holding = sum(step.holds is not False for step in told)
        self.set_note(f"{holding} steps hold" if told else "", STOPS)

    @Slot(int, float)
    def _show_step(self, number: int, time: float) -> None:
        if number >= len(self._told):
            return
        step = self._told[number]
        self.view.set_time(step.name, time)
        self.controls.set_step(number)
        self._write(heading_words(number + 1, step), step.sentence, evidence_html(step), step.offer)
        if step.name != self._state.selection.walk_step and number < len(self._told) - 1:
            self._state.select(walk_step=step.name)
        elif number == len(self._told) - 1:
            self._state.select(walk_step="")

    def _write(self, heading: str, sentence: str, evidence: str = "", offer: str = "") -> None:
        self.heading.setText(heading)
        self.sentence.setText(sentence)
        self.evidence.setText(evidence)
        self.offer.setText(f"Try “{offer}”" if offer else "")
        self.offer.setVisible(bool(offer))

    @Slot()
    def _take_offer(self) -> None:
        """A prompt in which something does repeat."""
        offered = next((step.offer for step in self._told if step.offer), "")
        if offered:
            self._actions.sample_prompt(offered)
