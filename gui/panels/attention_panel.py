"""Why this attention? One score of the held head as a sum over (query part, key part), exact and row-centred."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from engine.model.config import HeadRef
from engine.work.circuit_results import AttentionSplit
from engine.work.requests import Pair
from gui.export import Table
from gui.panel import Panel
from gui.state import ExplorerState, Findings, changed
from gui.theme import Theme
from gui.widgets.bar_list import BarRow
from gui.widgets.page import Page
from gui.wording import number
from gui.words.composition import trouble_words
from gui.words.why import attention_sentence, check_sentence, note_sentence

MOST = 12
WORDS, HINT = "query from {row}, key from {column}: {value}", "orange speaks for this key, blue against it"
TIP = "Each term less its mean over the row's keys: softmax ignores what is the same for all of them."


class AttentionPanel(Panel):
    """A click on a term goes to the head, or the pair of heads, that made it."""

    asks = ("attention_split",)

    def __init__(self, state: ExplorerState, parent: QWidget | None = None) -> None:
        self.page = Page("Why this attention")
        super().__init__("Why this attention?", self.page, parent)
        self._state = state
        self._terms: list[tuple[str, str]] = []
        self.sentence, self.note = self.page.sentence(strong=True), self.page.sentence()
        self.page.heading("Query part (down) × key part (across), over the row's mean")
        self.grid = self.page.grid("Every term of the score")
        self.grid.cellClicked.connect(self._go_to_cell)
        self.page.heading("The largest terms")
        self.bars, self.check = self.page.bars("Terms of the score"), self.page.sentence()
        self.bars.rowClicked.connect(self._go)
        state.found.connect(self._on_found)

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.page.set_theme(theme)

    @override
    def numbers(self) -> Table:
        """Every term, in units of the score."""
        split, header = self._split(), ("query part", "key part", "term", "over the row's mean")
        if split is None:
            return Table("attention score", header, [])
        rows = [
            (query, key, float(split.terms[i, j]), float(split.centred[i, j]))
            for i, query in enumerate(split.names)
            for j, key in enumerate(split.names)
        ]
        return Table(f"attention score of head {split.head}, {split.query} to {split.key}", header, rows)

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "attention_split", "analysis", "troubles"):
            self._show(new)

    def _split(self) -> AttentionSplit | None:
        found: AttentionSplit | None = self._state.findings.of_run("attention_split")
        return found

    def _show(self, found: Findings) -> None:
        split, analysis = self._split(), found.analysis
        if split is None or analysis is None:
            self.set_note(trouble_words(found.troubles.get("attention_split")) or "splitting the score …")
            return
        self.set_note("merged by layer" if split.merged else "exact", TIP)
        self.sentence.setText(attention_sentence(split, analysis))
        self.note.setText(note_sentence(split, analysis))
        self.grid.set_grid(split.centred, "score", split.names, split.names, WORDS, HINT)
        order = np.argsort(-np.abs(split.centred), axis=None, kind="stable")[:MOST]
        places = [np.unravel_index(int(place), split.centred.shape) for place in order]
        self._terms = [(split.names[int(i)], split.names[int(j)]) for i, j in places]
        values = [float(split.centred[i, j]) for i, j in places]
        self.bars.set_rows([_row(*term, value) for term, value in zip(self._terms, values, strict=True)])
        self.check.setText(check_sentence(split.total, split.measured, split.remainder, "the score"))

    @Slot(int)
    def _go(self, index: int) -> None:
        self._go_to(*self._terms[index])

    @Slot(int, int)
    def _go_to_cell(self, row: int, column: int) -> None:
        split = self._split()
        if split is not None:
            self._go_to(split.names[row], split.names[column])

    def _go_to(self, query: str, key: str) -> None:
        """To the pair of an earlier head and this one, by key or by query."""
        split = self._split()
        if split is None:
            return
        if key[0].isdecimal():
            self._state.toggle_pair(Pair(key, str(split.head), "k"))
        elif query[0].isdecimal():
            self._state.toggle_pair(Pair(query, str(split.head), "q"))
        else:
            self._state.select(head=HeadRef(*split.head))


def _row(query: str, key: str, value: float) -> BarRow:
    text = number(value, signed=True)
    tip = f"query from {query}, key from {key}: {text} over the row's mean"
    return BarRow(f"{query} × {key}", value, text, tip=tip)
