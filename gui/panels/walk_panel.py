"""How did it know? The two-head circuit on this prompt, a sentence a step, up to the first that does not hold."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from engine.circuits.walk_steps import Step, steps
from engine.work.results import Walk
from gui.export import Cell, Table
from gui.panel import Panel
from gui.state import ExplorerState, Findings, changed
from gui.theme import Theme
from gui.widgets.page import Page
from gui.words.composition import trouble_words
from gui.words.walk import PLAIN_ONLY, evidence_words, heading_words

MOST = 12


class WalkPanel(Panel):
    """Each step with its evidence in the tooltip; what was not measured says so."""

    asks = ("walk",)

    def __init__(self, state: ExplorerState, parent: QWidget | None = None) -> None:
        self.page = Page("How did it know?")
        super().__init__("How did it know?", self.page, parent)
        self._state = state
        self.note = self.page.sentence()
        self.steps = [(self.page.heading(""), self.page.sentence(strong=True)) for _ in range(MOST)]
        state.found.connect(self._on_found)
        self._show(state.findings)

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.page.set_theme(theme)

    @override
    def numbers(self) -> Table:
        """Every number of the evidence, step by step."""
        rows: list[tuple[Cell, ...]] = [
            (step.name, row.what, row.value, row.of) for step in self._told() for row in step.evidence
        ]
        return Table("walk through the circuit", ("step", "what", "value", "of"), rows)

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "walk", "analysis", "troubles"):
            self._show(new)

    def _told(self) -> tuple[Step, ...]:
        """The steps, if the walk is through the run in sight."""
        walk: Walk | None = self._state.findings.walk
        analysis = self._state.findings.analysis
        if walk is None or analysis is None or analysis.interventions:
            return ()
        return steps(walk) if walk.tokens == tuple(token.text for token in analysis.tokens) else ()

    def _show(self, found: Findings) -> None:
        told = self._told()
        meddled = found.analysis is not None and bool(found.analysis.interventions)
        trouble = trouble_words(found.troubles.get("walk"))
        waiting = PLAIN_ONLY if meddled else trouble or "walking through the circuit …"
        self.note.setText("" if told else waiting)
        self.note.setVisible(not told)
        for number, (heading, sentence) in enumerate(self.steps):
            step = told[number] if number < len(told) else None
            heading.setVisible(step is not None)
            sentence.setVisible(step is not None)
            if step is not None:
                heading.setText(heading_words(number + 1, step))
                sentence.setText(step.sentence)
                sentence.setToolTip(evidence_words(step))
        holding = sum(step.holds is not False for step in told)
        self.set_note(f"{holding} steps hold" if told else "", "The claims stop at the first step that does not hold.")
