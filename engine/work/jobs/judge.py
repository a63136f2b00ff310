"""The verdict on a model, from random repeats, or on one position of a prompt: roles, trial, weights, judgement."""

from __future__ import annotations

from dataclasses import replace

import torch

from engine.circuits.against import with_against
from engine.circuits.patching.corruption import fresh_first_copy
from engine.circuits.patching.metrics import TokenLoss
from engine.circuits.scores.patterns import control_stripe, followers
from engine.circuits.scores.probes import control
from engine.circuits.trial import Case, Roles, Trial
from engine.circuits.verdict import Measured, Number, Verdict, judge
from engine.work.jobs.causes import players
from engine.work.jobs.judge_prompt import judge_prompt
from engine.work.jobs.reading import longest_repeat, probe_bos, repeat_rows
from engine.work.jobs.score_heads import score_heads
from engine.work.jobs.weighing import FEEDS, FEW_TOKENS, MANY_HEADS, ONE_LAYER, compared, run, weighed
from engine.work.requests import Judge, ScoreHeads
from engine.work.results import HeadScores, RoleScores
from engine.work.state import EngineState, OpenModel
from engine.work.task import Part, Task

SAMPLES = 8  # at least so many draws, whatever the probe had: below that an interval says little
SHORT = 20  # tokens of a repeat in a large model
SHORTEST = 4  # tokens of a repeat; shorter ones leave no room to move a note
OTHER_DRAWS = 1_000_003  # added to the seed: heads are named on one set of draws and tested on another


def judged(request: Judge, state: EngineState, task: Task) -> Verdict:
    """Raises PromptError for a prompt that cannot be read or a length that does not fit, ValueError for a place that
    does not exist."""
    opened = state.require()
    key = (opened.info.hash, request)
    known: Verdict | None = state.recent.get(key)
    if known is None:
        if request.prompt is not None:
            known = judge_prompt(request.prompt, request.destination, state, task)
        else:
            length = min(request.length, longest_repeat(opened, request.bos))
            probe = ScoreHeads(length, request.samples, request.seed, request.bos, removals=0)
            known = judge_model(score_heads(probe, state, Part(task)), request.bos, state, task)
        known = replace(known, asked=request)
        state.recent.put(key, known)
    return known


def judge_model(scores: RoleScores, bos: bool | None, state: EngineState, task: Task) -> Verdict:
    """On fresh repeats; `scores` name the heads. Raises PromptError where no repeat fits."""
    opened = state.require()
    if opened.model.config.layers < 2:
        return with_against(judge(Measured("model", impossible=ONE_LAYER)))
    named = roles_of(scores.heads)
    base = _behaviour(scores, named)
    if not named.induction:
        return with_against(judge(base))
    if len(opened.tokenizer.ordinary) < 2 * SHORTEST or longest_repeat(opened, bos) < SHORTEST:
        return with_against(judge(replace(base, untested=FEW_TOKENS)))
    trial = Trial(opened.model, _repeats(opened, scores, bos), compared(named, opened))
    numbers = {**base.numbers, **run(trial, task)}
    return with_against(judge(weighed(replace(base, numbers=numbers), state, task)))


def roles_of(heads: tuple[HeadScores, ...]) -> Roles:
    """Who plays a part: the induction heads, and below the last of them those that feed them."""
    induction = players({head.ref: head.induction for head in heads})
    last = max((head.layer for head in induction), default=0)
    below = [head for head in heads if head.layer < last]
    return Roles(
        previous=players({head.ref: head.previous_token for head in below}, FEEDS),
        induction=induction,
        duplicate=players({head.ref: head.duplicate_token for head in below}, FEEDS),
    )


def _behaviour(scores: RoleScores, named: Roles) -> Measured:
    """What the scores say by themselves; of a model without induction heads, its best head."""
    best = max(scores.heads, key=lambda head: head.induction or 0.0)
    numbers = {"induction": Number(best.induction or 0.0, best.induction_se, scores.samples)}
    if best.induction_control is not None:
        numbers["induction_control"] = Number(best.induction_control)
    if scores.copy_loss_first > 0:
        numbers["copy_gain"] = Number(1 - scores.copy_loss_second / scores.copy_loss_first)
    least = 0.3 * (best.induction or 0.0)
    helpers = [
        (head.ref, head.induction)
        for head in scores.heads
        if head.induction is not None and head.ref not in named.induction and head.induction >= max(0.1, least)
    ]
    return Measured(
        "model", named.previous, named.induction or (best.ref,), named.duplicate, numbers, helpers=tuple(helpers)
    )


def _repeats(opened: OpenModel, scores: RoleScores, bos: bool | None) -> Case:
    """BOS and L + L tokens, L short enough that as many fresh tokens are left for the corrupt prompt."""
    ordinary, first = opened.tokenizer.ordinary, probe_bos(opened, bos)
    longest = min(len(ordinary) // 2, longest_repeat(opened, bos))
    if len(opened.model.config.all_heads) > MANY_HEADS:
        longest = min(longest, SHORT)
    length = max(SHORTEST, min(scores.length, longest))
    seed = scores.seed + OTHER_DRAWS
    clean = repeat_rows(opened, length, max(SAMPLES, scores.samples), seed, bos)  # (B, T)
    size, without = clean.shape[1], control(clean, length, seed)
    rows = torch.arange(size - length, size - 1)
    queries = sorted({size - 1 - length * part // 4 for part in (1, 2, 3)})
    return Case(
        clean=clean,
        corrupt=fresh_first_copy(clean, length, ordinary, seed),
        targets=followers(clean, first),
        moves=tuple((query - length, query) for query in queries),
        rows=rows,
        right=clean[:, rows + 1],
        prediction=TokenLoss(opened.model, clean, size - length + 1),
        without=without,
        without_targets=control_stripe(without, length),
        bos=first,
    )
