"""What the heads do at one position of the prompt, and what removing the best matching head costs there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.circuits.interventions.values import Intervention
from engine.circuits.scores.patterns import ScorePatterns, followers
from engine.model.config import HeadRef
from engine.model.transformer import Tap
from engine.work.jobs.head_scores import head_scores
from engine.work.jobs.reading import Reading, read
from engine.work.jobs.remembering import remembered
from engine.work.jobs.running import batch, best, run_tap
from engine.work.requests import ObserveBehaviour, removing
from engine.work.results import Behaviour
from engine.work.state import EngineState, OpenModel
from engine.work.task import Task


@dataclass(frozen=True)
class Match:
    """Where the strongest attention on a follower goes, and which head it belongs to."""

    head: HeadRef
    source: int
    attention: float


class WatchRow:
    """A tap that keeps what every head attends to from one position of one prompt, (H, T) a layer."""

    def __init__(self, place: int) -> None:
        self.place = place
        self.rows: list[Tensor] = []

    def __call__(self, name: str, x: Tensor) -> Tensor:
        if name.endswith(".pattern"):
            self.rows.append(x[0, :, self.place])
        return x


@remembered
def observe_behaviour(request: ObserveBehaviour, state: EngineState, task: Task) -> Behaviour:
    """Raises PromptError for a prompt that cannot be read, ValueError for a place or a head that does not exist."""
    opened = state.require()
    return _observe(request, read(request.prompt, opened), opened, task)


def _observe(request: ObserveBehaviour, reading: Reading, opened: OpenModel, task: Task) -> Behaviour:
    ids, tokens = reading.ids, batch(reading.ids)  # (1, T)
    place = len(ids) - 1 if request.destination is None else request.destination
    if not 0 <= place < len(ids):
        raise ValueError(f"position {place} does not exist: the prompt has positions 0 to {len(ids) - 1}")

    def logits_with(interventions: tuple[Intervention, ...], *watchers: Tap) -> Tensor:
        tap = run_tap(task, opened, tokens, reading.bos, interventions, *watchers)
        return opened.model.residual(tokens, tap)[0, place] @ opened.model.unembedding  # (V)

    watch, scored = WatchRow(place), ScorePatterns(tokens, reading.bos)
    logits, targets = (
        logits_with(request.interventions, watch, scored),
        followers(tokens, reading.bos),
    )  # (V), (1, T, T)
    matched = strongest(torch.stack(watch.rows), targets[0, place])
    probability = without = None
    if matched is not None:
        task.yield_point()
        probability = float(logits.softmax(-1)[ids[matched.source]])
        removed = logits_with((*request.interventions, *removing((matched.head,))))  # (V)
        without = float(removed.softmax(-1)[ids[matched.source]])
    return Behaviour(
        prompt=request.prompt,
        destination=place,
        earlier=tuple(j for j in range(place) if ids[j] == ids[place] and ids[j] != reading.bos),
        head=matched.head if matched else None,
        source=matched.source if matched else None,
        attention=matched.attention if matched else None,
        probability=probability,
        probability_without=without,
        best=best(opened.tokenizer, logits, float(logits.logsumexp(-1)), 1)[0],
        scores=head_scores(opened.model.config, scored.scores(), targets, {}),
    )


def strongest(rows: Tensor, targets: Tensor) -> Match | None:
    """The largest attention on `targets` (T) bool among the heads' rows (L, H, T) of one destination."""
    if not targets.any():
        return None
    masked = rows.masked_fill(~targets, -1.0)  # (L, H, T)
    layer, head, source = (int(index) for index in np.unravel_index(int(masked.argmax()), masked.shape))
    return Match(HeadRef(layer, head), source, float(rows[layer, head, source]))
