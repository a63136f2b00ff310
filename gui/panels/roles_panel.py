"""Which heads behave as what: the scores of every head on random repeats, to sort and to filter."""

from __future__ import annotations

import math

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QLineEdit, QWidget
from typing_extensions import override

from engine.work.results import Comparison
from gui.export import Table
from gui.panel import Panel
from gui.state import ExplorerState, Findings, Selection, changed
from gui.theme import Theme
from gui.widgets.score_model import MEDDLING_COLUMNS, PROMPT_COLUMNS, HeadChange
from gui.widgets.score_table import ScoreTable
from gui.wording import chance_of, probe, roles_notes
from gui.words.comparison import PROMPTS, Sides, sides_of


class RolesPanel(Panel):
    """A row for every head; clicking one pins it."""

    asks = ("scores",)

    def __init__(self, state: ExplorerState, parent: QWidget | None = None) -> None:
        self.table = ScoreTable()
        super().__init__("Roles", self.table, parent)
        self._state = state
        self.filter = QLineEdit(self)
        self.filter.setPlaceholderText("Filter")
        self.filter.setAccessibleName("Filter heads")
        self.filter.setToolTip("Shows only heads of a layer (“1.”) or of a role (“ind”, “prev”, “dup”).")
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self.table.set_filter)
        self.add_control(self.filter)
        self.table.headClicked.connect(state.toggle_head)
        state.selected.connect(self._on_selected)
        state.found.connect(self._on_found)

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.table.set_theme(theme)
        self.filter.setFixedWidth(theme.px(92))

    @override
    def numbers(self) -> Table:
        """The table as shown, in full precision."""
        scores, compared = self._state.findings.scores, self._state.findings.fitting_comparison
        if compared is not None:
            return _table_of(changes_of(compared), sides_of(compared))
        header = (
            "head",
            "previous_token",
            "duplicate_token",
            "induction",
            "induction_se",
            "induction_control",
            "chance",
            "n_rows",
            "copying_eigenvalue",
            "ablation_delta_loss",
        )
        rows = [
            (str(row.ref), *(getattr(row, name) for name in header[1:]))
            for row in (scores.heads if scores is not None else ())
        ]
        return Table(f"roles, {probe(scores)}" if scores is not None else "roles", header, rows)

    @Slot(object, object)
    def _on_selected(self, new: Selection, old: Selection) -> None:
        self._mark()

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "scores", "comparison"):
            self._show(new)
        if changed(new, old, "scores", "model", "status", "comparison"):
            compared = new.fitting_comparison
            self.set_title("Roles" if compared is None else "Changes")
            self.set_note(
                *(roles_notes(new.scores) if compared is None else (measured_on(compared), measured_on(compared)))
            )
        if changed(new, old, "scores", "analysis", "behaviour"):
            self._mark()

    def _show(self, found: Findings) -> None:
        scores, compared = found.scores, found.fitting_comparison
        if compared is not None:
            columns = PROMPT_COLUMNS if sides_of(compared) is PROMPTS else MEDDLING_COLUMNS
            self.table.set_changes(changes_of(compared), columns, measured_on(compared))
        elif scores is not None:
            self.table.set_scores(scores.heads, chance_of(scores), probe(scores))
        else:
            self.table.set_scores((), None, "")

    def _mark(self) -> None:
        self.table.set_selected(self._state.held_head)


def measured_on(compared: Comparison) -> str:
    """What the scores of the two runs were measured on."""
    return "on prompts A and B" if sides_of(compared) is PROMPTS else "on this prompt"


def changes_of(compared: Comparison) -> tuple[HeadChange, ...]:
    """A row for every head in the two runs."""

    def moved(layer: int, head: int) -> float | None:
        value = float(compared.moved[layer, head])
        return value if math.isfinite(value) else None

    pairs = zip(compared.first_scores, compared.second_scores, strict=True)
    return tuple(HeadChange(first, second, moved(first.layer, first.head)) for first, second in pairs)


def _table_of(changes: tuple[HeadChange, ...], sides: Sides) -> Table:
    names = ("previous_token", "duplicate_token", "induction", "chance", "n_rows")
    header = ("head", "moved", *(f"{name} {side}" for name in names for side in sides))
    rows = [
        (str(row.ref), row.moved, *(getattr(side, name) for name in names for side in (row.first, row.second)))
        for row in changes
    ]
    return Table(f"changes, {sides.difference}", header, rows)
