"""What every head copies: its OV circuit, from weights, and Olsson's copying score. Measured once for a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from engine.circuits.scores.copying import WatchCopying
from engine.circuits.scores.probes import OLSSON_SAMPLES, olsson_length, random_repeat
from engine.circuits.statistics import mean_and_error
from engine.circuits.weights.ovqk import eigenvalues_by_layer, rates_of_heads
from engine.work.jobs.head_scores import defined
from engine.work.jobs.running import chunks, run_tap
from engine.work.results import HeadScores
from engine.work.state import EngineState, OpenModel
from engine.work.task import Task

SEED = 0  # of the random tokens and of the sampled sources: the scores belong to the model, not to a probe

Columns = dict[str, list[float | None]]


def copying_scores(state: EngineState, task: Task) -> Columns:
    """Fields of HeadScores by name, one number for each head in layer order; None where it is not defined."""
    opened = state.require()
    key = (opened.info.hash, "copying")
    known: Columns | None = state.recent.get(key)
    if known is None:
        known = _measured(opened, task)
        state.recent.put(key, known)
    return known


def with_copying(scores: Sequence[HeadScores], columns: Columns) -> tuple[HeadScores, ...]:
    """Head scores of another job, completed by those of the model."""

    def completed(place: int, score: HeadScores) -> HeadScores:
        values: dict[str, Any] = {name: defined(column[place]) for name, column in columns.items()}
        return replace(score, **values)

    return tuple(completed(place, score) for place, score in enumerate(scores))


def _measured(opened: OpenModel, task: Task) -> Columns:
    eigenvalues, rates = [], []
    for layer in eigenvalues_by_layer(opened.model):
        task.yield_point()
        eigenvalues += layer
    for rate in rates_of_heads(opened.model, opened.model.config.all_heads, SEED):
        task.yield_point()
        rates.append(rate)
    return {
        "copying_eigenvalue": eigenvalues,
        "ov_top1": [None if rate is None else rate.top1 for rate in rates],
        "ov_top5": [None if rate is None else rate.top5 for rate in rates],
        "olsson_copying": _olsson(opened, task),
    }


def _olsson(opened: OpenModel, task: Task) -> list[float | None]:
    """Random tokens without BOS, as in the paper."""
    ordinary = opened.tokenizer.ordinary
    length = olsson_length(opened.model.config.context, ordinary)
    tokens = random_repeat(ordinary, length, OLSSON_SAMPLES, SEED, bos=None, copies=1)  # (N, T)
    parts = []
    for part in chunks(tokens, opened):
        task.yield_point()
        watch = WatchCopying(opened.model, part)
        opened.model.residual(part, run_tap(task, opened, part, None, (), watch))
        parts.append(watch.scores())  # (B, heads)
    return list(mean_and_error(torch.cat(parts))[0].tolist())
