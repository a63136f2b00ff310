"""What the user can do to the state, one method each, for menus, keys and buttons alike. Knows no widget."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from PySide6.QtCore import QObject, Signal, Slot

from engine.circuits.interventions.values import Intervention, KeepOnly
from engine.model.config import HeadRef
from engine.work.requests import Prompt, Repeat
from engine.work.results import Analysis, Behaviour
from gui.meddling.painting import LONGEST, Cell, brushed, note, painted
from gui.prompts import samples
from gui.state import ExplorerState, HeadOrder
from gui.steps import Step, painted_pattern, with_changed, with_moved, with_value, without
from gui.wording import sentence_case
from gui.words.interventions import statement


class Actions(QObject):
    """Every method is a slot without arguments unless it says what it takes.

    `said` carries what was done and how to take it back, where the doing is easily overlooked.
    """

    said = Signal(str, str)

    def __init__(self, state: ExplorerState, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._state = state

    # ------------------------------------------------------------ prompt
    @Slot(str)
    def type_prompt(self, text: str) -> None:
        """The text as typed; the choice of BOS stays. The empty entry of a random repeat is not a text."""
        if not text and self._state.selection.prompt.repeat is not None:
            return
        self._state.select(prompt=Prompt(text, bos=self._state.selection.prompt.bos))

    @Slot(int, int)
    def repeat_prompt(self, length: int, seed: int) -> None:
        """Random tokens twice: the standard probe for induction."""
        bos = self._state.selection.prompt.bos
        self._state.select(prompt=Prompt(repeat=Repeat(length, seed), bos=bos), token=None, source=None, other=None)

    @Slot(str)
    def sample_prompt(self, text: str) -> None:
        """One of the prompts that come with the model."""
        prompt = Prompt(text, bos=self._state.selection.prompt.bos)
        self._state.select(prompt=prompt, token=None, source=None, other=None)

    @Slot()
    def first_sample(self) -> None:
        """A prompt that surely has something to copy."""
        model = self._state.findings.model
        own = samples(model) if model is not None else ()
        if own:
            self.sample_prompt(own[0].text)

    def has_bos(self) -> bool:
        """Whether the model has a token that begins a text."""
        model = self._state.findings.model
        return model is None or model.has_bos

    def bos_is_on(self) -> bool:
        """Whether the prompt begins with BOS, as chosen or as the model's file says."""
        chosen = self._state.selection.prompt.bos
        return self.has_bos() and (chosen if chosen is not None else self._bos_is_usual())

    def _bos_is_usual(self) -> bool:
        """What happens unless told otherwise: a random repeat begins with BOS whatever the model's file says."""
        model = self._state.findings.model
        return model is None or model.prepends_bos or self._state.selection.prompt.repeat is not None

    @Slot()
    def toggle_bos(self) -> None:
        prompt, wanted = self._state.selection.prompt, not self.bos_is_on()
        bos = None if wanted == self._bos_is_usual() else wanted
        self._state.select(prompt=replace(prompt, bos=bos), token=None, source=None)

    # ------------------------------------------------------------ the other prompt
    def is_comparing(self) -> bool:
        return self._state.selection.other is not None

    def can_compare(self) -> bool:
        return self._state.selection.prompt.repeat is None and bool(self._state.selection.prompt.text.strip())

    @Slot()
    def toggle_comparison(self) -> None:
        """Beside the prompt one that differs in the token which the last one repeats; or back to one prompt."""
        found = self._state.findings
        text = corrupted(self._state.selection.prompt.text, found.baseline, found.behaviour)
        self._state.select(other=None if self.is_comparing() else text)

    @Slot(str)
    def type_other(self, text: str) -> None:
        if self.is_comparing():
            self._state.select(other=text)

    def can_accept(self) -> bool:
        return self._state.findings.analysis is not None and self._state.selection.prompt.repeat is None

    @Slot()
    def accept_prediction(self) -> None:
        """Write the best guess at the end of the prompt."""
        self.accept_candidate(0)

    @Slot(int)
    def accept_candidate(self, index: int) -> None:
        """Write one of the ten best at the end of the prompt; a guess about an older one is not."""
        analysis, prompt = self._state.findings.analysis, self._state.selection.prompt
        if analysis is None or analysis.prompt != prompt:
            return
        if self.can_accept() and index < len(analysis.predictions):
            text = continued(prompt.text, analysis, analysis.predictions[index].text)
            self._state.select(prompt=replace(prompt, text=text))

    # ------------------------------------------------------------ heads
    @Slot()
    def toggle_removal(self) -> None:
        """Take the pinned head out of the model, or put it back."""
        head = self._state.held_head
        if head is not None:
            self._state.toggle_removal(head)
            gone = head in self._state.removed_heads
            self.said.emit(f"Head {head} {'removed' if gone else 'put back'}", "Ctrl+Z takes that back.")

    def intervene(self, value: Intervention) -> None:
        """One more intervention, at the end of the stack."""
        self._state.select(steps=with_value(self._state.selection.steps, value))
        self.said.emit(sentence_case(statement(value)), "Ctrl+Z takes that back.")

    @Slot(int, bool)
    def switch_step(self, place: int, on: bool) -> None:
        self._state.select(steps=with_changed(self._state.selection.steps, place, on=on))

    @Slot(int, str)
    def name_step(self, place: int, name: str) -> None:
        self._state.select(steps=with_changed(self._state.selection.steps, place, name=name))

    @Slot(int, int)
    def move_step(self, place: int, to: int) -> None:
        self._state.select(steps=with_moved(self._state.selection.steps, place, to))

    @Slot(int)
    def drop_step(self, place: int) -> None:
        self._state.select(steps=without(self._state.selection.steps, [place]))

    @Slot(object, bool)
    def paint_attention(self, cells: Sequence[Cell], erases: bool) -> None:
        """The shown head attends to these cells too, or no longer; each row is brought back to a sum of one."""
        head = self._state.held_head
        pattern = None if head is None else self._state.findings.pattern_of(head)
        if head is None or pattern is None:
            return
        pattern = painted_pattern(self._state.selection.steps, head, pattern)
        if len(pattern) > LONGEST:
            self.said.emit("This prompt is too long to be painted on", f"Up to {LONGEST} tokens can be.")
            return
        values = brushed(pattern, cells, 0.0 if erases else 1.0)  # (T, T)
        self._state.select(steps=with_value(self._state.selection.steps, painted(head, values)))
        told = note(values, (row for row, _ in cells))
        self.said.emit(
            f"{head} attends as painted", f"{sentence_case(told)}. " * bool(told) + "Ctrl+Z takes that back."
        )

    def is_painting(self) -> bool:
        return self._state.selection.painting

    @Slot()
    def toggle_painting(self) -> None:
        self._state.select(painting=not self._state.selection.painting)

    def shows_difference(self) -> bool:
        return self._state.selection.difference

    @Slot()
    def toggle_difference(self) -> None:
        self._state.select(difference=not self._state.selection.difference)

    def circuit_heads(self) -> tuple[HeadRef, ...]:
        """What the complement test keeps: the heads of the pinned pair, else those that are removed now, else the
        pinned head."""
        pair, gone = self._state.selection.pair, sorted(self._state.removed_heads)
        held = self._state.held_head
        return (pair.heads if pair is not None else ()) or tuple(gone) or (() if held is None else (held,))

    @Slot()
    def keep_circuit_only(self) -> None:
        """The complement test: every head but those of the circuit is removed, and nothing else is done."""
        kept = KeepOnly(self.circuit_heads())
        self._state.select(steps=(Step(kept),))
        self.said.emit(sentence_case(statement(kept)), "Ctrl+Z takes that back.")

    @Slot()
    def restore_all(self) -> None:
        self._state.select(steps=())
        self.said.emit("Every intervention taken back", "Ctrl+Z takes that back.")

    def has_interventions(self) -> bool:
        return bool(self._state.selection.steps)

    def can_undo(self) -> bool:
        return self._state.can_undo

    def can_redo(self) -> bool:
        return self._state.can_redo

    @Slot()
    def undo(self) -> None:
        self._state.undo()

    @Slot()
    def redo(self) -> None:
        self._state.redo()

    @Slot()
    def let_go(self) -> None:
        self._state.let_go()

    # ------------------------------------------------------------ view
    def show_workspace(self, name: str) -> Callable[[], None]:
        """Something to be done later: show that arrangement of the panels."""

        def show() -> None:
            self._state.select(workspace=name)

        return show

    def is_workspace(self, name: str) -> Callable[[], bool]:
        """A question to be asked later."""

        def answer() -> bool:
            return self._state.selection.workspace == name

        return answer

    def is_in_sight(self, panel: str) -> Callable[[], bool]:
        """A question to be asked later."""

        def answer() -> bool:
            return panel in self._state.selection.panels

        return answer

    @Slot()
    def toggle_first(self) -> None:
        self._state.select(hide_first=not self._state.selection.hide_first)

    @Slot()
    def toggle_stripe(self) -> None:
        self._state.select(stripe=not self._state.selection.stripe)

    @Slot()
    def toggle_raw_scores(self) -> None:
        self._state.select(raw_scores=not self._state.selection.raw_scores)

    @Slot()
    def sort_by_layer(self) -> None:
        self._sort("layer")

    @Slot()
    def sort_by_induction(self) -> None:
        self._sort("induction")

    @Slot()
    def sort_by_previous(self) -> None:
        self._sort("previous")

    def hides_first(self) -> bool:
        return self._state.selection.hide_first

    def shows_stripe(self) -> bool:
        return self._state.selection.stripe

    def shows_raw_scores(self) -> bool:
        return self._state.selection.raw_scores

    def is_sorted_by(self, order: str) -> Callable[[], bool]:
        """A question to be asked later."""

        def answer() -> bool:
            return self._state.selection.order == order

        return answer

    def _sort(self, order: HeadOrder) -> None:
        self._state.select(order=order)


def corrupted(text: str, analysis: Analysis | None, behaviour: Behaviour | None) -> str:
    """The prompt with another of its own words where the last one stood before, so that there is nothing to repeat.

    The same text where that is not known; the user then changes what they like.
    """
    if analysis is None or behaviour is None or not behaviour.earlier or analysis.prompt.text != text:
        return text
    at, texts = behaviour.earlier[-1], [token.text for token in analysis.tokens]
    repeated = texts[at]
    others = (word for word in texts[1:] if word.strip().isalpha() and word[:1] == repeated[:1] == " ")
    instead = next((word for word in others if word != repeated and texts.count(word) == 1), None)
    start = text.rfind(repeated, 0, text.rfind(repeated))
    if instead is None or start < 0:
        return text
    return text[:start] + instead + text[start + len(repeated) :]


def continued(text: str, analysis: Analysis, piece: str) -> str:
    """`text` and the next token; tokens that carry no spaces of their own get one between them."""
    spelled = "".join(token.text for token in analysis.tokens)
    return text + piece if text and spelled.endswith(text) else f"{text.rstrip()} {piece}".lstrip()
