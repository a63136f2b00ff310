"""The pinned pair of heads: its composition in numbers, what path patching says, and the two heads as one."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from engine.work.circuit_results import Composition, PathProof, VirtualHead
from engine.work.requests import Pair, PairKind
from gui.export import Table
from gui.panel import Panel
from gui.state import ExplorerState, Findings, Selection, changed
from gui.theme import Role, Theme
from gui.widgets.bar_list import BarRow
from gui.widgets.page import Page
from gui.widgets.pair_table import PairTable
from gui.widgets.pattern_view import PatternView
from gui.words.composition import trouble_words
from gui.words.pair import (
    END_TROUBLE,
    HOW_TO_PIN,
    KINDS,
    NO_PAIRS,
    READS,
    figures_words,
    how_words,
    pair_rows,
    strongest,
    virtual_words,
)
from gui.words.why import proof_sentence

ROLES: dict[PairKind, Role] = {"q": "none", "k": "induction", "v": "duplicate"}
FIGURES = ("score", "baseline", "z", "ceiling", "fraction", "rank")
PATCHING = "Patching the path on this prompt …"


class PairPanel(Panel):
    """Without a pinned pair it says how to pin one; a click on the suggestion does."""

    asks = ("composition", "virtual", "proof")

    def __init__(self, state: ExplorerState, parent: QWidget | None = None) -> None:
        self.page = Page("Pair of heads")
        super().__init__("Pair", self.page, parent)
        self._state = state
        self._suggested: list[Pair] = []
        self.sentence = self.page.sentence(strong=True)
        self.suggestion = self.page.bars("Suggested pairs")
        self.table = PairTable()
        self.page.add(self.table)
        self.how = self.page.sentence()
        self.one = self.page.heading("The two as one head")
        self.virtual = self.page.sentence()
        self.pattern = PatternView()
        self.pattern.setAccessibleName("Pattern product of the two heads")
        self.page.add(self.pattern)
        self.suggestion.rowClicked.connect(self._pin_suggestion)
        self.table.kindClicked.connect(self._pin_kind)
        state.selected.connect(self._on_selected)
        state.found.connect(self._on_found)
        self._show()

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.page.set_theme(theme)
        self.table.set_theme(theme)
        self.pattern.set_theme(theme)
        self.pattern.setFixedHeight(theme.px(260))

    @override
    def numbers(self) -> Table:
        """Composition by kind, then every path that was patched."""
        pair, header = self._state.selection.pair, ("what", "kind", "value", "clean", "corrupt")
        found: Composition | None = self._state.findings.of_model("composition")
        proof = self._proof()
        rows: list[tuple[str, str, float | None, float | None, float | None]] = []
        for kind in KINDS if pair is not None and found is not None else ():
            figures = found.figures(Pair(pair.writer, pair.reader, kind)) if pair and found else None
            for name in FIGURES:
                value = None if figures is None else getattr(figures, name)
                rows.append((f"composition, {name}", kind, None if value != value else value, None, None))
        for name, effects in (("path", proof.effects), ("control", proof.control)) if proof is not None else ():
            rows += [
                (f"{name}, {one.direction}, {one.metric}", one.kind, one.value, one.clean, one.corrupt)
                for one in effects
            ]
        return Table("pair" if pair is None else f"pair {pair.writer} to {pair.reader}", header, rows)

    @Slot(int)
    def _pin_suggestion(self, index: int) -> None:
        self._state.toggle_pair(self._suggested[index])

    @Slot(str)
    def _pin_kind(self, kind: str) -> None:
        pair = self._state.selection.pair
        chosen = next(one for one in KINDS if one == kind)
        if pair is not None:
            self._state.select(pair=Pair(pair.writer, pair.reader, chosen))

    @Slot(object, object)
    def _on_selected(self, new: Selection, old: Selection) -> None:
        if changed(new, old, "pair", "token"):
            self._show()

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "composition", "proof", "virtual", "analysis", "troubles"):
            self._show()

    def _proof(self) -> PathProof | None:
        found: PathProof | None = self._state.findings.of_run("proof")
        pair = self._state.selection.pair
        fits = found is not None and pair is not None and (str(found.writer), str(found.reader)) == pair[:2]
        return found if fits else None

    def _show(self) -> None:
        pair = self._state.selection.pair
        composition: Composition | None = self._state.findings.of_model("composition")
        self.set_title("Pair" if pair is None else f"{pair.writer} → {pair.reader}, {READS[pair.kind]}")
        between_heads = pair is not None and len(pair.heads) == 2
        for part in (self.table, self.one, self.virtual, self.pattern):
            part.setVisible(between_heads)
        self.how.setVisible(pair is not None)
        self._suggest(composition if pair is None else None)
        if pair is None:
            analysis = self._state.findings.analysis
            self.sentence.setText(NO_PAIRS if analysis is not None and analysis.model.layers == 1 else HOW_TO_PIN)
        elif not between_heads:
            self.sentence.setText(END_TROUBLE)
            self.how.setText(figures_words(None if composition is None else composition.figures(pair)))
        else:
            proof = self._show_proof()
            self.table.set_rows(pair_rows(pair, composition, proof), pair.kind)
            self._show_virtual(pair)

    def _suggest(self, composition: Composition | None) -> None:
        """Pairs to pin, while none is."""
        found = [] if composition is None else strongest(composition)
        self._suggested = [pair for pair, _ in found]
        self.suggestion.setVisible(bool(found))
        rows = []
        for pair, figures in found:
            name, tip = f"{pair.writer} → {pair.reader} {pair.kind.upper()}", f"Strongest by {READS[pair.kind]}. Click."
            role = ROLES[pair.kind]
            text = f"{figures.fraction:.2f}"
            rows.append(BarRow(name, figures.fraction, text, None, role, role != "none", tip))
        self.suggestion.set_rows(rows, full=1.0)

    def _show_proof(self) -> PathProof | None:
        """The sentence, and how it was measured; returns what the table may show of it."""
        proof, analysis = self._proof(), self._state.findings.analysis
        trouble = trouble_words(self._state.findings.troubles.get("proof"))
        known = proof is not None and analysis is not None and not trouble
        self.how.setVisible(known)
        if proof is None or analysis is None or trouble:
            self.sentence.setText(trouble or PATCHING)
            return None
        self.sentence.setText(proof_sentence(proof, analysis))
        self.how.setText(how_words(proof))
        return proof

    def _show_virtual(self, pair: Pair) -> None:
        found: VirtualHead | None = self._state.findings.of_run("virtual")
        fits = found is not None and (str(found.writer), str(found.reader)) == pair[:2]
        analysis, place = self._state.findings.analysis, self._state.held_focus.destination
        self.pattern.setVisible(fits)
        if found is None or not fits or analysis is None or place is None:
            trouble = trouble_words(self._state.findings.troubles.get("virtual"))
            self.virtual.setText(trouble or "Multiplying the two heads …")
            return
        self.virtual.setText(virtual_words(found, analysis, place))
        self.pattern.set_values(found.pattern, "attention", analysis.tokens)
        self.pattern.set_marks(place, int(found.pattern[place].argmax()))
