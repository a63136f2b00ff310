"""The composition diagram: which heads may feed which, from weights, or which did on this prompt."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from PySide6.QtCore import QSignalBlocker, Slot
from PySide6.QtWidgets import QToolButton, QWidget
from typing_extensions import override

from engine.model.config import HeadRef
from engine.work.circuit_results import Composition
from engine.work.requests import Pair
from gui.export import Table
from gui.panel import Panel
from gui.roles import telling_score
from gui.state import DiagramChoice, ExplorerState, Findings, Hover, Selection, changed
from gui.theme import Theme
from gui.widgets.diagram_menu import DiagramMenu
from gui.widgets.diagram_model import FROM_WEIGHTS, Filter, HeadMark, Kind, Telling, bare, of_prompt
from gui.widgets.diagram_view import DiagramView
from gui.words.composition import MEASURING, ONE_LAYER, TRACING, alone, on_prompt, source_note, trouble_words, waiting

KINDS: tuple[Kind, ...] = get_args(Kind)
COLUMNS = ("from", "to", "kind", "score", "baseline", "z", "ceiling", "fraction", "rank")


class DiagramPanel(Panel):
    """Hovering an edge reads it, clicking pins the pair; clicking a head pins the head."""

    asks = ("composition", "circuit")

    def __init__(self, state: ExplorerState, parent: QWidget | None = None) -> None:
        self.view = DiagramView()
        super().__init__("Composition", self.view, parent)
        self._state = state
        self._composition: Composition | None = None
        self.kinds = {kind: self._switch(kind.upper(), f"Edges into {word}.") for kind, word in _WORDS.items()}
        self.ends = self._switch("Ends", "Also what heads read from tokens and positions, and write to the logits.")
        self.prompt = self._switch("This prompt", "What heads gave one another on this prompt, instead of weights.")
        self.edges = DiagramMenu(self)
        self.edges.topChosen.connect(self._choose_top)
        self.edges.leastChosen.connect(self._choose_least)
        self._add_menu(self.edges)
        self.view.pointed.connect(self._point)
        self.view.headClicked.connect(state.toggle_head)
        self.view.edgeClicked.connect(self._pin)
        state.selected.connect(self._on_selected)
        state.found.connect(self._on_found)
        state.hovered.connect(self._on_hovered)
        self._show_choice()

    def _switch(self, text: str, tip: str) -> QToolButton:
        button = QToolButton(self)
        button.setText(text)
        button.setToolTip(tip)
        button.setCheckable(True)
        button.toggled.connect(self._choose)
        self.add_control(button)
        return button

    def _add_menu(self, menu: DiagramMenu) -> None:
        button = QToolButton(self)
        button.setText("Edges ▾")
        button.setToolTip("How many edges of each kind, and how weak they may be.")
        button.setMenu(menu)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.add_control(button)

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.view.set_theme(theme)
        self.edges.set_theme(theme)

    @override
    def numbers(self) -> Table:
        """Every edge that is drawn; on this prompt `score` is the contribution and `fraction` the strength."""
        shown = self._composition
        rows = []
        for pair in reversed(list(self.view.seen.fractions)):
            figures = shown.figures(pair) if shown is not None else None
            if figures is not None:
                values = (figures.score, figures.baseline, figures.z, figures.ceiling, figures.fraction)
                rows.append((*pair, *(value if value == value else None for value in values), figures.rank))
        source = "this prompt's circuit" if self._state.selection.diagram.source == "prompt" else "composition"
        return Table(f"{source}, the edges drawn", COLUMNS, rows)

    # ------------------------------------------------------------ choices
    @Slot()
    def _choose(self) -> None:
        old = self._state.selection.diagram
        self._state.select(
            diagram=replace(
                old,
                kinds=frozenset(kind for kind, button in self.kinds.items() if button.isChecked()),
                ends=self.ends.isChecked() if self.ends.isEnabled() else old.ends,
                source="prompt" if self.prompt.isChecked() else "weights",
            )
        )

    @Slot(int)
    def _choose_top(self, number: int) -> None:
        self._state.select(diagram=replace(self._state.selection.diagram, top=number))

    @Slot(float)
    def _choose_least(self, least: float) -> None:
        old = self._state.selection.diagram
        chosen = replace(old, threshold=least) if old.source == "weights" else replace(old, strength=least)
        self._state.select(diagram=chosen)

    def _show_choice(self) -> None:
        chosen, one_layer = self._state.selection.diagram, self._one_layer()
        self.ends.setEnabled(not one_layer)
        states = {
            **{self.kinds[kind]: kind in chosen.kinds for kind in self.kinds},
            self.ends: chosen.ends or one_layer,
            self.prompt: chosen.source == "prompt",
        }
        for button, on in states.items():
            blocked = QSignalBlocker(button)
            button.setChecked(on)
            blocked.unblock()
        weights = chosen.source == "weights"
        least = chosen.threshold if weights else chosen.strength
        self.edges.show_choice(chosen.top, least, f"From {{:.2f}} {'of the ceiling' if weights else 'in strength'} up")
        self.view.set_filter(_filter(chosen, least, one_layer))

    def _one_layer(self) -> bool:
        analysis = self._state.findings.analysis
        return analysis is not None and analysis.model.layers == 1

    # ------------------------------------------------------------ pointer
    @Slot(object, object)
    def _point(self, head: HeadRef | None, pair: Pair | None) -> None:
        self._state.point(Hover(head=head, pair=pair))

    @Slot(object)
    def _pin(self, pair: Pair) -> None:
        """The matrix shows the kind of what is pinned."""
        self._state.toggle_pair(pair)
        if self._state.selection.pair == pair and pair.kind in KINDS:
            self._state.select(diagram=replace(self._state.selection.diagram, matrix=pair.kind))

    # ------------------------------------------------------------ what is shown
    @Slot(object, object)
    def _on_selected(self, new: Selection, old: Selection) -> None:
        if changed(new, old, "diagram"):
            self._show_choice()
            self._show()
        if changed(new, old, "steps"):
            self._mark()
        self.view.set_selected(new.head)
        self.view.set_pinned(new.pair)

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "analysis"):
            self._show_choice()
        if changed(new, old, "composition", "circuit", "analysis", "troubles"):
            self._show()
        if changed(new, old, "scores", "analysis"):
            self._mark()

    @Slot(object, object)
    def _on_hovered(self, new: Hover, old: Hover) -> None:
        self.view.set_hovered(new.head, new.pair)

    def _show(self) -> None:
        found, wanted = self._state.findings, self._state.selection.diagram.source == "prompt"
        self._composition, telling = self._from_prompt() if wanted else self._from_weights()
        self.view.set_composition(self._composition, telling)
        self._mark()
        self.view.set_selected(self._state.selection.head)
        self.view.set_pinned(self._state.selection.pair)
        note, tip = source_note(found.of_run("circuit"), found.analysis, wanted)
        self.set_note(ONE_LAYER if self._one_layer() else note, tip)

    def _from_weights(self) -> tuple[Composition | None, Telling]:
        found: Composition | None = self._state.findings.of_model("composition")
        if found is None:
            return self._bare(), waiting(trouble_words(self._state.findings.troubles.get("composition")) or MEASURING)
        return found, alone() if self._one_layer() else FROM_WEIGHTS

    def _from_prompt(self) -> tuple[Composition | None, Telling]:
        circuit, analysis = self._state.findings.of_run("circuit"), self._state.findings.analysis
        trouble = trouble_words(self._state.findings.troubles.get("circuit"))
        if circuit is None or analysis is None or trouble:
            return self._bare(), waiting(trouble or TRACING)
        return of_prompt(circuit), on_prompt(circuit, analysis)

    def _bare(self) -> Composition | None:
        """Nodes without edges, at the places that they will keep."""
        analysis = self._state.findings.analysis
        if analysis is None:
            return None
        model = analysis.model
        return bare(model.layers, model.heads, model.config.positions in ("absolute", "shortformer"))

    def _mark(self) -> None:
        scores, removed = self._state.findings.fitting_scores, self._state.removed_heads
        marks = {}
        for row in scores.heads if scores is not None else ():
            best = telling_score(row)
            if best is not None and best.notable:
                marks[row.ref] = HeadMark(best.kind, best.value, row.ref in removed)
            elif row.ref in removed:
                marks[row.ref] = HeadMark(removed=True)
        self.view.set_marks(marks)


_WORDS: dict[Kind, str] = {"q": "queries (dashed)", "k": "keys (solid)", "v": "values (dotted)"}


def _filter(chosen: DiagramChoice, least: float, one_layer: bool) -> Filter:
    kinds = frozenset(kind for kind in KINDS if kind in chosen.kinds)
    return Filter(chosen.top, least, kinds, chosen.ends or one_layer)
