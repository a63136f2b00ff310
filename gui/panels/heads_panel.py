"""Every head's attention pattern in one grid, with a few neutral words on what each head does."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QToolButton, QWidget

from engine.model.config import HeadRef
from engine.work.results import HeadScores, RoleScores
from gui.export import Cell, Table
from gui.roles import telling_score
from gui.state import ExplorerState, Findings, Hover, Selection, changed
from gui.theme import Theme
from gui.widgets.atlas_view import AtlasView, Badge
from gui.widgets.panel_frame import PanelFrame
from gui.wording import badge_tooltip


class HeadsPanel(PanelFrame):
    """The atlas of all heads; hovering previews a head, clicking pins it."""

    def __init__(self, state: ExplorerState, parent: QWidget | None = None) -> None:
        self.view = AtlasView()
        super().__init__("Attention heads", self.view, parent)
        self._state = state
        self.view.headHovered.connect(self._point)
        self.view.headClicked.connect(state.toggle_head)
        state.selected.connect(self._on_selected)
        state.found.connect(self._on_found)
        state.hovered.connect(self._on_hovered)

    def add_controls(self, sort: QMenu, actions: list[QAction]) -> None:
        """On the title line: what to sort by, then a switch for each action."""
        for action in actions:
            button = QToolButton(self)
            button.setDefaultAction(action)
            self.add_control(button)
        button = QToolButton(self)
        button.setText("Sort ▾")
        button.setToolTip("In which order the heads stand.")
        button.setMenu(sort)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.add_control(button)

    def apply_theme(self, theme: Theme) -> None:
        self.set_theme(theme)
        self.view.set_theme(theme)

    def numbers(self) -> Table:
        """For every head, how much each token attends to each other: one row for a destination."""
        analysis = self._state.findings.analysis
        if analysis is None:
            return Table("attention of every head", ("head", "destination"), [])
        texts = [token.text for token in analysis.tokens]
        rows: list[tuple[Cell, ...]] = [
            (f"{layer}.{head}", texts[row], *(float(v) for v in analysis.patterns[layer, head, row]))
            for layer in range(analysis.patterns.shape[0])
            for head in range(analysis.patterns.shape[1])
            for row in range(len(texts))
        ]
        return Table("attention of every head", ("head", "destination", *texts), rows)

    @Slot(object)
    def _point(self, head: HeadRef | None) -> None:
        self._state.point(Hover(head=head))

    @Slot(object, object)
    def _on_selected(self, new: Selection, old: Selection) -> None:
        if changed(new, old, "hide_first"):
            self._show_patterns()
        if changed(new, old, "stripe"):
            self._show_stripe()
        if changed(new, old, "order"):
            self._sort()
        if changed(new, old, "ablated"):
            self.view.set_removed(frozenset(new.ablated))
        self._mark()

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "analysis"):
            self._show_patterns()
            self._show_stripe()
            if new.analysis is not None and (old.analysis is None or new.analysis.model != old.analysis.model):
                self._show_scores()  # the view forgets badges and order with the shape of the old model
        if changed(new, old, "scores", "model"):
            self._show_scores()
        if changed(new, old, "analysis", "scores", "behaviour"):
            self.view.set_removed(frozenset(self._state.selection.ablated))
            self._mark()

    @Slot(object, object)
    def _on_hovered(self, new: Hover, old: Hover) -> None:
        self.view.set_hovered(new.head)
        self._mark()

    def _show_patterns(self) -> None:
        analysis = self._state.findings.analysis
        if analysis is not None:
            hide = self._state.selection.hide_first
            self.view.set_thumbnails(analysis.thumbnails_without_first if hide else analysis.thumbnails)

    def _show_scores(self) -> None:
        self.view.set_badges(badges(self._state.findings.fitting_scores))
        self._sort()

    def _show_stripe(self) -> None:
        analysis = self._state.findings.analysis
        shown = analysis is not None and self._state.selection.stripe
        self.view.set_stripe(analysis.stripe if shown and analysis is not None else None)

    def _sort(self) -> None:
        scores, order = self._state.findings.fitting_scores, self._state.selection.order
        if scores is None or order == "layer":
            self.view.set_order(None)
            return
        rows = sorted(scores.heads, key=_by_induction if order == "induction" else _by_previous, reverse=True)
        self.view.set_order([row.ref for row in rows])

    def _mark(self) -> None:
        analysis, hover, pinned = self._state.findings.analysis, self._state.hover, self._state.selection.token
        token = hover.token if hover.token is not None else pinned
        count = len(analysis.tokens) if analysis is not None else 0
        inside = token if token is not None and token < count else None
        self.view.set_focus_cells(inside, inside, count)
        self.view.set_selected(self._state.held_head)


def _by_induction(row: HeadScores) -> float:
    return row.induction if row.induction is not None else -1.0


def _by_previous(row: HeadScores) -> float:
    return row.previous_token if row.previous_token is not None else -1.0


def badges(scores: RoleScores | None) -> dict[HeadRef, Badge]:
    """“ind 0.91” in the colour of the role; a weaker score is written but stays quiet."""
    found = {}
    for row in scores.heads if scores is not None else ():
        score = telling_score(row)
        text = f"{score.short} {score.value:.2f}" if score is not None else ""
        role = score.kind if score is not None and score.notable else "none"
        assert scores is not None
        found[row.ref] = Badge(text, role, badge_tooltip(row, scores))
    return found
