"""From measured numbers to a verdict: which mechanism does the induction here, and what speaks against saying so.

Pure: no model, no torch, no words beside the criteria's own. What is measured: trial.py. What the thresholds rest on
and how often they err: docs/verdict.md.

A criterion passes when the whole interval of its mean lies on the right side of the threshold, fails when it lies on
the wrong side, and is undecided between. The intervals hold together: with m criteria that were sampled, each is
Student's at level 1 - 0.05/m (Bonferroni). Weights are not sampled and are compared as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from engine.circuits.student import reach
from engine.model.config import HeadRef

Scope = Literal["model", "prompt"]
Mechanism = Literal["k-composition", "q-composition", "mixed", "none", "unclear"]
Question = Literal["behaviour", "copying", "k", "q", "circuit"]
State = Literal["passed", "failed", "undecided", "not measured"]

ERROR = 0.05  # chance that any of the intervals misses its mean, all criteria together


@dataclass(frozen=True)
class Number:
    """A mean over `n` samples with its standard error; `error` None where nothing is sampled: weights, or n of 1."""

    mean: float
    error: float | None = None
    n: int = 0


@dataclass(frozen=True)
class Rule:
    """What a criterion asks. `needed`: without it there is no such verdict; else it only speaks for or against."""

    name: str
    question: Question
    threshold: float
    at_least: bool
    needed: bool
    what: str


def _rules() -> Iterable[Rule]:
    yield Rule("induction", "behaviour", 0.3, True, True, "attention on the token after the earlier copy")
    yield Rule("induction_control", "behaviour", 0.1, False, True, "the same where nothing is repeated")
    yield Rule("copy_gain", "behaviour", 0.25, True, True, "share of the loss that the second copy saves")
    yield Rule("copy_direct_effect", "copying", 0.0, True, True, "what the induction heads add to the right token")
    yield Rule("copy_eigenvalues", "copying", 0.5, True, False, "eigenvalue score of the best full OV circuit")
    yield Rule("copy_top1", "copying", 0.1, True, False, "tokens that the best OV circuit raises most themselves")
    for part, where, note in (("k", "keys", "note"), ("q", "queries", "pointer")):
        side: Question = "k" if part == "k" else "q"
        yield Rule(f"{part}_noising", side, 0.5, False, True, f"attention left when the {note} in the {where} is wrong")
        yield Rule(f"{part}_denoising", side, 0.25, True, True, f"attention that the {note} alone brings back")
        yield Rule(f"{part}_others", side, 0.2, True, True, f"how much less it is left than with other heads' {where}")
        yield Rule(f"{part}_ablation", side, 0.5, False, True, "attention left when the heads below are removed")
        yield Rule(f"{part}_ablation_others", side, 0.2, True, True, "how much less than when other heads are removed")
        yield Rule(f"{part}_moved_on", side, 0.5, True, True, f"attention that follows the {note} moved one place on")
        yield Rule(f"{part}_moved_others", side, 0.5, True, False, "attention that stays when other notes are moved")
        yield Rule(f"{part}_noising_prediction", side, 0.5, False, False, "the prediction that is left then")
        yield Rule(f"{part}_fraction", side, 0.5, True, True, f"composition into the {where} as a share of its ceiling")
        yield Rule(f"{part}_rank", side, 1.0, False, False, "place of that pair among all pairs of its kind")
        yield Rule(f"{part}_z", side, 0.0, True, False, "standard deviations above random heads: not random, no more")
    yield Rule("k_forced_ideal", "k", 0.5, True, False, "attention kept when the heads below look one token back")
    yield Rule("k_forced_two_back", "k", 0.5, False, False, "attention left when they look two tokens back")
    yield Rule("k_forced_follows", "k", 0.5, True, False, "attention one place further on when they look two back")
    yield Rule("v_noising", "circuit", 0.5, True, False, "attention left when what the values read is wrong")
    yield Rule("alone", "circuit", 0.5, True, False, "attention left when every head but the named ones is removed")


RULES = {rule.name: rule for rule in _rules()}


@dataclass(frozen=True)
class Measured:
    """All that a verdict is made of.

    `numbers` by the name of their rule, those missing were not measured; `limits` are thresholds that depend on the
    model. `helpers` are heads that share the behaviour but not enough of it to be named, with their score.
    `impossible` says why there can be no circuit at all (one layer, no earlier copy); then nothing was measured.
    `untested` says why nothing could be meddled with, where the behaviour alone was measured.
    """

    scope: Scope
    previous: tuple[HeadRef, ...] = ()
    induction: tuple[HeadRef, ...] = ()
    duplicate: tuple[HeadRef, ...] = ()
    numbers: Mapping[str, Number] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)
    helpers: tuple[tuple[HeadRef, float], ...] = ()
    pairs: Mapping[str, tuple[HeadRef, HeadRef]] = field(default_factory=dict)
    impossible: str = ""
    untested: str = ""


@dataclass(frozen=True)
class Criterion:
    """One criterion as it came out. `low` and `high` are the ends of its interval, None where nothing was sampled."""

    rule: Rule
    value: float | None
    threshold: float
    low: float | None
    high: float | None
    n: int
    state: State

    @property
    def name(self) -> str:
        return self.rule.name

    @property
    def passed(self) -> bool | None:
        """None where it was not measured; what is undecided has not passed."""
        return None if self.state == "not measured" else self.state == "passed"


@dataclass(frozen=True)
class Verdict:
    """`criteria` in the order of RULES, those that were not measured among them; `against` is for against.py to say,
    `asked` for whoever asked: the question that this answers."""

    scope: Scope
    mechanism: Mechanism
    measured: Measured
    criteria: tuple[Criterion, ...]
    against: tuple[str, ...] = ()
    asked: object = None

    def criterion(self, name: str) -> Criterion:
        return next(one for one in self.criteria if one.name == name)


def judge(measured: Measured, asked: Literal["k", "q"] | None = None) -> Verdict:
    """`asked`: is it this one? Then the answer is its name, none or unclear, whatever the other mechanism does."""
    criteria = weigh(measured)
    if measured.impossible:
        return Verdict(measured.scope, "none", measured, criteria)
    if measured.untested:
        stands = state_of(criteria, "behaviour") != "failed"
        return Verdict(measured.scope, "unclear" if stands else "none", measured, criteria)
    return Verdict(measured.scope, _mechanism(criteria, asked), measured, criteria)


def weigh(measured: Measured) -> tuple[Criterion, ...]:
    """Every criterion against its threshold, with intervals that hold together."""
    sampled = sum(1 for name in RULES if _sampled(measured.numbers.get(name)))
    level = 1 - ERROR / max(1, sampled)
    return tuple(_weighed(rule, measured, level) for rule in RULES.values())


def _sampled(number: Number | None) -> bool:
    return number is not None and number.error is not None and number.n > 1


def _weighed(rule: Rule, measured: Measured, level: float) -> Criterion:
    threshold = measured.limits.get(rule.name, rule.threshold)
    number = measured.numbers.get(rule.name)
    if number is None or not math.isfinite(number.mean):
        return Criterion(rule, None, threshold, None, None, 0, "not measured")
    low = high = number.mean
    ends: tuple[float | None, float | None] = (None, None)
    if number.error is not None and number.n > 1:
        wide = reach(level, number.n - 1) * number.error
        low, high = number.mean - wide, number.mean + wide
        ends = (low, high)
    return Criterion(rule, number.mean, threshold, *ends, number.n, _state(rule.at_least, threshold, low, high))


def _state(at_least: bool, threshold: float, low: float, high: float) -> State:
    if not at_least:
        threshold, low, high = -threshold, -high, -low
    if low >= threshold:
        return "passed"
    return "failed" if high < threshold else "undecided"


def _mechanism(criteria: Sequence[Criterion], asked: Literal["k", "q"] | None) -> Mechanism:
    for question in ("behaviour", "copying"):
        state = state_of(criteria, question)
        if state != "passed":
            return "none" if state == "failed" else "unclear"
    k, q = state_of(criteria, "k"), state_of(criteria, "q")
    if asked is not None:
        state, name = (k, "k-composition") if asked == "k" else (q, "q-composition")
        return _named(name) if state == "passed" else "none" if state == "failed" else "unclear"
    if k == q == "passed":
        return "mixed"
    return "k-composition" if k == "passed" else "q-composition" if q == "passed" else "unclear"


def _named(name: str) -> Mechanism:
    return "k-composition" if name == "k-composition" else "q-composition"


def state_of(criteria: Sequence[Criterion], question: Question) -> State:
    """All its needed criteria together. Comparisons with other heads cannot be needed where there are no others, nor a
    note moved where there is no place for it. A route fails by its path test: where patching it changes too little,
    nothing else that is measured can make it used."""
    own = [one for one in criteria if one.rule.question == question and one.rule.needed]
    measured = [one for one in own if one.state != "not measured"]
    if question in ("k", "q"):
        path = next(one for one in own if one.name == f"{question}_noising")
        if path.state in ("failed", "not measured"):
            return "failed"  # where no head plays the part below, nothing was patched
        wanted = [one for one in own if not ("others" in one.name or one.name.endswith("moved_on"))]
        if any(one.state != "passed" for one in [*wanted, *measured]):
            return "undecided"
        return "passed"
    if not measured or any(one.state == "failed" for one in measured):
        return "failed" if measured else "not measured"
    return "undecided" if any(one.state == "undecided" for one in measured) else "passed"
