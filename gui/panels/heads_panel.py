"""Every head's attention pattern in one grid, with a few neutral words on what each head does."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QMenu, QToolButton, QWidget
from typing_extensions import override

from engine.model.config import HeadRef
from engine.work.results import Comparison, HeadScores, RoleScores
from gui.choice_menu import Choice, ChoiceMenu
from gui.export import Cell, Table
from gui.panel import Panel
from gui.roles import telling_score
from gui.state import ExplorerState, Findings, Hover, Selection, changed
from gui.theme import Theme
from gui.widgets.atlas_view import AtlasView, Badge
from gui.wording import badge_tooltip
from gui.words.comparison import colours_note, colours_tip, moved_tooltip, sides_of

NOT_KEPT = "attention of every head: not kept, as the prompt is too long for the memory budget; save a head instead"
NOTABLE_MOVE = 0.2
FEW_LAYERS, BLOCK = 6, 5  # where there are more, the grid can be cut down to some of them


class HeadsPanel(Panel):
    """The atlas of all heads; hovering previews a head, clicking pins it."""

    asks = ("analysis", "comparison", "scores")

    def __init__(self, state: ExplorerState, parent: QWidget | None = None) -> None:
        self.view = AtlasView()
        super().__init__("Attention heads", self.view, parent)
        self._state = state
        self._layers = ChoiceMenu("Layers", self)
        self._layers.chosen.connect(self._choose_layers)
        self._layers_button = QToolButton(self)
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
        self._add_menu(QToolButton(self), "Sort ▾", sort, "In which order the heads stand.")
        self._add_menu(self._layers_button, "Layers ▾", self._layers, "Which layers the grid shows.")
        self._layers_button.hide()

    def _add_menu(self, button: QToolButton, text: str, menu: QMenu, tip: str) -> None:
        button.setText(text)
        button.setToolTip(tip)
        button.setMenu(menu)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.add_control(button)

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.view.set_theme(theme)

    @override
    def numbers(self) -> Table:
        """For every head, how much each token attends to each other: one row for a destination."""
        analysis = self._state.findings.analysis
        if analysis is None:
            return Table("attention of every head", ("head", "destination"), [])
        if analysis.patterns is None:
            return Table(NOT_KEPT, ("head", "destination"), [])
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
        if changed(new, old, "layers"):
            self._show_layers()
        if changed(new, old, "steps"):
            self.view.set_removed(self._state.removed_heads)
        self._mark()

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "analysis"):
            self._show_patterns()
            self._show_stripe()
            if new.analysis is not None and (old.analysis is None or new.analysis.model != old.analysis.model):
                self._show_scores()  # the view forgets badges, order and layers with the shape of the old model
                self._show_layers()
        if changed(new, old, "scores", "model"):
            self._show_scores()
        if changed(new, old, "comparison"):
            self._show_patterns()
            self._show_scores()
            self._show_stripe()
        if changed(new, old, "analysis", "scores", "behaviour"):
            self.view.set_removed(self._state.removed_heads)
            self._mark()

    @Slot(object, object)
    def _on_hovered(self, new: Hover, old: Hover) -> None:
        self.view.set_hovered(new.head)
        self._mark()

    def _show_patterns(self) -> None:
        analysis, compared = self._state.findings.analysis, self._state.findings.fitting_comparison
        sides = None if compared is None else sides_of(compared)
        self.set_title("Attention heads" if sides is None else f"Attention heads: {sides.difference}")
        self.set_note(*(("", "") if sides is None else (colours_note(sides), colours_tip(sides))))
        if compared is not None:
            self.view.set_thumbnails(compared.thumbnails, signed=True)
        elif analysis is not None:
            hide = self._state.selection.hide_first
            self.view.set_thumbnails(analysis.thumbnails_without_first if hide else analysis.thumbnails)

    def _show_scores(self) -> None:
        compared = self._state.findings.fitting_comparison
        own = badges(self._state.findings.fitting_scores)
        self.view.set_badges(own if compared is None else changes(compared))
        self._sort()

    def _show_layers(self) -> None:
        """The grid cut down to the chosen layers; where there are few layers there is nothing to choose."""
        analysis, chosen = self._state.findings.analysis, self._state.selection.layers
        count = analysis.model.layers if analysis is not None else 0
        self._layers_button.setVisible(count > FEW_LAYERS)
        self._layers_button.setText("Layers ▾" if chosen is None else f"Layers {chosen[0]} to {chosen[1]} ▾")
        blocks = [(first, min(first + BLOCK, count) - 1) for first in range(0, count, BLOCK)]
        self._layers.set_choices(
            [Choice("", "All layers", current=chosen is None)]
            + [
                Choice(f"{low} {high}", f"Layers {low} to {high}", current=(low, high) == chosen)
                for low, high in blocks
            ]
        )
        self.view.set_layers(None if chosen is None else range(chosen[0], chosen[1] + 1))

    @Slot(str)
    def _choose_layers(self, key: str) -> None:
        bounds = [int(number) for number in key.split()]
        self._state.select(layers=(bounds[0], bounds[1]) if bounds else None)

    def _show_stripe(self) -> None:
        analysis = self._state.findings.analysis
        shown = analysis is not None and self._state.selection.stripe
        self.view.set_stripe(analysis.stripe if shown and analysis is not None else None)

    def _sort(self) -> None:
        compared = self._state.findings.fitting_comparison
        scores, order = self._state.findings.fitting_scores, self._state.selection.order
        if compared is not None and order != "layer":
            found = {row.ref: float(compared.moved[row.layer, row.head]) for row in compared.first_scores}
            self.view.set_order(sorted(found, key=lambda head: -np.nan_to_num(found[head], nan=-1.0)))
            return
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


def changes(compared: Comparison) -> dict[HeadRef, Badge]:
    """How far each head moves its attention; what moves much is in the colour of what was done to the prompt."""
    found = {}
    for row in compared.first_scores:
        moved = float(compared.moved[row.layer, row.head])
        text = f"Δ {moved:.2f}" if np.isfinite(moved) else ""
        found[row.ref] = Badge(
            text, "accent" if moved >= NOTABLE_MOVE else "none", moved_tooltip(moved, sides_of(compared))
        )
    return found


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
