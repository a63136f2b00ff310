"""What is shown, in one place: what the user chose (`Selection`), what the engine found (`Findings`, findings.py)
and what the pointer is on (`Hover`). Panels read this and know no other panel; only the conductor talks to the engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from PySide6.QtCore import QObject, Signal

from engine.circuits.interventions.values import Intervention
from engine.model.config import HeadRef
from engine.work.requests import Pair, PairKind, Prompt
from engine.work.results import Analysis
from gui.findings import Findings as Findings
from gui.findings import Status as Status
from gui.steps import Steps, in_force, removed_heads, with_removal_toggled

HeadOrder = Literal["layer", "induction", "previous"]
EdgeSource = Literal["weights", "prompt"]
HISTORY_LENGTH = 200
LONGEST_STEP = 12  # digits; what has more is no number to Python


@dataclass(frozen=True)
class DiagramChoice:
    """What the composition diagram and its matrix show: kinds, how many edges of each, from which share of the ceiling
    (`threshold`, weights) or strength (`strength`, this prompt) up, the ends of the stream, and whether edges come from
    weights or from this prompt. `matrix`: the kind in the matrix."""

    kinds: frozenset[PairKind] = frozenset(("q", "k", "v"))
    top: int = 12
    threshold: float = 0.5
    strength: float = 0.02
    ends: bool = False
    source: EdgeSource = "weights"
    matrix: PairKind = "k"


@dataclass(frozen=True)
class Selection:
    """What the user chose; `token` and `source` are positions, None leaves the choice to the program."""

    model: str = ""
    prompt: Prompt = field(default_factory=Prompt)
    token: int | None = None
    source: int | None = None
    head: HeadRef | None = None
    pair: Pair | None = None
    steps: Steps = ()
    hide_first: bool = False
    stripe: bool = False
    raw_scores: bool = False
    order: HeadOrder = "layer"
    layers: tuple[int, int] | None = None  # first and last of those in the grid; None: all
    other: str | None = None  # the prompt to compare with; None: there is none
    difference: bool = False  # what interventions change, instead of what they lead to
    painting: bool = False  # whether dragging over a pattern paints it
    diagram: DiagramChoice = DiagramChoice()
    target: str = ""  # the token whose logit is explained, as typed; "": the best guess
    against: str = ""  # the token it is compared with; "": the mean of all
    workspace: str = "explore"
    judges_model: bool = False  # whether the verdict is about the model instead of this prompt
    experiment: str = "canonical"
    guess: bool | None = None  # whether the experiment is expected to come out as foretold; None: not said yet
    chart: str = ""  # of the training, by its name; "": the first
    walk_step: str = ""  # of the walk through the circuit; "": the last one
    panels: frozenset[str] = frozenset()  # those in sight: only what they show is computed


UNDOABLE = ("token", "source", "head", "pair", "steps")


@dataclass(frozen=True)
class Hover:
    """What the pointer is on: a token of the prompt, perhaps one it attends to, a head, or a pair of heads."""

    token: int | None = None
    source: int | None = None
    head: HeadRef | None = None
    pair: Pair | None = None


@dataclass(frozen=True)
class Focus:
    """The places that carry the three colours, and the head that is shown; None where there is none.

    `before` is the token before the source, when it is the same token as the destination: the match itself.
    """

    destination: int | None = None
    source: int | None = None
    before: int | None = None
    head: HeadRef | None = None
    pinned: bool = False


class ExplorerState(QObject):
    """The one source of what the window shows. Each signal carries (new, old)."""

    selected = Signal(object, object)
    found = Signal(object, object)
    hovered = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.selection = Selection()
        self.findings = Findings()
        self.hover = Hover()
        self._past: list[Selection] = []
        self._future: list[Selection] = []

    def select(self, **changes: Any) -> None:
        """Change what is shown; nothing happens when nothing differs. Removals and pins can be undone."""
        old, new = self.selection, replace(self.selection, **changes)
        if new == old:
            return
        if run_of(new.model) != run_of(old.model):
            self._past.clear()
            self._future.clear()
        elif any(getattr(new, name) != getattr(old, name) for name in UNDOABLE):
            self._past = [*self._past[1 - HISTORY_LENGTH :], old]
            self._future.clear()
        self._show(new)

    def find(self, **changes: Any) -> None:
        """Record what the engine answered."""
        old = self.findings
        if all(getattr(old, name) is value for name, value in changes.items()):
            return
        self.findings = replace(old, **changes)
        self.found.emit(self.findings, old)

    def point(self, hover: Hover) -> None:
        """Say what the pointer is on; `Hover()` when it left."""
        old = self.hover
        if hover != old:
            self.hover = hover
            self.hovered.emit(hover, old)

    @property
    def opening(self) -> str:
        """The model that is on its way: a name, a file or a folder; "" when the chosen one is open."""
        return self.selection.model if self.selection.model != self.findings.opened else ""

    @property
    def scrubs(self) -> bool:
        """Whether another checkpoint of the same run is on its way."""
        opening, model = self.opening, self.findings.model
        return bool(opening) and model is not None and bool(model.steps) and run_of(opening) == model.run

    @property
    def way_back(self) -> str:
        """What to choose when an opening comes to nothing: the model still open, else the first that ships."""
        listed = self.findings.models
        return self.findings.opened or (listed[0].name if listed else "")

    @property
    def can_undo(self) -> bool:
        return bool(self._past)

    @property
    def can_redo(self) -> bool:
        return bool(self._future)

    def undo(self) -> None:
        """Back to the pins and removals before the last change of them."""
        if self._past:
            self._future.append(self.selection)
            self._show(self._with_choices_of(self._past.pop()))

    def redo(self) -> None:
        """The opposite of undo."""
        if self._future:
            self._past.append(self.selection)
            self._show(self._with_choices_of(self._future.pop()))

    def _with_choices_of(self, other: Selection) -> Selection:
        return replace(self.selection, **{name: getattr(other, name) for name in UNDOABLE})

    def _show(self, new: Selection) -> None:
        old, self.selection = self.selection, new
        self.selected.emit(new, old)

    def let_go(self) -> bool:
        """Escape: the hover preview goes, then the pinned token, the pair, the head; False when none is held."""
        if self.hover != Hover():
            self.point(Hover())
        elif self.selection.token is not None or self.selection.source is not None:
            self.select(token=None, source=None)
        elif self.selection.pair is not None:
            self.select(pair=None)
        elif self.selection.head is not None:
            self.select(head=None)
        else:
            return False
        return True

    def toggle_token(self, token: int) -> None:
        """Pin a token, or let go of the pinned one."""
        self.select(token=None if token == self.selection.token else token, source=None)

    def toggle_head(self, head: HeadRef) -> None:
        """Pin a head, or let go of the pinned one."""
        self.select(head=None if head == self.selection.head else head)

    def toggle_pair(self, pair: Pair) -> None:
        """Pin a pair, and the head that reads with it, or let go of the pinned one."""
        if pair == self.selection.pair:
            self.select(pair=None)
        else:
            self.select(pair=pair, head=pair.heads[-1] if pair.heads else self.selection.head)

    def toggle_removal(self, head: HeadRef) -> None:
        """Remove a head from the model, or put it back."""
        self.select(steps=with_removal_toggled(self.selection.steps, head))

    @property
    def length(self) -> int | None:
        """How many tokens the prompt has; None until it is read."""
        read = self.findings.baseline
        return len(read.tokens) if read is not None and read.prompt == self.selection.prompt else None

    @property
    def in_force(self) -> tuple[Intervention, ...]:
        """The interventions that are switched on and fit the model and the prompt."""
        return in_force(self.selection.steps, self.findings.model, self.length)

    @property
    def removed_heads(self) -> frozenset[HeadRef]:
        """The heads that write something else than their own now, at every position."""
        model = self.findings.model
        return removed_heads(self.in_force, None if model is None else model.config)

    @property
    def shows_difference(self) -> bool:
        """Whether what interventions change is shown: the switch is on and there are some."""
        return self.selection.difference and bool(self.in_force)

    @property
    def compares(self) -> bool:
        """Whether panels show two runs side by side: with and without interventions, or two prompts."""
        return self.shows_difference or bool(self.selection.other)

    @property
    def held_head(self) -> HeadRef | None:
        """The pinned head, else the one that does most of the matching here: what a key press acts on."""
        analysis = self.findings.analysis
        if analysis is None:
            return None
        choices = (self.selection.head, self._telling_head())
        return next((head for head in choices if head is not None and exists(head, analysis)), None)

    @property
    def shown_head(self) -> HeadRef | None:
        """The hovered head, else the one that is held."""
        analysis, hovered = self.findings.analysis, self.hover.head
        if analysis is not None and hovered is not None and exists(hovered, analysis):
            return hovered
        return self.held_head

    def _telling_head(self) -> HeadRef:
        analysis, behaviour = self.findings.analysis, self.findings.behaviour
        scores = self.findings.fitting_scores
        if behaviour is not None and behaviour.head is not None:
            return behaviour.head
        measured = [row for row in scores.heads if row.induction is not None] if scores else []
        if measured:
            return max(measured, key=lambda row: row.induction or 0.0).ref
        return HeadRef(analysis.model.layers - 1 if analysis else 0, 0)

    @property
    def focus(self) -> Focus:
        """The places and the head to mark, hover before pin before the program's own choice."""
        return self._focus(self.hover)

    @property
    def held_focus(self) -> Focus:
        """The same whatever the pointer is on: what a page that takes time to compute is about."""
        return self._focus(Hover())

    def _focus(self, hover: Hover) -> Focus:
        analysis = self.findings.analysis
        head = self.shown_head if hover.head is not None else self.held_head
        if analysis is None or not analysis.tokens:
            return Focus()
        destination = self._destination(hover, len(analysis.tokens))
        source = self._source(hover, analysis, head, destination)
        before = source - 1 if source else None
        if before is not None and analysis.tokens[before].id != analysis.tokens[destination].id:
            before = None
        pinned = hover.head is None and self.selection.head is not None
        return Focus(destination, source, before, head, pinned)

    def _destination(self, hover: Hover, count: int) -> int:
        """Position whose row is read: hovered, pinned, or the last."""
        for token in (hover.token, self.selection.token):
            if token is not None and token < count:
                return token
        return count - 1

    def _source(self, hover: Hover, analysis: Analysis, head: HeadRef | None, destination: int) -> int | None:
        wanted = hover.source if hover.token is not None else self.selection.source
        if wanted is not None and wanted <= destination:
            return wanted
        pattern = self.findings.pattern_of(head) if head is not None else None
        if pattern is None:
            return None
        row = np.array(pattern[destination, : destination + 1])  # (T)
        if self.selection.hide_first and destination > 0:
            row[0] = 0.0
        return int(row.argmax()) if np.isfinite(row).all() else None


def run_of(name: str) -> str:
    """The model that a checkpoint such as `instant@300` is on the way to; any other name stands for itself."""
    base, at, step = name.rpartition("@")
    return base if at and step.isdecimal() and len(step) <= LONGEST_STEP else name


def step_in(name: str) -> int | None:
    """The step of a checkpoint's name; None for any other name."""
    base = run_of(name)
    return None if base == name else int(name[len(base) + 1 :])


def exists(head: HeadRef, analysis: Analysis) -> bool:
    """Whether the model of this run has that head."""
    return head.layer < analysis.model.layers and head.head < analysis.model.heads


def changed(new: object, old: object, *names: str) -> bool:
    """Whether a named field differs, by identity: results hold arrays, which have no plain equality."""
    return any(getattr(new, name) is not getattr(old, name) for name in names)
