"""The words "induction head" are earned, never given for a pattern alone."""

from dataclasses import replace

import pytest

from engine.work.results import HeadScores
from gui.roles import role_of, telling_score

GOOD = HeadScores(
    1,
    3,
    previous_token=0.03,
    duplicate_token=0.01,
    induction=0.91,
    induction_control=0.01,
    chance=0.018,
    n_rows=320,
    copying_eigenvalue=0.97,
    ablation_delta_loss=2.84,
)


def test_that_all_conditions_together_earn_the_name() -> None:
    role = role_of(GOOD)
    assert (role.kind, role.title, role.earned) == ("induction", "induction head", True)


@pytest.mark.parametrize(
    "change",
    [
        {"induction_control": 0.5},
        {"induction_control": None},
        {"copying_eigenvalue": -0.4},
        {"copying_eigenvalue": 0.0},
        {"copying_eigenvalue": None},
        {"ablation_delta_loss": 0.0},
        {"ablation_delta_loss": -0.3},
        {"ablation_delta_loss": None},
    ],
)
def test_that_a_missing_condition_leaves_only_a_description(change: dict[str, float | None]) -> None:
    role = role_of(replace(GOOD, **change))
    assert (role.title, role.earned) == ("attends like an induction head", False)


def test_that_a_score_at_chance_has_no_badge_and_no_role() -> None:
    quiet = replace(GOOD, induction=0.19)
    assert telling_score(quiet) is None
    assert role_of(quiet).kind == "none"


def test_that_a_middling_score_is_shown_but_names_nothing() -> None:
    middling = replace(GOOD, induction=0.01, previous_token=0.26)
    score = telling_score(middling)
    assert score is not None
    assert (score.short, score.notable) == ("prev", False)
    assert role_of(middling).kind == "none"


def test_that_the_largest_score_decides() -> None:
    assert role_of(replace(GOOD, previous_token=0.95)).kind == "previous"
    assert role_of(replace(GOOD, duplicate_token=0.95)).kind == "duplicate"


def test_that_nothing_measured_names_nothing() -> None:
    assert telling_score(HeadScores(0, 0)) is None
