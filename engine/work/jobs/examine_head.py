"""One head on the prompt, in full precision."""

from __future__ import annotations

import math

from engine.model.taps import Capture
from engine.work.jobs.reading import read
from engine.work.jobs.running import batch, frozen, run_tap
from engine.work.requests import ExamineHead
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
    layer, head = request.head
    opened.model.config.require_heads((request.head,))
    names = (f"{layer}.pattern", f"{layer}.scores")
    watch = Capture(names.__contains__)
    reading = read(request.prompt, opened)
    tokens = batch(reading.ids)
    opened.model.residual(tokens, run_tap(task, opened, tokens, reading.bos, request.interventions, watch))
    pattern, scores = (watch.kept[name][0, head] for name in names)  # (T, T)
    scores = scores.masked_fill(scores.isneginf(), math.nan)  # the future has no score
    detail = HeadDetail(request.head, request.prompt, frozen(pattern.clone()), frozen(scores))
    state.recent.put(key, detail)
    return detail
