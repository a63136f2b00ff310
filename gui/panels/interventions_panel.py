"""The stack of interventions, and a log of what every one of them did to the prediction on this prompt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget
from typing_extensions import override

from engine.circuits.interventions.values import Intervention
from engine.work.results import Analysis
from gui.actions import Actions
from gui.export import Table
from gui.numbers import percent
from gui.panel import Panel
from gui.state import ExplorerState, Findings, Selection, changed
from gui.steps import Steps, misfits
from gui.theme import SECONDARY, Role, Theme, ui_font
from gui.widgets.bar_list import BarList, BarRow
from gui.widgets.step_list import StepList, StepRow
from gui.widgets.token_text import spoken
from gui.words.interventions import outcome_label, outcome_tip, step_label, step_tip

INVITATION = (
    "R takes the ringed head out of the model. A right click on a head, an edge, a token or a cell, or M, offers more. "
    "What each does to the prediction is kept here."
)
MOST = 5  # entries, the untouched model among them: the window must not grow with the log


@dataclass(frozen=True)
class Outcome:
    """One run: what was done, the chance of what the untouched model held most likely, and the mean surprise in nats.

    `steps` brings it back.
    """

    interventions: tuple[Intervention, ...]
    steps: Steps
    chance: float
    loss: float | None

    @classmethod
    def of(cls, analysis: Analysis, steps: Steps, best: int) -> Outcome:
        measured = analysis.losses[np.isfinite(analysis.losses)]
        loss = float(measured.mean()) if len(measured) else None
        return cls(analysis.interventions, steps, analysis.chance_of(best), loss)


class InterventionsPanel(Panel):
    """The log lives as long as the prompt does; the stack stays."""

    asks = ("baseline", "analysis")

    def __init__(self, state: ExplorerState, actions: Actions, parent: QWidget | None = None) -> None:
        body = QWidget()
        self.list, self.bars, self._invitation = StepList(body), BarList(body), QLabel(INVITATION, body)
        super().__init__("Interventions", body, parent)
        self._state = state
        self._log: list[Outcome] = []
        self._whole: Analysis | None = None
        self._buttons: list[QToolButton] = []
        self._invitation.setWordWrap(True)
        self._invitation.setTextFormat(Qt.TextFormat.PlainText)
        self._rows = QVBoxLayout(body)
        self._rows.setContentsMargins(0, 0, 0, 0)
        for widget in (self.list, self.bars, self._invitation):
            self._rows.addWidget(widget)
        self._rows.addStretch(1)
        self.bars.setAccessibleName("Chance of the best guess under each")
        self.bars.hide()
        self.bars.rowClicked.connect(self._go_back_to)
        for signal, slot in (
            (self.list.switched, actions.switch_step),
            (self.list.named, actions.name_step),
            (self.list.moved, actions.move_step),
            (self.list.dropped, actions.drop_step),
        ):
            signal.connect(slot)
        state.selected.connect(self._on_selected)
        state.found.connect(self._on_found)
        self._show_steps()

    def add_controls(self, buttons: list[QAction], more: list[QAction]) -> None:
        """Buttons below the stack, as the title line has no room; what else can be done joins the panel's menu."""
        row = QHBoxLayout()
        row.setSpacing(0)
        for action in buttons:
            button = QToolButton(self)
            button.setDefaultAction(action)
            row.addWidget(button)
            self._buttons.append(button)
        row.addStretch(1)
        self._rows.insertLayout(1, row)
        self.more.addSeparator()
        self.more.addActions(more)

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.list.set_theme(theme)
        self.bars.set_theme(theme)
        self._rows.setSpacing(theme.px(8))
        for button in self._buttons:
            button.setFont(ui_font(theme.px(SECONDARY)))
        self._invitation.setFont(ui_font(theme.px(SECONDARY)))
        self._invitation.setStyleSheet(f"color: {theme.subtle}")

    @override
    def numbers(self) -> Table:
        """Every entry of the log."""
        best = self._whole.predictions[0].text if self._whole is not None else ""
        header = ("interventions", f"probability of {best}", "mean loss (nats)")
        rows = [("; ".join(map(str, entry.interventions)), entry.chance, entry.loss) for entry in self._log]
        return Table("interventions", header, rows)

    # ------------------------------------------------------------ the stack
    @Slot(object, object)
    def _on_selected(self, new: Selection, old: Selection) -> None:
        if changed(new, old, "steps", "prompt"):
            self._show_steps()

    def _show_steps(self) -> None:
        """Every step with its switch; what cannot act here is greyed and says why."""
        steps = self._state.selection.steps
        unfit = misfits(steps, self._state.findings.model, self._state.length)
        rows = [
            StepRow(step_label(step), step.on, place in unfit, step_tip(step, unfit.get(place)))
            for place, step in enumerate(steps)
        ]
        self.list.set_rows(rows)
        self.list.setVisible(bool(rows))
        self.set_note(f"{len(unfit)} not in force" if unfit else "", "\n".join(unfit.values()))
        self._tell_what_to_do()

    # ------------------------------------------------------------ the log
    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "model", "baseline"):
            self._show_steps()
        analysis, whole = new.analysis, new.baseline
        if not changed(new, old, "analysis", "baseline") or analysis is None or whole is None:
            return
        if analysis.prompt != whole.prompt or analysis.model.hash != whole.model.hash:
            return  # one of the two is of the prompt or the model before
        best = whole.predictions[0].id
        if self._whole is not whole:
            self._whole, self._log = whole, [Outcome.of(whole, (), best)]
        if analysis.interventions not in {entry.interventions for entry in self._log}:
            entry = Outcome.of(analysis, self._state.selection.steps, best)
            self._log = [self._log[0], *self._log[1:][2 - MOST :], entry]
        self._show_log(analysis.interventions)

    def _show_log(self, current: tuple[Intervention, ...]) -> None:
        assert self._whole is not None
        best = spoken(self._whole.predictions[0].text)
        self.bars.set_rows([self._row(entry, best, current) for entry in self._log], full=1.0)
        self.bars.setToolTip(f"Chance of {best}")
        self._tell_what_to_do()

    def _tell_what_to_do(self) -> None:
        nothing_yet = len(self._log) <= 1
        self.bars.setVisible(not nothing_yet)
        self._invitation.setVisible(nothing_yet and not self._state.selection.steps)

    def _row(self, entry: Outcome, best: str, current: tuple[Intervention, ...]) -> BarRow:
        chance = percent(entry.chance)
        tip = outcome_tip(entry.interventions, best, chance, entry.loss)
        shown = entry.interventions == current
        role: Role = "negative" if entry.interventions and shown else "none"
        return BarRow(outcome_label(entry.interventions), entry.chance, chance, None, role, shown, tip)

    @Slot(int)
    def _go_back_to(self, index: int) -> None:
        self._state.select(steps=self._log[index].steps)
