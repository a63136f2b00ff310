"""All pairs of heads of one kind as one image, linked with the diagram."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PySide6.QtCore import QSignalBlocker, Slot
from PySide6.QtWidgets import QToolButton, QWidget
from typing_extensions import override

from engine.work.circuit_results import Composition
from engine.work.requests import Pair, PairKind
from gui.export import Table
from gui.panel import Panel
from gui.state import ExplorerState, Findings, Hover, Selection, changed
from gui.theme import Theme
from gui.widgets.diagram_model import Kind
from gui.widgets.matrix_view import MatrixView
from gui.words.composition import MEASURING, WEIGHTS_TIP, trouble_words

WORDS: dict[Kind, str] = {"q": "into queries", "k": "into keys", "v": "into values"}


class MatrixPanel(Panel):
    """Writers down, readers across; clicking a cell pins the pair."""

    asks = ("composition",)

    def __init__(self, state: ExplorerState, parent: QWidget | None = None) -> None:
        self.view = MatrixView()
        super().__init__("All pairs", self.view, parent)
        self._state = state
        self.kinds = {kind: self._switch(kind) for kind in WORDS}
        self.view.pairHovered.connect(self._point)
        self.view.pairClicked.connect(state.toggle_pair)
        state.selected.connect(self._on_selected)
        state.found.connect(self._on_found)
        state.hovered.connect(self._on_hovered)
        self._show()

    def _switch(self, kind: Kind) -> QToolButton:
        button = QToolButton(self)
        button.setText(kind.upper())
        button.setToolTip(f"Composition {WORDS[kind]}.")
        button.setCheckable(True)
        button.setAutoExclusive(True)
        button.clicked.connect(self._choose)
        self.add_control(button)
        return button

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.view.set_theme(theme)

    @override
    def numbers(self) -> Table:
        """The fractions of the ceiling, writers down and readers across."""
        found, kind = self._composition(), self._kind()
        name = f"{kind.upper()}-composition of all pairs, fraction of the ceiling"
        if found is None:
            return Table(name, ("from",), [])
        rows = [
            (writer, *(float(value) if np.isfinite(value) else None for value in row))
            for writer, row in zip(found.writers, found.kinds[kind].fraction, strict=True)
        ]
        return Table(name, ("from", *found.readers), rows)

    @Slot()
    def _choose(self) -> None:
        kind: PairKind = next(kind for kind, button in self.kinds.items() if button.isChecked())
        self._state.select(diagram=replace(self._state.selection.diagram, matrix=kind))

    @Slot(object)
    def _point(self, pair: Pair | None) -> None:
        self._state.point(Hover(pair=pair))

    @Slot(object, object)
    def _on_selected(self, new: Selection, old: Selection) -> None:
        if changed(new, old, "diagram"):
            self._show()
        self.view.set_pinned(new.pair)

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "composition", "analysis", "troubles"):
            self._show()

    @Slot(object, object)
    def _on_hovered(self, new: Hover, old: Hover) -> None:
        self.view.set_hovered_pair(new.pair)

    def _kind(self) -> Kind:
        wanted = self._state.selection.diagram.matrix
        return next(kind for kind in WORDS if kind == wanted)

    def _composition(self) -> Composition | None:
        found: Composition | None = self._state.findings.of_model("composition")
        return found

    def _show(self) -> None:
        kind = self._kind()
        for other, button in self.kinds.items():
            blocked = QSignalBlocker(button)
            button.setChecked(other == kind)
            blocked.unblock()
        trouble = trouble_words(self._state.findings.troubles.get("composition"))
        self.view.set_composition(self._composition(), kind, trouble or MEASURING)
        self.view.set_pinned(self._state.selection.pair)
        self.set_note(WORDS[kind], WEIGHTS_TIP)
