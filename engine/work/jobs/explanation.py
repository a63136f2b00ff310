"""Why a run came out as it did: what pushed the prediction, layer by layer and path by path, and what made a head look.

Every function runs the prompt once and keeps what its split needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from engine.circuits.attribution.logit_attribution import (
    Attribution,
    Target,
    attribute,
    attribute_by_source,
    attribution_taps,
    by_source_taps,
)
from engine.circuits.attribution.logit_lens import LensLayer, lens_taps, logit_lens
from engine.circuits.attribution.note import Naming, Note, named_by_likeness, named_by_match, note_taps, read_note
from engine.circuits.attribution.path_expansion import PathExpansion, expand
from engine.circuits.attribution.score_split import CellSplit, by_layer, read_scores, score_taps, split_cell
from engine.circuits.attribution.stream import Stream
from engine.model.config import HeadRef
from engine.model.taps import Capture
from engine.work.jobs.reading import read
from engine.work.jobs.running import batch, run_tap
from engine.work.requests import Analyze
from engine.work.state import EngineState
from engine.work.task import Task


class Explainer:
    """One run, asked again for what each question needs. Raises ValueError for a prompt that cannot be read."""

    def __init__(self, request: Analyze, state: EngineState, task: Task) -> None:
        self.request, self.task, self.opened = request, task, state.require()
        self.model, self.reading = self.opened.model, read(request.prompt, self.opened)
        self.tokens = batch(self.reading.ids)  # (1, T)

    def prediction(self) -> tuple[int, Attribution]:
        """The best next token after the last one, and what each source of the stream adds to its logit there."""
        stream = self.stream(attribution_taps(self.model))
        best = int(stream.tap("logits")[-1].argmax())
        return best, _at_last(attribute(stream, Target(best)))

    def predicted(self, place: int, token: int | None, against: int | Literal["mean"] | None) -> Predicted:
        """The logit of `token` (None: the best guess) after `place`, by source and after each layer, from one run."""
        stream = self.stream(attribution_taps(self.model) | lens_taps(self.model))
        log_chances = stream.tap("logits")[place].log_softmax(-1)  # (V)
        asked = int(log_chances.argmax()) if token is None else token
        attribution = attribute(stream, Target(asked, against))
        lens = logit_lens(stream, torch.tensor([asked]), torch.tensor([place]), top=1)
        return Predicted(asked, place, log_chances, attribution, tuple(lens))

    def by_source(self, head: HeadRef, target: Target, place: int = -1) -> list[float]:
        """What `head` adds to the target after `place`, by the token that it came from."""
        self.model.config.require_heads((head,))
        stream = self.stream(attribution_taps(self.model) | by_source_taps(self.model, head))
        return attribute_by_source(stream, head, target).values[place].tolist()

    def place(self, position: int | None) -> int:
        """A position of the prompt, None the last. Raises ValueError for one that it does not have."""
        last = len(self.reading.ids) - 1
        if not 0 <= (last if position is None else position) <= last:
            raise ValueError(f"position {position} does not exist: the prompt has positions 0 to {last}")
        return last if position is None else position

    def lens(self, token: int, top: int) -> list[LensLayer]:
        """What the stream at the last position would predict after each layer, and where `token` stands."""
        stream = self.stream(lens_taps(self.model))
        last = torch.tensor([len(self.reading.ids) - 1])
        return list(logit_lens(stream, torch.tensor([token]), last, top))

    def paths(self, token: int) -> PathExpansion:
        """The logit of `token` at the last position as a sum over paths. Raises ValueError for norms or MLPs."""
        last = len(self.reading.ids) - 1
        tap = run_tap(self.task, self.opened, self.tokens, self.reading.bos, self.request.interventions)
        return expand(self.model, self.tokens, last, torch.tensor([token]), tap)

    def attention(self, head: HeadRef, query: int, key: int, most: int | None = None) -> Looking:
        """Why `head` at `query` looks at `key`: its score split by sources, and the note that the key carries.

        Of more than `most` sources, those of a layer are merged; the note is found among all of them.
        """
        self.model.config.require_heads((head,))
        length = len(self.reading.ids)
        if not 0 <= key <= query < length:
            raise ValueError(f"query {query} sees no key {key}: choose 0 <= key <= query < {length}")
        stream = self.stream(score_taps(self.model, head) | {f"{head.layer}.pattern"})
        reads = read_scores(stream, head)
        split = split_cell(reads, query, key)
        weight = float(stream.tap(f"{head.layer}.pattern")[head.head, query, key])
        note = self._note(head, query, key, split)
        merged = most is not None and len(reads.names) > most
        shown = split_cell(by_layer(reads), query, key) if merged else split
        return Looking(head, query, key, weight, shown, note, merged)

    def _note(self, reader: HeadRef, query: int, key: int, split: CellSplit) -> NoteRead | None:
        """What the head whose note at `key` speaks most for it wrote there; None where no earlier head does."""
        writers = {str(head): head for head in self.model.config.all_heads if head.layer < reader.layer}
        votes = dict(zip(split.names, split.centred.sum(0).tolist(), strict=True))  # by key source
        name = max(writers, key=lambda name: votes[name], default=None)
        if name is None or votes[name] <= 0 or key == 0:
            return None
        stream = self.stream(note_taps(self.model, writers[name]))
        note = read_note(stream, writers[name], key)
        offset = query - key if self.model.config.positions == "rotary" else None
        total = float(split.centred.sum())
        return NoteRead(
            note=note,
            share=votes[name] / total if total > 0 else None,
            expected=self.reading.ids[key - 1],
            by_match=named_by_match(self.model, note, reader, offset),
            by_likeness=named_by_likeness(self.model, note),
        )

    def stream(self, taps: frozenset[str]) -> Stream:
        """The prompt run once, with these activations kept."""
        kept = Capture(taps.__contains__)
        tap = run_tap(self.task, self.opened, self.tokens, self.reading.bos, self.request.interventions, kept)
        self.model(self.tokens, tap)
        return Stream(self.model, kept.kept)


@dataclass(frozen=True)
class NoteRead:
    """A note at a key and the token before that key, which a previous-token head's note names; `share` is its part of
    the centred score, None where that is not above 0."""

    note: Note
    share: float | None
    expected: int
    by_match: Naming
    by_likeness: Naming


@dataclass(frozen=True)
class Looking:
    """One cell of a pattern explained."""

    head: HeadRef
    query: int
    key: int
    weight: float
    split: CellSplit
    note: NoteRead | None
    merged: bool = False


@dataclass(frozen=True)
class Predicted:
    """One logit at one place: `log_chances` (V) there, its attribution at every place, and the lens there."""

    token: int
    place: int
    log_chances: Tensor
    attribution: Attribution
    lens: tuple[LensLayer, ...]

    def chance(self, token: int) -> float:
        return float(self.log_chances[token].exp())

    @property
    def strongest(self) -> HeadRef:
        """The head that adds most."""
        return strongest_head(self.attribution, self.place)


def _at_last(found: Attribution) -> Attribution:
    values: Tensor = found.values[:, -1:]  # (S, 1)
    return Attribution(found.names, values, found.measured[-1:])


def strongest_head(found: Attribution, place: int = -1) -> HeadRef:
    """The head that adds most at a position, the last unless told."""
    added = dict(zip(found.names, found.values[:, place].tolist(), strict=True))
    return max((HeadRef.parse(name) for name in added if name[0].isdecimal()), key=lambda head: added[str(head)])
