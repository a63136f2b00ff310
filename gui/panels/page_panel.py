"""The page of one head: what it does, what its removal does, what it writes and looks for, its neighbours, its text."""

from __future__ import annotations

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QWidget
from typing_extensions import override

from engine.model.config import HeadRef
from engine.work.circuit_results import Composition, Firings, HeadStudy
from engine.work.requests import Pair
from engine.work.results import HeadScores
from gui.export import Cell, Table
from gui.panel import Panel
from gui.roles import role_of
from gui.state import ExplorerState, Findings, Hover, Selection, changed
from gui.theme import Theme
from gui.widgets.bar_list import BarRow
from gui.widgets.page import Page
from gui.widgets.token_text import spoken, visible
from gui.wording import criteria_tooltip, head_title, number
from gui.words.composition import trouble_words
from gui.words.head_page import (
    copying_words,
    disagreement,
    firing_words,
    looks_for_words,
    neighbours,
    offset_rows,
    removal_words,
    score_rows,
)

MOST_TOKENS, MOST_PLACES = 24, 24  # in a picture; the numbers that are saved are all there
TOKEN_WORDS = "{row} scores {column} with {value}, by embeddings alone"
TOKEN_HINT = "by embeddings alone: orange likes, blue shuns"
PLACE_WORDS = "position {row} attends to position {column} with {value}, by positions alone"
PLACE_HINT = "positions alone: a previous-token head has a stripe beside the diagonal"


class PagePanel(Panel):
    """Follows the held head; hovering a token changes what the head would write from there."""

    asks = ("study", "firings", "scores")

    def __init__(self, state: ExplorerState, parent: QWidget | None = None) -> None:
        self.page = Page("Head page")
        super().__init__("Head page", self.page, parent)
        self._state = state
        self._pairs: list[Pair] = []
        self.page.heading("What it does: random repeats, thin bars this prompt")
        self.scores, self.differs = self.page.bars("Scores"), self.page.sentence()
        self.page.heading("Without it")
        self.removal = self.page.sentence()
        self.writes = self.page.heading("What it writes")
        self.copying, self.plane = self.page.sentence(), self.page.plane("Eigenvalues of the OV circuit")
        self.moves = self.page.bars("Promoted and suppressed tokens")
        self.page.heading("What it looks for, from weights")
        self.looks, self.tokens = self.page.sentence(), self.page.grid("Token by token: query down, key across")
        self.places = self.page.grid("Positions alone: query down, key across")
        self.offsets = self.page.bars("By distance alone")
        self.page.heading("Who feeds it, whom it feeds: share of the ceiling")
        self.near = self.page.bars("Neighbours")
        self.page.heading("Where it fires most in held-out text")
        self.fires = self.page.sentence()
        self.near.rowClicked.connect(self._pin)
        state.selected.connect(self._on_selected)
        state.found.connect(self._on_found)
        state.hovered.connect(self._on_hovered)

    @override
    def apply_theme(self, theme: Theme) -> None:
        super().apply_theme(theme)
        self.page.set_theme(theme)

    @override
    def numbers(self) -> Table:
        """Scores, removal, eigenvalues and the places in the text, one number a row."""
        head, row, study = self._state.held_head, self._scores(), self._study()
        rows: list[tuple[Cell, ...]] = []
        for name in ("previous_token", "duplicate_token", "induction", "induction_control", "chance") if row else ():
            rows.append((name, getattr(row, name)))
        if study is not None:
            rows += [("chance of the best guess", study.best.value), ("the same without it", study.chance_without)]
            rows += [("loss rise on the prompt (nats a token)", study.loss_rise), ("copying", study.ov.copying)]
            rows += [("OV top-1", study.ov.top1), ("OV top-5", study.ov.top5)]
            for value in study.ov.eigenvalues.tolist():
                rows += [("eigenvalue, real", value.real), ("eigenvalue, imaginary", value.imag)]
        firings = self._firings()
        rows += [(f"fires: {''.join(one.texts)}", one.attention) for one in (firings.firings if firings else ())]
        return Table(f"head {head}", ("what", "value"), rows)

    @Slot(int)
    def _pin(self, index: int) -> None:
        self._state.toggle_pair(self._pairs[index])

    # ------------------------------------------------------------ what is shown
    @Slot(object, object)
    def _on_selected(self, new: Selection, old: Selection) -> None:
        if changed(new, old, "head", "token", "source"):
            self._show()

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if changed(new, old, "study", "firings", "scores", "behaviour", "composition", "analysis", "troubles"):
            self._show()

    @Slot(object, object)
    def _on_hovered(self, new: Hover, old: Hover) -> None:
        if new.token != old.token or new.source != old.source:
            self._show_moves()

    def _scores(self) -> HeadScores | None:
        found, head = self._state.findings.fitting_scores, self._state.held_head
        return next((row for row in found.heads if row.ref == head), None) if found is not None else None

    def _here(self) -> HeadScores | None:
        found, head = self._state.findings.behaviour, self._state.held_head
        return next((row for row in found.scores if row.ref == head), None) if found is not None else None

    def _study(self) -> HeadStudy | None:
        found: HeadStudy | None = self._state.findings.of_run("study")
        return found if found is not None and found.head == self._state.held_head else None

    def _firings(self) -> Firings | None:
        found: Firings | None = self._state.findings.of_model("firings")
        return found if found is not None and found.head == self._state.held_head else None

    def _show(self) -> None:
        head, analysis = self._state.held_head, self._state.findings.analysis
        if head is None or analysis is None:
            return
        row, here, study = self._scores(), self._here(), self._study()
        role = role_of(row) if row is not None else None
        self.set_title(head_title(head, row), role.kind if role is not None else "none")
        trouble = trouble_words(self._state.findings.troubles.get("study"))
        waiting = "" if study is not None else "studying the head …"
        self.set_note(trouble or waiting, criteria_tooltip(role) if role is not None else "")
        scores = self._state.findings.fitting_scores
        self.scores.set_rows(score_rows(row, here, scores), full=1.0)
        self.differs.setText(disagreement(row, here))
        self.differs.setVisible(bool(self.differs.text()))
        self.removal.setText(removal_words(study, row))
        self.copying.setText(copying_words(study))
        self.looks.setText(looks_for_words(study, analysis))
        self._show_pictures(study)
        self._show_moves()
        self._show_neighbours(head)
        self.fires.setText(firing_words(self._firings()))

    def _show_pictures(self, study: HeadStudy | None) -> None:
        """Eigenvalues, scores between the prompt's tokens, and what positions or distances give by themselves."""
        analysis = self._state.findings.analysis
        pictures = (self.plane, self.tokens, self.places, self.offsets)
        for picture in pictures:
            picture.setVisible(study is not None)
        if study is None or analysis is None:
            return
        self.plane.set_values(study.ov.eigenvalues)
        scores = study.token_scores[-MOST_TOKENS:, -MOST_TOKENS:]
        texts = [visible(token.text) for token in analysis.tokens][: len(study.token_scores)][-MOST_TOKENS:]
        self.tokens.set_grid(scores, "score", texts, texts, TOKEN_WORDS, TOKEN_HINT)
        self.places.setVisible(study.positional is not None)
        if study.positional is not None:
            corner = study.positional[:MOST_PLACES, :MOST_PLACES]
            numbers = [str(place) for place in range(len(corner))]
            self.places.set_grid(corner, "attention", numbers, numbers, PLACE_WORDS, PLACE_HINT)
        self.offsets.setVisible(study.by_offset is not None)
        if study.by_offset is not None:
            self.offsets.set_rows(offset_rows(study.by_offset))

    def _show_moves(self) -> None:
        """From the token that the head attends to, or the one that is pointed at."""
        study, analysis, focus = self._study(), self._state.findings.analysis, self._state.focus
        pointed = self._state.hover.token if self._state.hover.source is None else self._state.hover.source
        place = focus.source if pointed is None else pointed
        known = study is not None and analysis is not None and place is not None and place < len(study.ov.moves)
        self.moves.setVisible(known)
        if study is None or analysis is None or place is None or not known:
            self.writes.setText("What it writes")
            return
        self.writes.setText(f"What it writes when it attends to {spoken(analysis.tokens[place].text)} ({place})")
        moves = study.ov.moves[place]
        rows = [*moves.promotes[:4], *reversed(moves.suppresses[:2])]
        self.moves.set_rows([BarRow(visible(one.text), one.value, number(one.value, signed=True)) for one in rows])

    def _show_neighbours(self, head: HeadRef) -> None:
        composition: Composition | None = self._state.findings.of_model("composition")
        found = [] if composition is None else neighbours(composition, head)
        self._pairs = [pair for pair, _ in found]
        self.near.set_rows([_neighbour_row(pair, value, head) for pair, value in found], full=1.0)


def _neighbour_row(pair: Pair, value: float, head: HeadRef) -> BarRow:
    into = pair.reader == str(head)
    label = f"{pair.writer} → {pair.kind.upper()}" if into else f"→ {pair.reader} {pair.kind.upper()}"
    return BarRow(label, value, f"{value:.2f}", None, "none", False, "Possible, not proven. Click to pin the pair.")
