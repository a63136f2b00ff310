"""One head in large: its pattern or raw scores on the prompt, and the name it has earned."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QToolButton, QWidget
from typing_extensions import override

from engine.model.config import HeadRef
from engine.work.requests import ExamineHead, Request
from engine.work.results import HeadScores
from gui.actions import Actions
from gui.export import Table
from gui.needs import requests_of
from gui.panel import Panel
from gui.roles import role_of
from gui.state import ExplorerState, Findings, Hover, Selection, changed
from gui.theme import Theme
from gui.widgets.pattern_view import PatternView
from gui.wording import criteria_tooltip, head_note, head_title
from gui.words.comparison import sides_of

Shown = tuple[object, ...]


class HeadPanel(Panel):
    """The pattern of the hovered or pinned head; pointing at a cell tells who attends to whom."""

    def __init__(self, state: ExplorerState, actions: Actions, parent: QWidget | None = None) -> None:
        self.view = PatternView()
        super().__init__("Head", self.view, parent)
        self._state = state
        self._shown: Shown = ()
        self.view.painted.connect(actions.paint_attention)
        self.view.cellHovered.connect(self._point)
        self.view.cellClicked.connect(self._pin_cell)
        state.selected.connect(self._on_selected)
        state.found.connect(self._on_found)
        state.hovered.connect(self._on_hovered)

    def add_controls(self, actions: list[QAction]) -> None:
        """On the title line, a switch for each action."""
        for action in actions:
            button = QToolButton(self)
            button.setDefaultAction(action)
            self.add_control(button)

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.view.set_theme(theme)

    @override
    def numbers(self) -> Table:
        """The matrix as shown: destinations down, sources across."""
        analysis, head = self._state.findings.analysis, self._state.shown_head
        if analysis is None or head is None:
            return Table("head", ("destination",), [])
        values, kind = self._values(head)
        if values is None:
            return Table(f"head {head}", ("destination",), [])
        texts = [token.text for token in analysis.tokens]
        rows = [(texts[row], *(_cell(value) for value in values[row])) for row in range(len(texts))]
        return Table(f"head {head}: {kind}", ("destination", *texts), rows)

    @override
    def requests(self) -> tuple[Request, ...]:
        """The one head in full precision, wherever the picture itself came from."""
        head, shown = self._state.shown_head, self._state.selection
        examined = () if head is None else (ExamineHead(shown.prompt, head, self._state.in_force),)
        return (*requests_of(self._state, ("comparison",)), *examined)

    # ------------------------------------------------------------ pointer
    @Slot(object)
    def _point(self, cell: tuple[int, int] | None) -> None:
        self._state.point(Hover() if cell is None else Hover(token=cell[0], source=cell[1]))

    @Slot(int, int)
    def _pin_cell(self, destination: int, source: int) -> None:
        """Pin who attends to whom; the same cell again lets go."""
        pinned = (self._state.selection.token, self._state.selection.source)
        if pinned == (destination, source):
            self._state.select(token=None, source=None)
        else:
            self._state.select(token=destination, source=source, head=self._state.held_head)

    # ------------------------------------------------------------ what is shown
    @Slot(object, object)
    def _on_selected(self, new: Selection, old: Selection) -> None:
        if changed(new, old, "stripe"):
            self._show_stripe()
        if changed(new, old, "painting"):
            self.view.set_painting(new.painting)
        if not changed(new, old, "prompt"):  # a new prompt shows once it is read
            self._show()

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "analysis", "detail", "behaviour", "scores", "comparison", "other_detail"):
            self._show()
        if changed(new, old, "analysis"):
            self._show_stripe()

    @Slot(object, object)
    def _on_hovered(self, new: Hover, old: Hover) -> None:
        self._show()

    def _show(self) -> None:
        analysis, head = self._state.findings.analysis, self._state.shown_head
        if analysis is None or head is None:
            return
        values, kind = self._values(head)
        if values is None:
            return  # the head before stays in sight for the moment that this one takes
        found = self._state.findings
        runs = (id(analysis), id(found.detail), id(found.comparison), id(found.other_detail))
        key: Shown = (*runs, head, kind, self._state.selection.hide_first)
        if key != self._shown:
            self._shown = key
            compared = found.fitting_comparison
            self.view.set_difference("" if compared is None else sides_of(compared).difference)
            self.view.set_values(values, kind, analysis.tokens)
        focus, hover = self._state.focus, self._state.hover
        self.view.set_marks(focus.destination, focus.source)
        self.view.set_hovered_token(hover.token if hover.source is None else None)
        self._name(head)

    def _values(self, head: HeadRef) -> tuple[NDArray[Any] | None, Any]:
        """(T, T) and what it is; raw scores appear once they have been computed for this head. None: not yet known."""
        hide = self._state.selection.hide_first
        if self._state.findings.fitting_comparison is not None:
            gap = self._state.findings.difference_of(head)
            return (gap if gap is None or not hide else _without_first(gap, np.nan)), "difference"
        detail = self._state.findings.fitting_detail
        if self._state.selection.raw_scores and detail is not None and detail.head == head:
            return (_without_first(detail.scores, np.nan) if hide else detail.scores), "score"
        pattern = self._state.findings.pattern_of(head)
        if pattern is None:
            return None, "attention"
        pattern = pattern.astype(np.float32)
        return (_without_first(pattern, 0.0) if hide else pattern), "attention"

    def _show_stripe(self) -> None:
        analysis = self._state.findings.analysis
        shown = analysis if self._state.selection.stripe else None
        self.view.set_stripe(shown.stripe if shown is not None else None)

    def _name(self, head: HeadRef) -> None:
        scores = self._state.findings.fitting_scores
        row = next((row for row in scores.heads if row.ref == head), None) if scores is not None else None
        self.set_title(head_title(head, row), _role(row))
        focus = self._state.focus
        note = head_note(head in self._state.removed_heads, focus.pinned, self._state.hover.head is not None)
        self.set_note(note, criteria_tooltip(role_of(row)) if row is not None else "")


def _role(row: HeadScores | None) -> Any:
    return role_of(row).kind if row is not None else "none"


def _without_first(values: NDArray[Any], blank: float) -> NDArray[Any]:
    copy = values.copy()
    copy[1:, 0] = blank
    return copy


def _cell(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
