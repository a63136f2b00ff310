"""Every head, and MLP, removed in turn: what that does to the prediction, sorted by signed effect."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from engine.model.config import HeadRef
from engine.work.circuit_results import HeadSweep, SweepRow
from gui.export import Table
from gui.numbers import percent
from gui.panel import Panel
from gui.state import ExplorerState, Findings, changed
from gui.theme import Theme
from gui.widgets.bar_list import BarRow
from gui.widgets.page import Page
from gui.wording import NOT_MEASURED, number
from gui.words.composition import trouble_words
from gui.words.why import REMOVAL_TIP, sweep_sentence

MOST = 40


class SweepPanel(Panel):
    """Rows re-sort in place as results come in; a click pins the head."""

    asks = ("sweep",)

    def __init__(self, state: ExplorerState, parent: QWidget | None = None) -> None:
        self.page = Page("Sweep")
        super().__init__("Sweep", self.page, parent)
        self._state = state
        self._names: list[str] = []
        self.sentence, self.bars = self.page.sentence(strong=True), self.page.bars("Removals, by effect")
        self.rest = self.page.sentence()
        self.bars.rowClicked.connect(self._pin)
        state.found.connect(self._on_found)

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.page.set_theme(theme)

    @override
    def numbers(self) -> Table:
        """Every component: after its removal minus before."""
        sweep, header = self._sweep(), ("removed", "chance", "logit less the mean", "mean loss (nats)")
        if sweep is None:
            return Table("sweep", header, [])
        rows = [(row.name, row.chance, row.logit, row.loss) for row in sweep.rows]
        return Table(f"change of {sweep.token.text} after position {sweep.position}", header, rows)

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "sweep", "analysis", "troubles"):
            self._show(new)

    def _sweep(self) -> HeadSweep | None:
        found: HeadSweep | None = self._state.findings.of_run("sweep")
        return found

    def _show(self, found: Findings) -> None:
        sweep, trouble = self._sweep(), trouble_words(found.troubles.get("sweep"))
        if sweep is None:
            self.set_note("" if trouble else "waiting …")
            if trouble:
                self.sentence.setText(trouble)
            return
        so_far = f"{len(sweep.rows)} removed so far"
        self.set_note("chance, after minus before" if sweep.complete else so_far, REMOVAL_TIP)
        self.sentence.setText(sweep_sentence(sweep))
        rows = sorted(sweep.rows, key=lambda row: row.chance)
        kept = rows if len(rows) <= MOST else sorted(rows, key=lambda row: -abs(row.chance))[:MOST]
        kept = sorted(kept, key=lambda row: row.chance)
        self._names = [row.name for row in kept]
        self.bars.set_rows([_row(row) for row in kept])
        hidden = len(rows) - len(kept)
        self.rest.setText(f"{hidden} with smaller effects are not shown; Save numbers has them." if hidden else "")

    @Slot(int)
    def _pin(self, index: int) -> None:
        name = self._names[index]
        if name[0].isdecimal():
            self._state.toggle_head(HeadRef.parse(name))


def _row(row: SweepRow) -> BarRow:
    sign = "−" if row.chance < 0 else "+"
    text = f"{sign}{percent(abs(row.chance))}"
    loss = NOT_MEASURED if row.loss is None else f"{number(row.loss, signed=True)} nats"
    tip = f"without {row.name}: chance {text}, logit {number(row.logit, signed=True)}, mean loss {loss} ({REMOVAL_TIP})"
    return BarRow(row.name, row.chance, text, tip=tip)
