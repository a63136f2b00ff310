"""The verdict that can say no: which mechanism, by which criteria, and what speaks against it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QLabel, QToolButton, QWidget
from typing_extensions import override

from engine.work.requests import Judge
from engine.work.results import Verdict
from gui.export import Cell, Table
from gui.needs import verdict_request
from gui.panel import Panel
from gui.state import ExplorerState, Findings, Selection, changed
from gui.theme import SECONDARY, Role, Theme, ui_font
from gui.widgets.page import Page
from gui.words.composition import trouble_words
from gui.words.verdict import QUESTIONS, against_words, criteria_html, heads_words, verdict_words

PLAIN_ONLY = "The verdict is about the run as it is: take every intervention back to have it."
ROLES: dict[str, Role] = {"k-composition": "positive", "q-composition": "positive", "mixed": "positive"}


class VerdictPanel(Panel):
    """A switch between this prompt and the model; criteria stand under the question that they answer."""

    asks = ("verdict",)

    def __init__(self, state: ExplorerState, parent: QWidget | None = None) -> None:
        self.page = Page("Verdict")
        super().__init__("Verdict", self.page, parent)
        self._state = state
        self.scope = QToolButton(self)
        self.scope.setText("Whole model")
        self.scope.setToolTip("Judges the model on random repeats instead of this prompt.")
        self.scope.setCheckable(True)
        self.scope.clicked.connect(self._switch)
        self.add_control(self.scope)
        self.word, self.heads = self.page.sentence(strong=True), self.page.sentence()
        self.tables = {question: (self.page.heading(title), self._table()) for question, title in QUESTIONS.items()}
        self.against_title, self.against = self.page.heading("What speaks against it"), self.page.sentence()
        state.selected.connect(self._on_selected)
        state.found.connect(self._on_found)
        self._show(state.findings)

    def _table(self) -> QLabel:
        table = QLabel()
        table.setWordWrap(True)
        table.setTextFormat(Qt.TextFormat.RichText)
        table.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.page.add(table)
        return table

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.page.set_theme(theme)
        for _, table in self.tables.values():
            table.setFont(ui_font(theme.px(SECONDARY)))
            table.setStyleSheet(f"color: {theme.text}")
        self._show(self._state.findings)

    @override
    def numbers(self) -> Table:
        """Every criterion."""
        header = ("criterion", "question", "value", "low", "high", "n", "threshold", "state")
        found = self._verdict()
        rows: list[tuple[Cell, ...]] = [
            (one.name, one.rule.question, one.value, one.low, one.high, one.n, one.threshold, one.state)
            for one in (found.criteria if found is not None else ())
        ]
        return Table(f"verdict: {found.mechanism}" if found is not None else "verdict", header, rows)

    @Slot(bool)
    def _switch(self, whole_model: bool) -> None:
        self._state.select(judges_model=whole_model)

    @Slot(object, object)
    def _on_selected(self, new: Selection, old: Selection) -> None:
        if changed(new, old, "judges_model", "token", "steps", "prompt"):
            self._show(self._state.findings)

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "verdict", "analysis", "troubles", "model"):
            self._show(new)

    def _verdict(self) -> Verdict | None:
        """The one that was asked for, not one of another prompt or scope."""
        found, asked = self._state.findings.verdict, verdict_request(self._state)
        return found if found is not None and isinstance(asked, Judge) and found.asked == asked else None

    def _show(self, findings: Findings) -> None:
        found, theme = self._verdict(), self._theme
        self.scope.setChecked(self._state.selection.judges_model)
        shown = found is not None
        for heading, table in self.tables.values():
            heading.setVisible(shown)
            table.setVisible(shown)
        self.against_title.setVisible(shown)
        self.against.setVisible(shown)
        if found is None:
            meddled = bool(self._state.in_force)
            trouble = trouble_words(findings.troubles.get("verdict"))
            self.word.setText(PLAIN_ONLY if meddled else trouble or "judging …")
            self.heads.setText("")
            self.set_role("none")
            return
        self.word.setText(verdict_words(found))
        self.heads.setText(heads_words(found))
        self.set_role(ROLES.get(found.mechanism, "none"))
        for question, (heading, table) in self.tables.items():
            criteria = [one for one in found.criteria if one.rule.question == question]
            measured = [one for one in criteria if one.state != "not measured"]
            heading.setVisible(bool(measured))
            table.setVisible(bool(measured))
            table.setText(criteria_html(measured, theme.positive, theme.negative, theme.subtle))
        self.against.setText(against_words(found))
