"""Which heads play the two parts on random repeats, and what happens when one meddles with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.circuits.evidence import Evidence, Outcome
from engine.model.config import HeadRef
from engine.work.jobs.reading import probe_bos, repeat_rows
from engine.work.results import RoleScores
from engine.work.state import EngineState
from engine.work.task import Task

LEAST, SHARE = 0.3, 0.6  # a head plays a part from this score on, and from this share of the strongest one's


@dataclass(frozen=True)
class Causes:
    """`outcomes` is empty where the model lacks heads for one of the two parts."""

    previous: tuple[HeadRef, ...]
    induction: tuple[HeadRef, ...]
    outcomes: tuple[Outcome, ...]


def find_causes(scores: RoleScores, bos: bool | None, state: EngineState, task: Task) -> Causes:
    """On the same repeats as `scores`: the heads that play the two parts, and every causal test between them."""
    opened = state.require()
    induction = players({head.ref: head.induction for head in scores.heads})
    last = max((head.layer for head in induction), default=0)
    previous = players({head.ref: head.previous_token for head in scores.heads if head.layer < last})
    outcomes = []
    if previous and induction:
        repeats = repeat_rows(opened, scores.length, scores.samples, scores.seed, bos)  # (N, T)
        first, ordinary = probe_bos(opened, bos), opened.tokenizer.ordinary
        evidence = Evidence(opened.model, repeats, scores.length, first, ordinary, previous, induction, scores.seed)
        for outcome in evidence.outcomes():
            task.yield_point()
            outcomes.append(outcome)
    return Causes(previous, induction, tuple(outcomes))


def players(scores: Mapping[HeadRef, float | None], at_least: float = LEAST) -> tuple[HeadRef, ...]:
    """The heads that share a part, from the score that shows it: where one does it all, its faint helpers are none."""
    known = {head: score for head, score in scores.items() if score is not None}
    least = max(at_least, SHARE * max(known.values(), default=0.0))
    return tuple(head for head, score in known.items() if score >= least)
