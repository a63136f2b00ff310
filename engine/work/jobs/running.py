"""Runs of the open model: what is watched, what is removed, and how a run is stopped. Shared by the jobs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.circuits.interventions.ablation import tap_for
from engine.circuits.interventions.values import Intervention, PatchPath, Swap
from engine.model.taps import Pause, chain
from engine.model.tokenizer import Tokenizer
from engine.model.transformer import Tap
from engine.work.results import Prediction, Token
from engine.work.state import OpenModel
from engine.work.task import Task

ROW_BUDGET = 4_000_000  # numbers in the largest tensor of one chunk of samples
MEAN_ROWS = 32  # reference prompts that a mean is taken over


def run_tap(
    task: Task,
    opened: OpenModel,
    tokens: Tensor,
    bos: int | None,
    interventions: Sequence[Intervention] = (),
    *watchers: Tap,
) -> Tap:
    """A tap for runs on `tokens` (B, T): lets urgent work pass, stops when cancelled, intervenes, lets others watch.

    Raises ValueError, in one line, for interventions that do not fit the model or the prompt.
    """
    pause, kinds = Pause(task.yield_point), {getattr(value, "kind", None) for value in interventions}
    others = {text: _read_alike(opened, text, bos) for text in others_of(interventions)}
    reference = None
    if kinds & {"mean", "resample"}:
        rows = len(tokens) if "resample" in kinds else max(len(tokens), MEAN_ROWS)
        reference = _reference(opened, rows, tokens.shape[1], bos)
    return chain(pause, tap_for(opened.model, tokens, interventions, bos, reference, pause, others), *watchers)


def others_of(interventions: Sequence[Intervention]) -> set[str]:
    """The texts of the other prompts that interventions take their values from."""
    return {value.other for value in interventions if isinstance(value, Swap | PatchPath)}


def _read_alike(opened: OpenModel, text: str, bos: int | None) -> Tensor:
    """Another prompt as (1, T) tokens, with BOS where this one has it."""
    return batch(opened.tokenizer.encode(text, bos is not None))


def _reference(opened: OpenModel, rows: int, length: int, bos: int | None) -> Tensor:
    """What mean and resample ablation put in: prompts of random ordinary tokens, (rows, length), always the same."""
    ordinary = torch.tensor(opened.tokenizer.ordinary)
    drawn = torch.randint(len(ordinary), (rows, length), generator=torch.Generator().manual_seed(0))
    reference = ordinary[drawn]  # (R, T)
    if bos is not None:
        reference[:, 0] = bos
    return reference


def batch(ids: Sequence[int]) -> Tensor:
    return torch.tensor([ids], dtype=torch.int64)  # (1, T)


def chunks(tokens: Tensor, opened: OpenModel, variants: int = 1) -> tuple[Tensor, ...]:
    """Samples (N, T) in portions so small that, between two of them, a sweep lets others pass soon.

    `variants` is how many runs are made of each sample at a time.
    """
    config, length = opened.model.config, tokens.shape[1]
    largest = variants * length * max(config.vocabulary, config.heads * length)
    return tokens.split(max(1, ROW_BUDGET // largest))


def frozen(values: Tensor | NDArray[Any]) -> NDArray[Any]:
    """A read-only array to hand to another thread."""
    array = values.numpy() if isinstance(values, Tensor) else values
    array.flags.writeable = False
    return array


def tokens_of(tokenizer: Tokenizer, ids: Sequence[int]) -> tuple[Token, ...]:
    return tuple(
        Token(place, number, text) for place, (number, text) in enumerate(zip(ids, tokenizer.texts(ids), strict=True))
    )


def best(tokenizer: Tokenizer, logits: Tensor, log_total: float, count: int) -> tuple[Prediction, ...]:
    """The `count` most probable next tokens; logits (V) and their log-sum-exp."""
    top, chosen = logits.topk(min(count, len(logits)))
    return tuple(
        Prediction(number, tokenizer.token_text(number), math.exp(logit - log_total), logit)
        for number, logit in zip(chosen.tolist(), top.tolist(), strict=True)
    )
