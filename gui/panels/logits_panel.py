"""Why this prediction? One logit as a sum over components, by source token within a head, and layer by layer."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Slot
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QWidget
from typing_extensions import override

from engine.model.config import HeadRef
from engine.work.circuit_results import PredictionSplit
from engine.work.results import Analysis
from gui.export import Cell, Table
from gui.numbers import percent
from gui.panel import Panel
from gui.state import ExplorerState, Findings, Selection, changed
from gui.theme import SECONDARY, Theme, mono_font
from gui.widgets.bar_list import BarRow
from gui.widgets.page import Page
from gui.widgets.token_text import visible
from gui.wording import number
from gui.words.composition import trouble_words
from gui.words.why import check_sentence, prediction_sentence

MOST, SOURCES = 14, 6
DIRECT = "Direct effects only: what a head does through later heads is theirs. Sweep shows the rest."


class LogitsPanel(Panel):
    """Type a token to ask about it, another to compare with; a click on a head pins it."""

    asks = ("prediction_split", "baseline_split")

    def __init__(self, state: ExplorerState, parent: QWidget | None = None) -> None:
        self.page = Page("Why this prediction")
        super().__init__("Why this prediction?", self.page, parent)
        self._state = state
        self._shown: list[str] = []
        self.target, self.against = self._field("best guess", "Token"), self._field("mean of all", "Against")
        self.page.add(self._fields())
        self.sentence = self.page.sentence(strong=True)
        self.page.heading("Added to the logit, straight through the unembedding")
        self.bars, self.check = self.page.bars("Components"), self.page.sentence()
        self.by_source = self.page.heading("By source token")
        self.sources = self.page.bars("Source tokens")
        self.page.heading("What each layer's stream would predict")
        self.lens = self.page.bars("Logit lens")
        self.target.editingFinished.connect(self._ask)
        self.against.editingFinished.connect(self._ask)
        self.bars.rowClicked.connect(self._pin)
        state.selected.connect(self._on_selected)
        state.found.connect(self._on_found)

    def _field(self, empty: str, name: str) -> QLineEdit:
        field = QLineEdit()
        field.setPlaceholderText(empty)
        field.setAccessibleName(name)
        field.setToolTip(f"{name}: a word that is one token; empty is the {empty}.")
        field.setClearButtonEnabled(True)
        return field

    def _fields(self) -> QWidget:
        row = QWidget()
        line = QHBoxLayout(row)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.target, 1)
        line.addWidget(self.against, 1)
        return row

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.page.set_theme(theme)
        for field in (self.target, self.against):
            field.setFont(mono_font(theme.px(SECONDARY)))

    @override
    def numbers(self) -> Table:
        """Every component, and what it added without interventions."""
        split, before = self._split("prediction_split"), self._split("baseline_split")
        header: tuple[str, ...] = ("component", "logit") + (("logit without interventions",) if before else ())
        if split is None:
            return Table("logit", header, [])
        old = {} if before is None else dict(zip(before.names, before.values.tolist(), strict=True))
        rows: list[tuple[Cell, ...]] = [
            (name, value, *((old.get(name),) if before else ()))
            for name, value in zip(split.names, split.values.tolist(), strict=True)
        ]
        rows.append(("remainder", split.remainder, *((before.remainder,) if before else ())))
        return Table(f"logit of {split.token.text} after position {split.position}", header, rows)

    @Slot()
    def _ask(self) -> None:
        self._state.select(target=self.target.text(), against=self.against.text())

    @Slot(int)
    def _pin(self, index: int) -> None:
        name = self._shown[index]
        if name[0].isdecimal():
            self._state.toggle_head(HeadRef.parse(name))

    @Slot(object, object)
    def _on_selected(self, new: Selection, old: Selection) -> None:
        for field, text in ((self.target, new.target), (self.against, new.against)):
            if field.text() != text:
                field.setText(text)

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "prediction_split", "baseline_split", "analysis", "troubles"):
            self._show(new)

    def _split(self, name: str) -> PredictionSplit | None:
        found: PredictionSplit | None = self._state.findings.of_run(name)
        return found

    def _show(self, found: Findings) -> None:
        split, analysis = self._split("prediction_split"), found.analysis
        trouble = trouble_words(found.troubles.get("prediction_split"))
        if split is None or analysis is None:
            self.set_note("" if trouble else "splitting the logit …")
            if trouble:
                self.sentence.setText(trouble)
            return
        self.set_note("direct effects", DIRECT)
        self.sentence.setText(prediction_sentence(split, analysis))
        self._show_components(split, self._split("baseline_split"))
        self._show_sources(split, analysis)
        self.lens.set_rows([_lens_row(row.layer, row.rank, row.chance, row.best.text) for row in split.lens], full=1.0)
        total = float(split.values.sum())
        self.check.setText(check_sentence(total, split.measured, split.remainder, "the logit") + f" {DIRECT}")

    def _show_components(self, split: PredictionSplit, before: PredictionSplit | None) -> None:
        old = {} if before is None else dict(zip(before.names, before.values.tolist(), strict=True))
        order = np.argsort(-np.abs(split.values), kind="stable")[:MOST].tolist()
        self._shown = [split.names[place] for place in order]
        values = [float(split.values[place]) for place in order]
        self.bars.set_rows(
            [
                BarRow(name, value, number(value, signed=True), old.get(name), tip=_tip(name, value, old.get(name)))
                for name, value in zip(self._shown, values, strict=True)
            ]
        )

    def _show_sources(self, split: PredictionSplit, analysis: Analysis) -> None:
        self.by_source.setText(f"Head {split.head}, by the token it came from")
        order = np.argsort(-np.abs(split.by_source), kind="stable")[:SOURCES].tolist()
        rows = [(visible(analysis.tokens[place].text), place, float(split.by_source[place])) for place in order]
        self.sources.set_rows(
            [BarRow(f"{text} {place}", value, number(value, signed=True)) for text, place, value in rows]
        )


def _tip(name: str, value: float, before: float | None) -> str:
    old = "" if before is None else f", without interventions {number(before, signed=True)}"
    return f"{name} adds {number(value, signed=True)}{old}"


def _lens_row(layer: int, rank: int, chance: float, best: str) -> BarRow:
    text = f"{percent(chance)}, rank {rank:,}"
    return BarRow(f"{layer} · {visible(best)}", chance, text, tip=f"before layer {layer} its best guess is {best!r}")
