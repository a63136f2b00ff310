"""What is shown, in one place: what the user chose (`Selection`), what the engine found (`Findings`) and what
the pointer is on (`Hover`). Panels read this and know no other panel; only the conductor talks to the engine.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, Signal

from engine.model.config import HeadRef
from engine.work.requests import Prompt
from engine.work.results import Analysis, Behaviour, Comparison, Failure, HeadDetail, ModelInfo, RoleScores

HeadOrder = Literal["layer", "induction", "previous"]
HISTORY_LENGTH = 200


@dataclass(frozen=True)
class Selection:
    """What the user chose; `token` and `source` are positions, None leaves the choice to the program."""

    model: str = ""
    prompt: Prompt = field(default_factory=Prompt)
    token: int | None = None
    source: int | None = None
    head: HeadRef | None = None
    ablated: tuple[HeadRef, ...] = ()
    hide_first: bool = False
    stripe: bool = False
    raw_scores: bool = False
    order: HeadOrder = "layer"
    layers: tuple[int, int] | None = None  # first and last of those in the grid; None: all
    other: str | None = None  # the prompt to compare with; None: there is none


UNDOABLE = ("token", "source", "head", "ablated")


@dataclass(frozen=True)
class Status:
    """A long job on its way; `total` 0 means that its length is unknown."""

    text: str = ""
    done: int = 0
    total: int = 0


@dataclass(frozen=True, eq=False)
class Findings:
    """What the engine answered: `baseline` with every head in place, `analysis` the run that is shown.

    `problem` says why the present prompt has no answer, `other_problem` why there is no comparison with the other; the
    last good run stays in sight meanwhile. `other_detail` is the examined head on the other prompt. `opened` is what
    was chosen when `model` was opened: a name, a file or a folder.
    """

    models: tuple[ModelInfo, ...] = ()
    model: ModelInfo | None = None
    opened: str = ""
    baseline: Analysis | None = None
    analysis: Analysis | None = None
    detail: HeadDetail | None = None
    comparison: Comparison | None = None
    other_detail: HeadDetail | None = None
    behaviour: Behaviour | None = None
    scores: RoleScores | None = None
    status: Status = Status()
    problem: Failure | None = None
    other_problem: Failure | None = None

    @property
    def fitting_scores(self) -> RoleScores | None:
        """The scores, if they are of the model whose run is in sight: while a model is changed they may not be."""
        if self.scores is None or self.analysis is None:
            return None
        return self.scores if self.scores.model_hash == self.analysis.model.hash else None

    @property
    def fitting_detail(self) -> HeadDetail | None:
        """The head examined last, if it was on the run in sight."""
        fits = self.detail is not None and self.analysis is not None and self.detail.belongs_to(self.analysis)
        return self.detail if fits else None

    @property
    def fitting_comparison(self) -> Comparison | None:
        """The comparison, if its first prompt is the run in sight."""
        found, shown = self.comparison, self.analysis
        if found is None or shown is None:
            return None
        same = (found.first.prompt, found.first.interventions) == (shown.prompt, shown.interventions)
        return found if same and found.first.model == shown.model else None

    def pattern_of(self, head: HeadRef) -> NDArray[Any] | None:
        """(T, T) of the run in sight; None where it was not kept and the head has not been examined yet."""
        return None if self.analysis is None else _pattern(head, self.analysis, self.detail)

    def difference_of(self, head: HeadRef) -> NDArray[np.float32] | None:
        """(T, T) of the run in sight minus the other prompt's, NaN without a partner; None as for `pattern_of`."""
        found = self.fitting_comparison
        if found is None:
            return None
        first, second = self.pattern_of(head), _pattern(head, found.second, self.other_detail)
        return None if first is None or second is None else found.difference(first, second)


@dataclass(frozen=True)
class Hover:
    """What the pointer is on: a token of the prompt, perhaps one it attends to, or a head."""

    token: int | None = None
    source: int | None = None
    head: HeadRef | None = None


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
        if new.model != old.model:
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
        """Escape: the hover preview goes, then the pinned token, then the head; False when none is held."""
        if self.hover != Hover():
            self.point(Hover())
        elif self.selection.token is not None or self.selection.source is not None:
            self.select(token=None, source=None)
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

    def toggle_removal(self, head: HeadRef) -> None:
        """Remove a head from the model, or put it back."""
        removed = set(self.selection.ablated) ^ {head}
        self.select(ablated=tuple(sorted(removed)))

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
        analysis, head = self.findings.analysis, self.shown_head
        if analysis is None or not analysis.tokens:
            return Focus()
        destination = self._destination(len(analysis.tokens))
        source = self._source(analysis, head, destination)
        before = source - 1 if source else None
        if before is not None and analysis.tokens[before].id != analysis.tokens[destination].id:
            before = None
        pinned = self.hover.head is None and self.selection.head is not None
        return Focus(destination, source, before, head, pinned)

    def _destination(self, count: int) -> int:
        """Position whose row is read: hovered, pinned, or the last."""
        for token in (self.hover.token, self.selection.token):
            if token is not None and token < count:
                return token
        return count - 1

    def _source(self, analysis: Analysis, head: HeadRef | None, destination: int) -> int | None:
        wanted = self.hover.source if self.hover.token is not None else self.selection.source
        if wanted is not None and wanted <= destination:
            return wanted
        pattern = self.findings.pattern_of(head) if head is not None else None
        if pattern is None:
            return None
        row = np.array(pattern[destination, : destination + 1])  # (T)
        if self.selection.hide_first and destination > 0:
            row[0] = 0.0
        return int(row.argmax()) if np.isfinite(row).all() else None


def _pattern(head: HeadRef, analysis: Analysis, detail: HeadDetail | None) -> NDArray[Any] | None:
    if analysis.patterns is not None:
        return analysis.patterns[head.layer, head.head]
    examined = detail is not None and detail.head == head and detail.belongs_to(analysis)
    return detail.pattern if examined and detail is not None else None


def exists(head: HeadRef, analysis: Analysis) -> bool:
    """Whether the model of this run has that head."""
    return head.layer < analysis.model.layers and head.head < analysis.model.heads


def changed(new: object, old: object, *names: str) -> bool:
    """Whether a named field differs, by identity: results hold arrays, which have no plain equality."""
    return any(getattr(new, name) is not getattr(old, name) for name in names)
