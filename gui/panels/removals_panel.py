"""What every removal did to this prompt: a log of before and after. Clicking an entry goes back to it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget
from typing_extensions import override

from engine.circuits.interventions.values import Ablate
from engine.model.config import HeadRef
from engine.work.results import Analysis
from gui.export import Table
from gui.numbers import percent
from gui.panel import Panel
from gui.state import ExplorerState, Findings, changed
from gui.steps import Step
from gui.theme import SECONDARY, Role, Theme, ui_font
from gui.widgets.bar_list import BarList, BarRow
from gui.widgets.token_text import spoken
from gui.wording import removal_label, removal_tip

INVITATION = "R takes the ringed head out of the model. What that does to the prediction is kept here."
MOST = 5  # entries, the whole model among them: the window must not grow with the log


@dataclass(frozen=True)
class Outcome:
    """One run: the chance of what the whole model held most likely, and the mean surprise of the prompt in nats."""

    ablated: tuple[HeadRef, ...]
    chance: float
    loss: float | None

    @classmethod
    def of(cls, analysis: Analysis, best: int) -> Outcome:
        measured = analysis.losses[np.isfinite(analysis.losses)]
        loss = float(measured.mean()) if len(measured) else None
        return cls(analysis.ablated, analysis.chance_of(best), loss)


class RemovalsPanel(Panel):
    """The log lives as long as the prompt does."""

    asks = ("baseline", "analysis")

    def __init__(self, state: ExplorerState, parent: QWidget | None = None) -> None:
        body = QWidget()
        self.bars, self._invitation = BarList(body), QLabel(INVITATION, body)
        super().__init__("Removals", body, parent)
        self._state = state
        self._log: list[Outcome] = []
        self._whole: Analysis | None = None
        self._invitation.setWordWrap(True)
        self._invitation.setTextFormat(Qt.TextFormat.PlainText)
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.bars)
        column.addWidget(self._invitation)
        column.addStretch(1)
        self.bars.setAccessibleName("Removals")
        self.bars.hide()
        self.bars.rowClicked.connect(self._go_back_to)
        state.found.connect(self._on_found)

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.bars.set_theme(theme)
        self._invitation.setFont(ui_font(theme.px(SECONDARY)))
        self._invitation.setStyleSheet(f"color: {theme.subtle}")

    @override
    def numbers(self) -> Table:
        """Every entry of the log."""
        best = self._whole.predictions[0].text if self._whole is not None else ""
        header = ("removed heads", f"probability of {best}", "mean loss (nats)")
        rows = [(" ".join(map(str, entry.ablated)), entry.chance, entry.loss) for entry in self._log]
        return Table("removals", header, rows)

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        analysis, whole = new.analysis, new.baseline
        if not changed(new, old, "analysis", "baseline") or analysis is None or whole is None:
            return
        if analysis.prompt != whole.prompt or analysis.model.hash != whole.model.hash:
            return  # one of the two is of the prompt or the model before
        best = whole.predictions[0].id
        if self._whole is not whole:
            self._whole, self._log = whole, [Outcome.of(whole, best)]
        if analysis.ablated not in {entry.ablated for entry in self._log}:
            self._log = [self._log[0], *self._log[1:][2 - MOST :], Outcome.of(analysis, best)]
        self._show(analysis.ablated)

    def _show(self, current: tuple[HeadRef, ...]) -> None:
        assert self._whole is not None
        best = spoken(self._whole.predictions[0].text)
        self.bars.set_rows([self._row(entry, best, current) for entry in self._log], full=1.0)
        self.bars.setVisible(len(self._log) > 1)
        self._invitation.setVisible(len(self._log) == 1)
        self.set_note(f"chance of {best}" if len(self._log) > 1 else "")

    def _row(self, entry: Outcome, best: str, current: tuple[HeadRef, ...]) -> BarRow:
        chance = percent(entry.chance)
        tip = removal_tip(entry.ablated, best, chance, entry.loss)
        shown = entry.ablated == current
        role: Role = "negative" if entry.ablated and shown else "none"
        return BarRow(removal_label(entry.ablated), entry.chance, chance, None, role, shown, tip)

    @Slot(int)
    def _go_back_to(self, index: int) -> None:
        self._state.select(steps=tuple(Step(Ablate((head,))) for head in self._log[index].ablated))
