"""Which name a head has earned, decided in one place from its scores, with every threshold in sight.

A pattern alone earns only a description ("attends like an induction head"): heads that suppress what
they find have the same pattern. The name asks for a control near zero, copying and a loss on removal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.work.results import HeadScores

RoleKind = Literal["none", "previous", "induction", "duplicate"]

PATTERN_THRESHOLD = 0.4
BADGE_THRESHOLD = 0.2
CHANCE_MULTIPLE = 3.0
CONTROL_LIMIT = 0.1
REMOVAL_THRESHOLD = 0.02


@dataclass(frozen=True)
class Criterion:
    """One condition of a name; `passed` None when its number was not measured."""

    name: str
    value: float | None
    wanted: str
    passed: bool | None


@dataclass(frozen=True)
class HeadRole:
    """What a head is called; unless `earned`, that is only a description of its pattern."""

    kind: RoleKind
    title: str
    earned: bool
    criteria: tuple[Criterion, ...] = ()


@dataclass(frozen=True)
class Score:
    """The most telling score of a head, e.g. "ind" 0.91; `notable` when it shapes the whole pattern."""

    kind: RoleKind
    short: str
    value: float
    notable: bool


def role_of(scores: HeadScores) -> HeadRole:
    """The role by the head's most telling score."""
    best = telling_score(scores)
    if best is None or not best.notable:
        return HeadRole("none", "no role found by these probes", earned=False)
    if best.kind == "previous":
        return HeadRole("previous", "previous-token head", earned=True)
    if best.kind == "duplicate":
        return HeadRole("duplicate", "duplicate-token head", earned=True)
    criteria = induction_criteria(scores)
    if all(criterion.passed for criterion in criteria):
        return HeadRole("induction", "induction head", earned=True, criteria=criteria)
    return HeadRole("induction", "attends like an induction head", earned=False, criteria=criteria)


def telling_score(scores: HeadScores) -> Score | None:
    """The largest of the three role scores, if it is well over chance."""
    rows: list[tuple[float, RoleKind, str]] = [
        (scores.induction or 0.0, "induction", "ind"),
        (scores.previous_token or 0.0, "previous", "prev"),
        (scores.duplicate_token or 0.0, "duplicate", "dup"),
    ]
    value, kind, short = max(rows)
    if value < max(BADGE_THRESHOLD, CHANCE_MULTIPLE * (scores.chance or 0.0)):
        return None
    return Score(kind, short, value, notable=value >= PATTERN_THRESHOLD)


def induction_criteria(scores: HeadScores) -> tuple[Criterion, ...]:
    """What the words "induction head" ask for."""
    floor = max(PATTERN_THRESHOLD, CHANCE_MULTIPLE * (scores.chance or 0.0))
    cost, least = scores.ablation_delta_loss, REMOVAL_THRESHOLD
    return (
        _over("induction score", scores.induction, floor, f"at least {floor:.2f}"),
        _under("the same without a repeat", scores.induction_control, CONTROL_LIMIT),
        _over("copying (eigenvalues)", scores.copying_eigenvalue, 0.0, "above 0"),
        _over("loss when removed", cost, least, f"at least +{least:.2f}"),
    )


def _over(name: str, value: float | None, limit: float, wanted: str) -> Criterion:
    return Criterion(name, value, wanted, None if value is None else value >= limit and value > 0.0)


def _under(name: str, value: float | None, limit: float) -> Criterion:
    return Criterion(name, value, f"at most {limit:.2f}", None if value is None else value <= limit)
