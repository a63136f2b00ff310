"""From numbers to a verdict: each criterion has its say, and a wrong number changes the verdict or a sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.circuits.against import with_against
from engine.circuits.student import reach, within
from engine.circuits.verdict import RULES, Measured, Number, judge, state_of, weigh
from engine.model.config import HeadRef

SHARED = {
    "induction": Number(0.9, 0.01, 8),
    "induction_control": Number(0.01, 0.001, 8),
    "copy_gain": Number(0.95),
    "copy_direct_effect": Number(8.0, 0.3, 8),
    "copy_eigenvalues": Number(0.99),
    "copy_top1": Number(0.8),
    "v_noising": Number(1.0, 0.001, 8),
    "alone": Number(0.8, 0.01, 8),
}
WORKS = {
    "noising": Number(0.05, 0.01, 8),
    "denoising": Number(0.8, 0.02, 8),
    "others": Number(0.8, 0.02, 8),
    "ablation": Number(0.04, 0.01, 8),
    "ablation_others": Number(0.7, 0.02, 8),
    "moved_on": Number(0.9, 0.03, 8),
    "moved_others": Number(0.95, 0.02, 8),
    "noising_prediction": Number(0.1, 0.02, 8),
    "fraction": Number(0.8),
    "rank": Number(1.0),
    "z": Number(40.0),
}
IDLE = {
    "noising": Number(1.0, 0.001, 8),
    "denoising": Number(0.0, 0.001, 8),
    "ablation": Number(0.99, 0.01, 8),
}
FORCED = {
    "k_forced_ideal": Number(1.0, 0.01, 8),
    "k_forced_two_back": Number(0.02, 0.01, 8),
    "k_forced_follows": Number(0.9, 0.01, 8),
}


def measured(k: dict[str, Number] | None, q: dict[str, Number] | None, **changed: Number | None) -> Measured:
    """A model in which the routes do this; `changed` numbers stand in for those, None leaves one out."""
    numbers: dict[str, Number | None] = dict(SHARED)
    for part, found in (("k", k), ("q", q)):
        numbers |= {f"{part}_{name}": number for name, number in (found or {}).items()}
    numbers |= FORCED if k is WORKS else {}
    numbers |= changed
    return Measured(
        "model",
        previous=(HeadRef(0, 1),) if k else (),
        induction=(HeadRef(1, 0),),
        duplicate=(HeadRef(0, 0),) if q else (),
        numbers={name: number for name, number in numbers.items() if number is not None},
    )


def wrong(name: str) -> Number:
    """A number far on the wrong side of its rule."""
    rule = RULES[name]
    return Number(rule.threshold - 5.0 if rule.at_least else rule.threshold + 5.0, 0.01, 8)


@pytest.mark.parametrize(
    ("k", "q", "mechanism"),
    [
        (WORKS, None, "k-composition"),
        (WORKS, IDLE, "k-composition"),
        (None, WORKS, "q-composition"),
        (IDLE, WORKS, "q-composition"),
        (WORKS, WORKS, "mixed"),
        (IDLE, IDLE, "unclear"),
        (None, None, "unclear"),
    ],
)
def test_that_the_routes_that_work_name_the_mechanism(
    k: dict[str, Number] | None, q: dict[str, Number] | None, mechanism: str
) -> None:
    assert judge(measured(k, q)).mechanism == mechanism


def test_that_a_pointer_asked_about_keys_is_none_and_about_queries_is_itself() -> None:
    for k in (IDLE, None):
        pointer = measured(k, WORKS)
        assert (judge(pointer, "k").mechanism, judge(pointer, "q").mechanism) == ("none", "q-composition")
    assert judge(measured(WORKS, WORKS), "k").mechanism == "k-composition"
    assert judge(measured({**WORKS, "moved_on": Number(0.0, 0.01, 8)}, None), "k").mechanism == "unclear"


NEEDED = [rule.name for rule in RULES.values() if rule.needed]


@pytest.mark.parametrize("name", NEEDED)
def test_that_one_wrong_number_that_is_needed_takes_the_verdict_away(name: str) -> None:
    sound = {"k": WORKS, "q": None} if not name.startswith("q_") else {"k": None, "q": WORKS}
    before = judge(measured(sound["k"], sound["q"]))
    after = with_against(judge(measured(sound["k"], sound["q"], **{name: wrong(name)})))
    none = RULES[name].question in ("behaviour", "copying")
    assert before.mechanism in ("k-composition", "q-composition")
    assert after.mechanism == ("none" if none else "unclear")
    assert after.criterion(name).state == "failed"
    assert after.criterion(name).passed is False


@pytest.mark.parametrize("name", [rule.name for rule in RULES.values()])
def test_that_every_wrong_number_is_said_with_its_value(name: str) -> None:
    k, q = (None, WORKS) if name.startswith("q_") else (WORKS, None)
    assert with_against(judge(measured(k, q))).against == ()
    said = with_against(judge(measured(k, q, **{name: wrong(name)}))).against
    assert any(f"{wrong(name).mean:.2f}" in line and f"{RULES[name].threshold:.2f}" in line for line in said)
    other = with_against(judge(measured(k, q, **{name: replace(wrong(name), mean=wrong(name).mean * 2)}))).against
    assert other != said


@pytest.mark.parametrize(
    "name", [n for n in NEEDED if "others" not in n and "moved" not in n and RULES[n].question in ("k", "q")]
)
def test_that_what_was_not_measured_is_not_taken_for_passed(name: str) -> None:
    k, q = (None, WORKS) if name.startswith("q_") else (WORKS, None)
    verdict = judge(measured(k, q, **{name: None}))
    assert verdict.mechanism == "unclear"
    assert verdict.criterion(name).passed is None


def test_that_there_may_be_no_other_heads_to_compare_with_and_then_it_is_said() -> None:
    alone = measured(WORKS, None, k_others=None, k_ablation_others=None, k_moved_others=None)
    verdict = with_against(judge(alone))
    assert verdict.mechanism == "k-composition"
    assert any("no other heads" in line for line in verdict.against)


def test_that_there_may_be_no_place_to_move_a_note_to_and_then_it_is_said() -> None:
    verdict = with_against(judge(measured(WORKS, None, k_moved_on=None, k_moved_others=None)))
    assert verdict.mechanism == "k-composition"
    assert any("no place" in line for line in verdict.against)


def test_that_a_wide_interval_decides_nothing() -> None:
    for error, state in ((0.01, "passed"), (0.2, "undecided")):
        verdict = judge(measured(WORKS, None, k_denoising=Number(0.6, error, 8)))
        assert verdict.criterion("k_denoising").state == state
    assert verdict.mechanism == "unclear"
    assert verdict.criterion("k_denoising").passed is False
    assert any("does not decide" in line for line in with_against(verdict).against)


def test_that_the_more_is_tested_the_wider_the_intervals() -> None:
    """Bonferroni: with m sampled criteria each interval is Student's at 1 - 0.05/m."""
    one = Measured("model", numbers={"induction": Number(0.5, 0.1, 8)})
    both = Measured("model", numbers={"induction": Number(0.5, 0.1, 8), "induction_control": Number(0.0, 0.1, 8)})
    for found, level in ((one, 0.95), (both, 0.975)):
        criterion = weigh(found)[0]
        assert criterion.high == pytest.approx(0.5 + reach(level, 7) * 0.1)
        assert criterion.low == pytest.approx(0.5 - reach(level, 7) * 0.1)
    assert weigh(one)[0].high == pytest.approx(0.5 + 2.364624 * 0.1, abs=1e-6)


def test_that_weights_are_compared_as_they_are() -> None:
    found = judge(measured(WORKS, None))
    assert (found.criterion("k_fraction").low, found.criterion("k_fraction").n) == (None, 0)
    limited = replace(measured(WORKS, None), limits={"k_fraction": 0.85})
    assert judge(limited).mechanism == "unclear"
    assert judge(limited).criterion("k_fraction").threshold == 0.85


def test_that_the_other_route_and_helpers_are_told() -> None:
    carrying = measured(WORKS, {**IDLE, "noising": Number(0.7, 0.01, 8)})
    verdict = with_against(judge(replace(carrying, helpers=((HeadRef(1, 3), 0.55),))))
    assert verdict.mechanism == "k-composition"
    assert any("queries carry a part too" in line and "0.70" in line for line in verdict.against)
    assert any("1.3 (0.55)" in line for line in verdict.against)


def test_that_what_cannot_be_has_one_reason_and_no_numbers() -> None:
    verdict = with_against(judge(Measured("prompt", impossible="There is one layer.")))
    assert (verdict.mechanism, verdict.against) == ("none", ("There is one layer.",))
    assert all(one.passed is None for one in verdict.criteria)
    untested = with_against(judge(Measured("model", numbers=SHARED, untested="Too few tokens.")))
    assert (untested.mechanism, untested.against) == ("unclear", ("Too few tokens.",))
    weak = {**SHARED, "induction": Number(0.1, 0.01, 8)}
    assert judge(Measured("model", numbers=weak, untested="Too few tokens.")).mechanism == "none"


def test_that_few_samples_are_told() -> None:
    few = {name: replace(number, n=4) if number.error else number for name, number in SHARED.items()}
    four = with_against(judge(measured(WORKS, None, **few)))
    assert any("4 samples" in line for line in four.against)
    assert state_of(four.criteria, "behaviour") == "passed"


@pytest.mark.parametrize(
    ("level", "freedom", "expected"),
    [(0.95, 1, 12.7062), (0.95, 2, 4.30265), (0.99, 3, 5.84091), (0.95, 7, 2.36462), (0.998, 10, 4.14370)],
)
def test_that_students_t_is_as_in_the_tables(level: float, freedom: int, expected: float) -> None:
    assert reach(level, freedom) == pytest.approx(expected, rel=1e-5)
    assert within(expected, freedom) == pytest.approx(level, abs=1e-5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        reach(1.0, freedom)
