"""Two runs of one model, layer by layer side by side: where every head looks in one and not in the other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.circuits.interventions.values import Intervention
from engine.circuits.scores.changes import aligned, difference, moved
from engine.circuits.scores.patterns import ScorePatterns, followers
from engine.model.taps import Capture
from engine.work.jobs.analyze import analyze
from engine.work.jobs.head_scores import head_scores
from engine.work.jobs.pictures import signed_thumbnails
from engine.work.jobs.reading import read
from engine.work.jobs.remembering import remembered
from engine.work.jobs.running import batch, frozen, run_tap
from engine.work.requests import Analyze, Compare, Prompt
from engine.work.results import Comparison, HeadScores
from engine.work.state import EngineState, OpenModel
from engine.work.task import Task


@remembered
def compare(request: Compare, state: EngineState, task: Task) -> Comparison:
    """Raises PromptError for a prompt that cannot be read, ValueError for interventions that do not fit and for two
    runs that are the same."""
    return _compared(request, state, task)


class _Side:
    """One of the two runs, a layer at a time: never more than one layer's patterns are there."""

    def __init__(self, prompt: Prompt, interventions: Sequence[Intervention], opened: OpenModel, task: Task) -> None:
        reading = read(prompt, opened)
        self.ids, self.model = reading.ids, opened.model
        self.tokens = batch(reading.ids)  # (1, T)
        self.scored = ScorePatterns(self.tokens, reading.bos)
        self.targets = followers(self.tokens, reading.bos)  # (1, T, T)
        self.watch = Capture(lambda name: name.endswith(".pattern"))
        self.tap = run_tap(task, opened, self.tokens, reading.bos, interventions, self.watch, self.scored)
        self.x, self.frame = opened.model.begin(self.tokens, self.tap)

    def next_pattern(self, layer: int) -> Tensor:
        """(H, T, T) of this layer; the ones below have run."""
        self.x = self.model.through(self.x, self.frame, range(layer, layer + 1), self.tap)
        return self.watch.kept.pop(f"{layer}.pattern")[0]

    def scores(self) -> tuple[HeadScores, ...]:
        return head_scores(self.model.config, self.scored.scores(), self.targets, {})


def _compared(request: Compare, state: EngineState, task: Task) -> Comparison:
    opened = state.require()
    config = opened.model.config
    theirs = request.interventions if request.other_interventions is None else request.other_interventions
    first = _Side(request.prompt, request.interventions, opened, task)
    second = _Side(request.other, theirs, opened, task)
    if first.ids == second.ids and theirs == request.interventions:
        raise ValueError("the two prompts are the same: change a word of one")
    places = aligned(first.ids, second.ids)
    distances, pictures = [], []
    for layer in range(config.layers):
        patterns = first.next_pattern(layer), second.next_pattern(layer)  # (H, T, T) each
        distances.append(moved(*patterns, places))  # (H)
        pictures.append(signed_thumbnails(difference(*patterns, places), len(config.all_heads)))  # (H, S, S)
    return Comparison(
        first=analyze(Analyze(request.prompt, request.interventions), state, task),
        second=analyze(Analyze(request.other, theirs), state, task),
        aligned=tuple(zip(places.first, places.second, strict=True)),
        moved=frozen(torch.stack(distances)),
        thumbnails=frozen(torch.stack(pictures)),
        first_scores=first.scores(),
        second_scores=second.scores(),
    )
