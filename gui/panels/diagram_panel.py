"""The composition diagram: which heads may feed which, from weights, or which did on this prompt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

from PySide6.QtCore import QSignalBlocker, Slot
from PySide6.QtWidgets import QToolButton, QWidget
from typing_extensions import override

from engine.model.config import HeadRef
from engine.work.circuit_results import Composition
from engine.work.requests import Pair
from gui.choice_menu import Choice, ChoiceMenu
from gui.export import Table
from gui.panel import Panel
from gui.roles import telling_score
from gui.state import DiagramChoice, ExplorerState, Findings, Hover, Selection, changed
from gui.steps import removed_heads
from gui.theme import Theme
from gui.widgets.diagram_model import Filter, HeadMark, Kind, of_prompt
from gui.widgets.diagram_view import DiagramView
from gui.words.composition import ONE_LAYER, given_words, source_note, trouble_words

TOPS, THRESHOLDS = (1, 3, 6, 12, 25, 50, 100), (0.0, 0.25, 0.4, 0.5, 0.6, 0.7, 0.8)
KINDS: tuple[Kind, ...] = get_args(Kind)
COLUMNS = ("from", "to", "kind", "score", "baseline", "z", "ceiling", "fraction", "rank")


class DiagramPanel(Panel):
    """Hovering an edge reads it, clicking pins the pair; clicking a head pins the head."""

    asks = ("composition", "circuit")

    def __init__(self, state: ExplorerState, parent: QWidget | None = None) -> None:
        self.view = DiagramView()
        super().__init__("Composition", self.view, parent)
        self._state = state
        self.kinds = {kind: self._switch(kind.upper(), f"Edges into {word}.") for kind, word in _WORDS.items()}
        self.ends = self._switch("Ends", "Also what heads read from tokens and positions, and write to the logits.")
        self.prompt = self._switch("This prompt", "What heads gave one another on this prompt, instead of weights.")
        self.edges = ChoiceMenu("Edges", self)
        self.edges.chosen.connect(self._choose_edges)
        self._add_menu(self.edges)
        self.view.headHovered.connect(self._point_head)
        self.view.edgeHovered.connect(self._point_edge)
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

    def _add_menu(self, menu: ChoiceMenu) -> None:
        button = QToolButton(self)
        button.setText("Edges ▾")
        button.setToolTip("How many edges of each kind, and from which share of their ceiling up.")
        button.setMenu(menu)
        button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.add_control(button)

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.view.set_theme(theme)

    @override
    def numbers(self) -> Table:
        """Every edge that is drawn; on this prompt `score` is the contribution and `fraction` the strength."""
        shown = self._composition()
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
                ends=self.ends.isChecked(),
                source="prompt" if self.prompt.isChecked() else "weights",
            )
        )

    @Slot(str)
    def _choose_edges(self, key: str) -> None:
        """`top 12` or `threshold 0.4`."""
        name, _, value = key.partition(" ")
        chosen: dict[str, Any] = {name: int(value) if name == "top" else float(value)}
        self._state.select(diagram=replace(self._state.selection.diagram, **chosen))

    def _show_choice(self) -> None:
        chosen = self._state.selection.diagram
        states = {
            **{self.kinds[kind]: kind in chosen.kinds for kind in self.kinds},
            self.ends: chosen.ends,
            self.prompt: chosen.source == "prompt",
        }
        for button, on in states.items():
            blocked = QSignalBlocker(button)
            button.setChecked(on)
            blocked.unblock()
        tops = [Choice(f"top {n}", f"The {n} strongest of each kind", current=n == chosen.top) for n in TOPS]
        least = [
            Choice(f"threshold {x}", f"From {x:.2f} of the ceiling up", current=x == chosen.threshold)
            for x in THRESHOLDS
        ]
        self.edges.set_choices([*tops, *least])
        self.view.set_filter(_filter(chosen))

    # ------------------------------------------------------------ pointer
    @Slot(object)
    def _point_head(self, head: HeadRef | None) -> None:
        self._state.point(Hover(head=head))

    @Slot(object)
    def _point_edge(self, pair: Pair | None) -> None:
        self._state.point(Hover(pair=pair))

    @Slot(str, str, str)
    def _pin(self, writer: str, reader: str, kind: str) -> None:
        pair = next((pair for pair in self.view.seen.fractions if pair == (writer, reader, kind)), None)
        if pair is not None:
            self._state.toggle_pair(pair)

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
        if changed(new, old, "composition", "circuit", "analysis", "troubles"):
            self._show()
        if changed(new, old, "scores", "analysis"):
            self._mark()

    @Slot(object, object)
    def _on_hovered(self, new: Hover, old: Hover) -> None:
        if new.pair is not None:
            self.view.set_hovered_edge(new.pair)
        else:
            self.view.set_hovered_head(new.head)

    def _composition(self) -> Composition | None:
        found = self._state.findings
        if self._state.selection.diagram.source == "weights":
            weights: Composition | None = found.of_model("composition")
            return weights
        circuit = found.of_run("circuit")
        return None if circuit is None else of_prompt(circuit)

    def _show(self) -> None:
        found, wanted = self._state.findings, self._state.selection.diagram.source == "prompt"
        circuit = found.of_run("circuit") if wanted else None
        self.view.set_composition(self._composition(), self._given if circuit is not None else None)
        self._mark()
        self.view.set_pinned(self._state.selection.pair)
        note, tip = source_note(circuit, found.analysis, wanted)
        trouble = found.troubles.get("circuit" if wanted else "composition")
        if found.model is not None and found.model.layers == 1:
            note = ONE_LAYER
        self.set_note(trouble_words(trouble) or note, tip)

    def _given(self, pair: Pair) -> str:
        circuit, analysis = self._state.findings.of_run("circuit"), self._state.findings.analysis
        return "" if circuit is None or analysis is None else given_words(pair, circuit, analysis)

    def _mark(self) -> None:
        scores, removed = self._state.findings.fitting_scores, removed_heads(self._state.selection.steps)
        marks = {}
        for row in scores.heads if scores is not None else ():
            best = telling_score(row)
            if best is not None and best.notable:
                marks[row.ref] = HeadMark(best.kind, best.value, row.ref in removed)
            elif row.ref in removed:
                marks[row.ref] = HeadMark(removed=True)
        self.view.set_marks(marks)


_WORDS: dict[Kind, str] = {"q": "queries (dashed)", "k": "keys (solid)", "v": "values (dotted)"}


def _filter(chosen: DiagramChoice) -> Filter:
    return Filter(chosen.top, chosen.threshold, frozenset(kind for kind in KINDS if kind in chosen.kinds), chosen.ends)
