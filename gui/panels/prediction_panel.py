"""What comes next: the ten best tokens, before and after an intervention, and what a literal matcher would guess."""

from __future__ import annotations

from dataclasses import dataclass, replace

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget
from typing_extensions import override

from engine.work.results import Analysis, Prediction
from gui.actions import Actions
from gui.export import Table
from gui.numbers import percent
from gui.panel import Panel
from gui.state import ExplorerState, Findings, Hover, Selection, changed
from gui.theme import SECONDARY, Role, Theme, ui_font
from gui.widgets.bar_list import BarList, BarRow
from gui.widgets.token_text import spoken, visible
from gui.wording import matcher_sentence, pinned_guess
from gui.words.comparison import PROMPTS, sides_of
from gui.words.interventions import prediction_note


class PredictionPanel(Panel):
    """The next token as bars; clicking one writes it at the end of the prompt."""

    asks = ("analysis", "baseline", "comparison")

    def __init__(self, state: ExplorerState, actions: Actions, parent: QWidget | None = None) -> None:
        body = QWidget()
        self.bars = BarList(body)
        super().__init__("Next token", body, parent)
        self._state = state
        self._legend = QLabel(body)
        self._matcher, self._pinned = QLabel(body), QLabel(body)
        self._labels = (self._legend, self._matcher, self._pinned)
        for label in self._labels:
            label.setWordWrap(True)
            label.setTextFormat(Qt.TextFormat.PlainText)
        self._matcher.setToolTip(
            "A literal matcher looks up earlier copies of the last token and guesses what followed them."
        )
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.bars, *self._labels):
            column.addWidget(widget)
        column.addStretch(1)
        self._legend.hide()
        self.bars.rowClicked.connect(actions.accept_candidate)
        state.selected.connect(self._on_selected)
        state.found.connect(self._on_found)
        state.hovered.connect(self._on_hovered)

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.bars.set_theme(theme)
        for label in self._labels:
            label.setFont(ui_font(theme.px(SECONDARY)))
            label.setStyleSheet(f"color: {theme.subtle}")

    @override
    def numbers(self) -> Table:
        """The ten best, and without interventions while some are in force."""
        found = self._state.findings
        header: tuple[str, ...] = ("token", "id", "probability", "logit")
        if found.analysis is None:
            return Table("next token", header, [])
        beside = beside_of(found)
        header += () if beside is None else (f"probability {beside.words}",)
        rows = [
            (row.text, row.id, row.probability, row.logit, *(() if beside is None else (beside.run.chance_of(row.id),)))
            for row in found.analysis.predictions
        ]
        return Table("next token", header, rows)

    @Slot(object, object)
    def _on_selected(self, new: Selection, old: Selection) -> None:
        self._show_pinned()

    @Slot(object, object)
    def _on_hovered(self, new: Hover, old: Hover) -> None:
        self._show_pinned()

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "analysis", "baseline", "comparison") and new.analysis is not None:
            analysis, beside = new.analysis, beside_of(new)
            self.bars.set_rows(bar_rows(analysis, beside), full=1.0)
            self._legend.setText("" if beside is None else f"Thin bars: {beside.words}.")
            self._legend.setVisible(beside is not None)
            self.set_note(*prediction_note(analysis))
            guess = matcher_sentence(analysis.matcher, analysis.tokens[-1]) if analysis.tokens else ""
            self._matcher.setText(f"A literal matcher would guess {guess}.")
            self._show_pinned()

    def _show_pinned(self) -> None:
        analysis, focus = self._state.findings.analysis, self._state.focus
        text = "" if analysis is None else pinned_guess(analysis, focus.destination)
        self._pinned.setText(text)
        self._pinned.setVisible(bool(text))


@dataclass(frozen=True)
class Beside:
    """Another run, whose chances stand beside those of the run in sight; `words` say what it is."""

    run: Analysis
    words: str


def beside_of(found: Findings) -> Beside | None:
    """The other prompt while two are compared, else the same prompt untouched while interventions are in force."""
    compared = found.fitting_comparison
    if compared is not None and sides_of(compared) is PROMPTS:
        return Beside(compared.second, "on prompt B")
    if found.analysis is not None and found.analysis.interventions and found.baseline is not None:
        return Beside(found.baseline, "without interventions")
    return None


def bar_rows(analysis: Analysis, beside: Beside | None) -> list[BarRow]:
    """The ten best; what the matcher would guess is in the induction colour.

    Beside another run each row shows its chance there too, and the best guess there stays in sight as a last row.
    """
    shown = list(analysis.predictions)
    if beside is not None and beside.run.predictions[0].id not in {row.id for row in shown}:
        best = beside.run.predictions[0]
        shown.append(replace(best, probability=analysis.chance_of(best.id)))
    return [_bar(row, analysis, beside) for row in shown]


def _bar(row: Prediction, analysis: Analysis, beside: Beside | None) -> BarRow:
    text = percent(row.probability)
    there = None if beside is None else beside.run.chance_of(row.id)
    tip = f"{spoken(row.text)} (id {row.id}): chance {text}"
    if beside is not None and there is not None:
        tip += f"; {beside.words} {percent(there)}"
    tip += ". Click to write it at the end of the prompt." if row in analysis.predictions else "."
    matched = row.id in {guess.id for guess in analysis.matcher}
    role: Role = "induction" if matched else "none"
    return BarRow(visible(row.text), row.probability, text, there, role, matched, tip)
