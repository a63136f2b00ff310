"""One head on the prompt, in full precision: the layers below it, then its own attention and no more."""

from __future__ import annotations

import math
from typing import cast

import torch

from engine.model.taps import Capture
from engine.model.transformer import Layer
from engine.work.jobs.analyze import streams_key
from engine.work.jobs.reading import read
from engine.work.jobs.running import batch, frozen, run_tap
from engine.work.requests import Analyze, ExamineHead
from engine.work.results import HeadDetail
from engine.work.state import EngineState
from engine.work.task import Task


def examine_head(request: ExamineHead, state: EngineState, task: Task) -> HeadDetail:
    """Raises PromptError for a prompt that cannot be read, ValueError for a head that does not exist."""
    opened = state.require()
    key = (opened.info.hash, request)
    known = state.recent.get(key)
    if known is not None:
        return known
    number, head = request.head
    opened.model.config.require_heads((request.head,))
    names = (f"{number}.pattern", f"{number}.scores")
    watch = Capture(names.__contains__)
    reading = read(request.prompt, opened)
    tokens = batch(reading.ids)
    tap = run_tap(task, opened, tokens, reading.bos, request.interventions, watch)
    x, frame = opened.model.begin(tokens, tap)
    run = state.recent.get(streams_key(opened, Analyze(request.prompt, request.interventions)))
    if run is not None:
        x = torch.tensor(run.before[number])[None]  # (1, T, d)
    else:
        x = opened.model.through(x, frame, range(number), tap)  # (1, T, d)
    cast(Layer, opened.model.layers[number]).attend(x, frame, str(number), tap)
    pattern, scores = (watch.kept[name][0, head] for name in names)  # (T, T)
    scores = scores.masked_fill(scores.isneginf(), math.nan)  # the future has no score
    detail = HeadDetail(request.head, request.prompt, frozen(pattern.clone()), frozen(scores), request.interventions)
    state.recent.put(key, detail)
    return detail
