"""What comes next: the ten best tokens, before and after a removal, and what a literal matcher would guess."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from engine.work.results import Analysis, Prediction
from gui.actions import Actions
from gui.export import Table
from gui.numbers import percent
from gui.state import ExplorerState, Findings, Hover, Selection, changed
from gui.theme import SECONDARY, Role, Theme, ui_font
from gui.widgets.bar_list import BarList, BarRow
from gui.widgets.panel_frame import PanelFrame
from gui.widgets.token_text import spoken, visible
from gui.wording import NOT_MEASURED, matcher_sentence, pinned_guess, prediction_note


class PredictionPanel(PanelFrame):
    """The next token as bars; clicking one writes it at the end of the prompt."""

    def __init__(self, state: ExplorerState, actions: Actions, parent: QWidget | None = None) -> None:
        body = QWidget()
        self.bars = BarList(body)
        super().__init__("Next token", body, parent)
        self._state = state
        self._legend = QLabel("Thin bars: with every head in place.", body)
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

    def apply_theme(self, theme: Theme) -> None:
        self.set_theme(theme)
        self.bars.set_theme(theme)
        for label in self._labels:
            label.setFont(ui_font(theme.px(SECONDARY)))
            label.setStyleSheet(f"color: {theme.subtle}")

    def numbers(self) -> Table:
        """The ten best, and with every head in place where heads are removed."""
        found = self._state.findings
        header = ("token", "id", "probability", "logit", "probability with every head")
        if found.analysis is None:
            return Table("next token", header, [])
        before = before_of(found.analysis, found.baseline)
        rows = [
            (row.text, row.id, row.probability, row.logit, before.get(row.id)) for row in found.analysis.predictions
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
        if changed(new, old, "analysis", "baseline") and new.analysis is not None:
            analysis = new.analysis
            self.bars.set_rows(bar_rows(analysis, new.baseline), full=1.0)
            self._legend.setVisible(bool(analysis.ablated))
            self.set_note(*prediction_note(analysis))
            guess = matcher_sentence(analysis.matcher, analysis.tokens[-1]) if analysis.tokens else ""
            self._matcher.setText(f"A literal matcher would guess {guess}.")
            self._show_pinned()

    def _show_pinned(self) -> None:
        analysis, focus = self._state.findings.analysis, self._state.focus
        text = "" if analysis is None else pinned_guess(analysis, focus.destination)
        self._pinned.setText(text)
        self._pinned.setVisible(bool(text))


def before_of(analysis: Analysis, baseline: Analysis | None) -> dict[int, float]:
    """Chances with every head in place, by token id; empty while nothing is removed."""
    if baseline is None or not analysis.ablated:
        return {}
    return {row.id: row.probability for row in baseline.predictions}


def bar_rows(analysis: Analysis, baseline: Analysis | None) -> list[BarRow]:
    """The ten best; what the matcher would guess is in the induction colour.

    While heads are removed each row shows its chance before, and the former best guess stays in sight as a last row.
    """
    before = before_of(analysis, baseline)
    rows = [_bar(row, analysis, row.probability, percent(row.probability), before) for row in analysis.predictions]
    former = baseline.predictions[0] if before and baseline is not None else None
    if former is not None and former.id not in {row.id for row in analysis.predictions}:
        most = analysis.predictions[-1].probability
        rows.append(_bar(former, analysis, 0.0, f"≤ {percent(most)}", before))
    return rows


def _bar(row: Prediction, analysis: Analysis, value: float, text: str, before: dict[int, float]) -> BarRow:
    was = before.get(row.id)
    tip = f"{spoken(row.text)} (id {row.id}): chance {text}"
    if before:
        tip += f"; with every head in place {percent(was) if was is not None else NOT_MEASURED}"
    tip += ". Click to write it at the end of the prompt." if value else "."
    matched = row.id in {guess.id for guess in analysis.matcher}
    role: Role = "induction" if matched else "none"
    return BarRow(visible(row.text), value, text, was, role, matched, tip)
