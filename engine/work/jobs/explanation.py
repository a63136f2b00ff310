"""Why a run came out as it did: what pushed the prediction, layer by layer and path by path, and what made a head look.

Every function runs the prompt once and keeps what its split needs.
"""

from __future__ import annotations

from dataclasses import dataclass

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
from engine.circuits.attribution.score_split import CellSplit, read_scores, score_taps, split_cell
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
        stream = self._stream(attribution_taps(self.model))
        best = int(stream.tap("logits")[-1].argmax())
        return best, _at_last(attribute(stream, Target(best)))

    def by_source(self, head: HeadRef, token: int) -> list[float]:
        """What `head` adds to the logit of `token` after the last one, by the token that it came from."""
        stream = self._stream(attribution_taps(self.model) | by_source_taps(self.model, head))
        return attribute_by_source(stream, head, Target(token)).values[-1].tolist()

    def lens(self, token: int, top: int) -> list[LensLayer]:
        """What the stream at the last position would predict after each layer, and where `token` stands."""
        stream = self._stream(lens_taps(self.model))
        last = torch.tensor([len(self.reading.ids) - 1])
        return list(logit_lens(stream, torch.tensor([token]), last, top))

    def paths(self, token: int) -> PathExpansion:
        """The logit of `token` at the last position as a sum over paths. Raises ValueError for norms or MLPs."""
        last = len(self.reading.ids) - 1
        tap = run_tap(self.task, self.opened, self.tokens, self.reading.bos, self.request.interventions)
        return expand(self.model, self.tokens, last, torch.tensor([token]), tap)

    def attention(self, head: HeadRef, query: int, key: int) -> Looking:
        """Why `head` at `query` looks at `key`: its score split by sources, and the note that the key carries."""
        self.model.config.require_heads((head,))
        length = len(self.reading.ids)
        if not 0 <= key <= query < length:
            raise ValueError(f"query {query} sees no key {key}: choose 0 <= key <= query < {length}")
        stream = self._stream(score_taps(self.model, head) | {f"{head.layer}.pattern"})
        split = split_cell(read_scores(stream, head), query, key)
        weight = float(stream.tap(f"{head.layer}.pattern")[head.head, query, key])
        return Looking(head, query, key, weight, split, self._note(head, query, key, split))

    def _note(self, reader: HeadRef, query: int, key: int, split: CellSplit) -> NoteRead | None:
        """What the head whose note at `key` speaks most for it wrote there; None where no earlier head does."""
        writers = {str(head): head for head in self.model.config.all_heads if head.layer < reader.layer}
        votes = dict(zip(split.names, split.centred.sum(0).tolist(), strict=True))  # by key source
        name = max(writers, key=lambda name: votes[name], default=None)
        if name is None or votes[name] <= 0 or key == 0:
            return None
        stream = self._stream(note_taps(self.model, writers[name]))
        note = read_note(stream, writers[name], key)
        offset = query - key if self.model.config.positions == "rotary" else None
        return NoteRead(
            note=note,
            expected=self.reading.ids[key - 1],
            by_match=named_by_match(self.model, note, reader, offset),
            by_likeness=named_by_likeness(self.model, note),
        )

    def _stream(self, taps: frozenset[str]) -> Stream:
        kept = Capture(taps.__contains__)
        tap = run_tap(self.task, self.opened, self.tokens, self.reading.bos, self.request.interventions, kept)
        self.model(self.tokens, tap)
        return Stream(self.model, kept.kept)


@dataclass(frozen=True)
class NoteRead:
    """A note at a key and the token before that key, which a previous-token head's note names."""

    note: Note
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


def _at_last(found: Attribution) -> Attribution:
    values: Tensor = found.values[:, -1:]  # (S, 1)
    return Attribution(found.names, values, found.measured[-1:])


def strongest_head(found: Attribution) -> HeadRef:
    """The head that adds most at the last position."""
    added = dict(zip(found.names, found.values[:, -1].tolist(), strict=True))
    return max((HeadRef.parse(name) for name in added if name[0].isdecimal()), key=lambda head: added[str(head)])
