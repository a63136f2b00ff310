"""One run of one prompt: what the model reads, where every head looks, and what it expects next."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.circuits import budget
from engine.circuits.scores.matcher import followed
from engine.circuits.scores.patterns import followers
from engine.model.tokenizer import Tokenizer
from engine.work.jobs.pictures import Pictures
from engine.work.jobs.reading import Reading, read
from engine.work.jobs.remembering import remembered
from engine.work.jobs.running import batch, best, frozen, run_tap, tokens_of
from engine.work.requests import Analyze
from engine.work.results import Analysis, MatcherGuess, Prediction
from engine.work.state import EngineState, OpenModel
from engine.work.task import Task

BEST = 10


@remembered
def analyze(request: Analyze, state: EngineState, task: Task) -> Analysis:
    """Raises PromptError for a prompt that cannot be read, ValueError for interventions that do not fit
    and for weights so large that the run overflows.
    """
    opened = state.require()
    return _run(request, read(request.prompt, opened), state, task)


def _run(request: Analyze, reading: Reading, state: EngineState, task: Task) -> Analysis:
    opened = state.require()
    ids, tokens = reading.ids, batch(reading.ids)  # (1, T)
    config = opened.model.config
    watch = Pictures(config.layers, config.heads, len(ids))
    tap = run_tap(task, opened, tokens, reading.bos, request.interventions, watch)
    foretold = _foretold(opened, opened.model.residual(tokens, tap)[0], tokens[0])
    if watch.streams is not None:
        state.recent.put(streams_key(opened, request), watch.streams)
    return Analysis(
        model=opened.info,
        prompt=request.prompt,
        tokens=tokens_of(opened.tokenizer, ids),
        losses=frozen(foretold.losses),
        log_chances=frozen(foretold.last - foretold.last_total),
        predictions=best(opened.tokenizer, foretold.last, foretold.last_total, BEST),
        position_predictions=foretold.everywhere,
        matcher=_matcher(opened.tokenizer, reading),
        patterns=watch.patterns,
        thumbnails=watch.thumbnails,
        thumbnails_without_first=watch.without_first,
        stripe=frozen(followers(tokens, reading.bos)[0]),
        interventions=request.interventions,
        notice=reading.notice,
    )


@dataclass(frozen=True)
class _Foretold:
    """Losses (T) in nats, NaN at position 0; the best guess after each token; the last logits (V) with log-sum-exp."""

    losses: Tensor
    everywhere: tuple[Prediction, ...]
    last: Tensor
    last_total: float


def _foretold(opened: OpenModel, stream: Tensor, tokens: Tensor) -> _Foretold:
    """From the normed final stream (T, d): logits in blocks of positions, for all at once they may be gigabytes.

    The log-probabilities of the whole vocabulary (losses.token_losses) would take longer than the run itself.
    """
    unembedding, count = opened.model.unembedding, len(tokens)
    losses = torch.full((count + 1,), math.nan)  # (T + 1)
    everywhere: list[Prediction] = []
    block = budget.portion(2 * stream.element_size() * unembedding.shape[1], count)
    for start in range(0, count, block):
        logits = stream[start : start + block] @ unembedding  # (b, V)
        log_total = logits.logsumexp(-1)  # (b)
        if not log_total.isfinite().all():
            raise ValueError("this model's numbers overflow on this prompt: its weights are damaged, open another")
        following = tokens[start + 1 : start + 1 + block]  # (b), at the end one less
        known = len(following)
        losses[start + 1 : start + 1 + known] = log_total[:known] - logits[:known].gather(-1, following[:, None])[:, 0]
        everywhere += _guesses(opened.tokenizer, logits, log_total)
    return _Foretold(losses[:count], tuple(everywhere), logits[-1], float(log_total[-1]))


def streams_key(opened: OpenModel, request: Analyze) -> Hashable:
    """Where the recent answers keep the streams of a run whose patterns were too many."""
    return opened.info.hash, "streams", request


def _guesses(tokenizer: Tokenizer, logits: Tensor, log_total: Tensor) -> tuple[Prediction, ...]:
    top, chosen = logits.max(-1)  # (T)
    chances = (top - log_total).exp().tolist()
    rows = zip(chosen.tolist(), chances, top.tolist(), strict=True)
    return tuple(Prediction(number, tokenizer.token_text(number), chance, logit) for number, chance, logit in rows)


def _matcher(tokenizer: Tokenizer, reading: Reading) -> tuple[MatcherGuess, ...]:
    return tuple(
        MatcherGuess(number, tokenizer.token_text(number), len(places), places)
        for number, places in followed(reading.ids, reading.bos)
    )
