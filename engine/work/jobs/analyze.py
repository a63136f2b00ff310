"""One run of one prompt: what the model reads, where every head looks, and what it expects next."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.circuits.scores.matcher import followed
from engine.circuits.scores.patterns import followers
from engine.model.tokenizer import Tokenizer
from engine.work.jobs.pictures import Pictures
from engine.work.jobs.reading import Reading, read
from engine.work.jobs.running import batch, best, frozen, run_tap, tokens_of
from engine.work.requests import Analyze
from engine.work.results import Analysis, MatcherGuess, Prediction
from engine.work.state import EngineState, OpenModel
from engine.work.task import Task

BEST = 10


def analyze(request: Analyze, state: EngineState, task: Task) -> Analysis:
    """Raises PromptError for a prompt that cannot be read, ValueError for interventions that do not fit
    and for weights so large that the run overflows.
    """
    opened = state.require()
    key = (opened.info.hash, request)
    known = state.recent.get(key)
    if known is None:
        known = _run(request, read(request.prompt, opened), opened, task)
        state.recent.put(key, known)
    return known


def _run(request: Analyze, reading: Reading, opened: OpenModel, task: Task) -> Analysis:
    ids, tokens = reading.ids, batch(reading.ids)  # (1, T)
    watch = Pictures(len(opened.model.config.all_heads))
    tap = run_tap(task, opened, tokens, reading.bos, request.interventions, watch)
    logits = opened.model(tokens, tap)[0]  # (T, V)
    log_total = logits.logsumexp(-1)  # (T)
    if not log_total.isfinite().all():
        raise ValueError("this model's numbers overflow on this prompt: its weights are damaged, open another")
    return Analysis(
        model=opened.info,
        prompt=request.prompt,
        tokens=tokens_of(opened.tokenizer, ids),
        losses=frozen(_losses(logits, log_total, tokens[0])),
        predictions=best(opened.tokenizer, logits[-1], float(log_total[-1]), BEST),
        position_predictions=_everywhere(opened.tokenizer, logits, log_total),
        matcher=_matcher(opened.tokenizer, reading),
        patterns=watch.patterns,
        thumbnails=watch.thumbnails,
        thumbnails_without_first=watch.without_first,
        stripe=frozen(followers(tokens, reading.bos)[0]),
        interventions=request.interventions,
        notice=reading.notice,
    )


def _losses(logits: Tensor, log_total: Tensor, tokens: Tensor) -> Tensor:
    """(T, V) logits and their log-sum-exp (T) to losses (T) in nats, NaN at position 0.

    The log-probabilities of the whole vocabulary (losses.token_losses) would take longer than the run itself.
    """
    losses = torch.full(tokens.shape, math.nan)  # (T)
    losses[1:] = log_total[:-1] - logits[:-1].gather(-1, tokens[1:, None])[:, 0]
    return losses


def _everywhere(tokenizer: Tokenizer, logits: Tensor, log_total: Tensor) -> tuple[Prediction, ...]:
    top, chosen = logits.max(-1)  # (T)
    chances = (top - log_total).exp().tolist()
    rows = zip(chosen.tolist(), chances, top.tolist(), strict=True)
    return tuple(Prediction(number, tokenizer.token_text(number), chance, logit) for number, chance, logit in rows)


def _matcher(tokenizer: Tokenizer, reading: Reading) -> tuple[MatcherGuess, ...]:
    return tuple(
        MatcherGuess(number, tokenizer.token_text(number), len(places), places)
        for number, places in followed(reading.ids, reading.bos)
    )
