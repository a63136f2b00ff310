"""Which heads behave as what: the scores of every head on random repeats, to sort and to filter."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QLineEdit, QWidget

from gui.export import Table
from gui.state import ExplorerState, Findings, Selection, changed
from gui.theme import Theme
from gui.widgets.panel_frame import PanelFrame
from gui.widgets.score_table import ScoreTable
from gui.wording import chance_of, probe, roles_note


class RolesPanel(PanelFrame):
    """A row for every head; clicking one pins it."""

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

    def apply_theme(self, theme: Theme) -> None:
        self.set_theme(theme)
        self.table.set_theme(theme)
        self.filter.setFixedWidth(theme.px(92))

    def numbers(self) -> Table:
        """The table as shown, in full precision."""
        scores = self._state.findings.scores
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
        if changed(new, old, "scores", "model"):
            scores = new.scores
            if scores is None:
                self.table.set_scores((), None, "")
            else:
                self.table.set_scores(scores.heads, chance_of(scores), probe(scores))
        if changed(new, old, "scores", "model", "status"):
            self.set_note(roles_note(new.scores), probe(new.scores) if new.scores is not None else "")
        if changed(new, old, "scores", "analysis", "behaviour"):
            self._mark()

    def _mark(self) -> None:
        self.table.set_selected(self._state.held_head)
