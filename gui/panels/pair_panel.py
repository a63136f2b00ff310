"""The pinned pair of heads: its composition in numbers, what path patching says, and the two heads as one."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from engine.work.circuit_results import Composition, PathProof, VirtualHead
from engine.work.requests import Pair, PairKind
from gui.export import Table
from gui.numbers import percent
from gui.panel import Panel
from gui.state import ExplorerState, Findings, Selection, changed
from gui.theme import Role, Theme
from gui.widgets.bar_list import BarRow
from gui.widgets.page import Page
from gui.widgets.token_text import spoken, visible
from gui.wording import NOT_MEASURED, number
from gui.words.composition import trouble_words
from gui.words.pair import HOW_TO_PIN, READS, figures_words, strongest
from gui.words.why import is_noised_attention, proof_sentence

KINDS: tuple[PairKind, ...] = ("q", "k", "v")
ROLES: dict[str, Role] = {"q": "none", "k": "induction", "v": "duplicate"}
PROOF_TIP = "Exact path patching: 1 means that the attention goes all the way to what it is on the corrupt prompt."


class PairPanel(Panel):
    """Without a pinned pair it says how to pin one; a click on the suggestion does."""

    asks = ("composition", "virtual", "proof")

    def __init__(self, state: ExplorerState, parent: QWidget | None = None) -> None:
        self.page = Page("Pair of heads")
        super().__init__("Pair", self.page, parent)
        self._state = state
        self._suggested: Pair | None = None
        self.sentence = self.page.sentence(strong=True)
        self.suggestion = self.page.bars("Suggested pair")
        self.used = self.page.heading("Used here? Share of its attention that goes with the path")
        self.proof, self.how = self.page.bars("Path patching"), self.page.sentence()
        self.possible = self.page.heading("Possible: share of the ceiling, from weights")
        self.bars = self.page.bars("Composition of the pair")
        self.figures = self.page.sentence()
        self.one = self.page.heading("As one head")
        self.virtual = self.page.sentence()
        self.suggestion.rowClicked.connect(self._pin_suggestion)
        state.selected.connect(self._on_selected)
        state.found.connect(self._on_found)
        self._show()

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.page.set_theme(theme)

    @override
    def numbers(self) -> Table:
        """Composition by kind, then every path that was patched."""
        pair, header = self._state.selection.pair, ("what", "kind", "value", "clean", "corrupt")
        found: Composition | None = self._state.findings.of_model("composition")
        proof = self._proof()
        rows: list[tuple[str, str, float | None, float | None, float | None]] = []
        for kind in KINDS if pair is not None and found is not None else ():
            figures = found.figures(Pair(pair.writer, pair.reader, kind)) if pair and found else None
            rows.append(("fraction of the ceiling", kind, None if figures is None else figures.fraction, None, None))
        for name, effects in (("path", proof.effects), ("control", proof.control)) if proof is not None else ():
            rows += [
                (f"{name}, {one.direction}, {one.metric}", one.kind, one.value, one.clean, one.corrupt)
                for one in effects
            ]
        return Table("pair" if pair is None else f"pair {pair.writer} to {pair.reader}", header, rows)

    @Slot(int)
    def _pin_suggestion(self, index: int) -> None:
        if self._suggested is not None:
            self._state.toggle_pair(self._suggested)

    @Slot(object, object)
    def _on_selected(self, new: Selection, old: Selection) -> None:
        if changed(new, old, "pair"):
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
        for part in (self.used, self.proof, self.how, self.possible, self.bars, self.figures, self.one, self.virtual):
            part.setVisible(pair is not None)
        self.suggestion.setVisible(pair is None and composition is not None)
        if pair is None:
            self.sentence.setText(HOW_TO_PIN)
            self._suggest(composition)
            return
        self._show_composition(pair, composition)
        self._show_proof(pair)
        self._show_virtual(pair)

    def _suggest(self, composition: Composition | None) -> None:
        self._suggested = None if composition is None else strongest(composition)
        if composition is None or self._suggested is None:
            self.suggestion.hide()
            return
        figures, pair = composition.figures(self._suggested), self._suggested
        value = 0.0 if figures is None else figures.fraction
        name, tip = f"{pair.writer} → {pair.reader} K", "Click to pin it."
        row = BarRow(name, value, f"{value:.2f}", None, "induction", True, tip)
        self.suggestion.set_rows([row], full=1.0)

    def _show_composition(self, pair: Pair, composition: Composition | None) -> None:
        found = {
            kind: None if composition is None else composition.figures(Pair(pair.writer, pair.reader, kind))
            for kind in KINDS
        }
        self.bars.set_rows(
            [
                BarRow(kind.upper(), one.fraction, f"{one.fraction:.2f}", None, ROLES[kind], kind == pair.kind)
                for kind, one in found.items()
                if one is not None
            ],
            full=1.0,
        )
        self.figures.setText("\n".join(figures_words(kind, one) for kind, one in found.items()))

    def _show_proof(self, pair: Pair) -> None:
        proof, analysis = self._proof(), self._state.findings.analysis
        trouble = trouble_words(self._state.findings.troubles.get("proof"))
        if len(pair.heads) < 2:
            trouble = "The ends of the stream are no heads: path patching is for pairs of heads."
        known = proof is not None and analysis is not None and not trouble
        self.proof.setVisible(known)
        self.how.setVisible(known)
        if proof is None or analysis is None or trouble:
            self.sentence.setText(trouble or "Patching the path on this prompt …")
            return
        self.sentence.setText(proof_sentence(proof, analysis))
        control = {one.kind: one.value for one in proof.control if is_noised_attention(one)}
        rows = [one for one in proof.effects if is_noised_attention(one)]
        self.proof.set_rows([_path_row(one.kind, one.value, control.get(one.kind)) for one in rows], full=1.0)
        others = f" Thin bars: the other heads of layer {proof.writer.layer} instead." if proof.control else ""
        self.how.setText(f"Corrupt: {proof.how}.{others}")
        self.how.setToolTip(PROOF_TIP)

    def _show_virtual(self, pair: Pair) -> None:
        found: VirtualHead | None = self._state.findings.of_run("virtual")
        fits = found is not None and (str(found.writer), str(found.reader)) == pair[:2]
        analysis, place = self._state.findings.analysis, self._state.held_focus.destination
        if found is None or not fits or analysis is None or place is None:
            self.virtual.setText(trouble_words(self._state.findings.troubles.get("virtual")) or NOT_MEASURED)
            return
        source = int(found.pattern[place].argmax())
        moves = ", ".join(visible(one.text) for one in found.ov.moves[source].promotes[:3])
        here, there = (spoken(analysis.tokens[at].text) for at in (place, source))
        weight = number(float(found.pattern[place, source]))
        copying = NOT_MEASURED if found.ov.copying is None else number(found.ov.copying, signed=True)
        self.virtual.setText(
            f"In turn they attend from {here} to {there} ({source}) with {weight} and would promote {moves} "
            f"(copying by eigenvalues {copying})."
        )


def _path_row(kind: str, value: float | None, control: float | None) -> BarRow:
    text = NOT_MEASURED if value is None else percent(max(value, 0.0)) if value >= 0 else f"−{percent(-value)}"
    return BarRow(READS[kind], value or 0.0, text, control, ROLES[kind], kind != "q", PROOF_TIP)
