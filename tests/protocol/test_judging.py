"""Verdicts on whole models and on prompts: circuits written by hand, trained ones, and what only looks like one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
import torch

from engine.circuits.verdict import Verdict, judge
from engine.model.config import HeadRef
from engine.model.handbuilt import build
from engine.work.jobs.judge import judged
from engine.work.jobs.load import load_model
from engine.work.recent import RecentRuns
from engine.work.requests import Judge, LoadModel, Prompt
from engine.work.state import EngineState
from engine.work.task import Task
from tests.engine import hard_negatives
from tests.engine.change_of_basis import change_of_basis

TWINS = ("default-1-layer", "instant-1-layer", "instant-1-layer-seed-3")


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


@cache
def state(name: str) -> EngineState:
    opened = EngineState(None, RecentRuns())
    load_model(LoadModel(name), opened, Task())
    return opened


@cache
def of_model(name: str) -> Verdict:
    with torch.inference_mode():
        return judged(Judge(), state(name), Task())


def of_prompt(name: str, text: str, destination: int | None = None) -> Verdict:
    return judged(Judge(Prompt(text), destination), state(name), Task())


@pytest.mark.parametrize(
    ("name", "mechanism"),
    [
        ("handbuilt-k", "k-composition"),
        ("handbuilt-q", "q-composition"),
        ("handbuilt-v", "none"),
        ("default", "k-composition"),
        ("instant", "k-composition"),
        *((name, "none") for name in TWINS),
    ],
)
def test_that_the_models_that_ship_get_the_right_verdict(name: str, mechanism: str) -> None:
    assert of_model(name).mechanism == mechanism


def test_that_the_verdict_on_the_hand_built_models_names_heads_and_exact_numbers() -> None:
    k, q = of_model("handbuilt-k"), of_model("handbuilt-q")
    assert (k.measured.previous, k.measured.induction, k.measured.duplicate) == ((HeadRef(0, 0),), (HeadRef(1, 0),), ())
    assert (q.measured.previous, q.measured.induction, q.measured.duplicate) == ((), (HeadRef(1, 0),), (HeadRef(0, 0),))
    for verdict, part in ((k, "k"), (q, "q")):
        for name, exact in {"noising": 0.0, "denoising": 1.0, "moved_on": 1.0, "fraction": 1.0}.items():
            assert verdict.criterion(f"{part}_{name}").value == pytest.approx(exact, abs=1e-4)
        assert verdict.criterion("copy_direct_effect").value == pytest.approx(12.0 - 12.0 / 12, abs=1e-4)
        assert len(verdict.against) == 1  # one head a layer: no others to compare with


def test_that_the_default_models_verdict_rests_on_the_numbers_of_its_page() -> None:
    verdict = of_model("default")
    assert verdict.measured.previous == (HeadRef(0, 2), HeadRef(0, 3))
    assert verdict.measured.induction == (HeadRef(1, 0), HeadRef(1, 1), HeadRef(1, 2))
    for name, value in {"k_noising": 0.02, "k_denoising": 0.86, "k_ablation": 0.03, "k_fraction": 0.79}.items():
        assert verdict.criterion(name).value == pytest.approx(value, abs=0.03)
    assert verdict.criterion("q_noising").passed is None
    assert [line for line in verdict.against if "1.3" in line]


def test_that_the_pointer_asked_about_keys_is_none() -> None:
    for measured in (
        of_model("handbuilt-q").measured,
        judged(Judge(), hard_negatives.opened(hard_negatives.pointer_with_idle_notes()), Task()).measured,
    ):
        assert judge(measured).mechanism == "q-composition"
        assert judge(measured, "k").mechanism == "none"
    assert measured.numbers["k_fraction"].mean == pytest.approx(1.0, abs=1e-4)  # the weights alone would say yes
    assert measured.previous == (HeadRef(0, 1),)


@pytest.mark.parametrize("build_one", [hard_negatives.resting_writer, hard_negatives.blind_reader])
def test_that_aligned_weights_without_use_are_none(build_one: object) -> None:
    assert callable(build_one)
    assert judged(Judge(), hard_negatives.opened(build_one()), Task()).mechanism == "none"


def test_that_the_default_with_its_notes_turned_is_none() -> None:
    opened = state("default").require()
    turned = hard_negatives.rotated_values(opened.model, (HeadRef(0, 2), HeadRef(0, 3)))
    verdict = judged(Judge(), hard_negatives.opened(turned, opened.tokenizer), Task())
    assert verdict.mechanism == "none"
    assert verdict.criterion("induction").state == "failed"


@pytest.mark.parametrize(("film", "last"), [("instant", 125), ("default", 400)])
def test_that_checkpoints_before_the_jump_are_none(film: str, last: int) -> None:
    opened = state(film).require()
    frames = hard_negatives.frames(film, opened.model.config)
    early = [step for step in frames if step <= last][::2]
    assert len(early) >= 2
    for step in early:
        made = hard_negatives.opened(frames[step], opened.tokenizer)
        found = judged(Judge(), made, Task())
        assert found.mechanism == "none", step


@pytest.mark.parametrize("name", ["handbuilt-k", "handbuilt-q"])
def test_that_a_change_of_basis_changes_no_verdict(name: str) -> None:
    model, words = build(name)
    for seed in (1, 2):
        torn = change_of_basis(model, seed)
        assert judged(Judge(), hard_negatives.opened(torn, words), Task()).mechanism == of_model(name).mechanism


def test_that_a_prompt_has_a_verdict_of_its_own() -> None:
    assert of_prompt("handbuilt-k", "ABCDEABC").mechanism == "k-composition"
    assert of_prompt("handbuilt-q", "ABCDEABC").mechanism == "q-composition"
    found = of_prompt("default", "The cat sat on the mat. The cat")
    assert (found.scope, found.mechanism) == ("prompt", "k-composition")
    assert found.criterion("copy_gain").passed is None
    short = of_prompt("handbuilt-k", "ABA")
    assert short.mechanism == "k-composition" and any("no place" in line for line in short.against)
    assert of_prompt("handbuilt-k", "ABCDEABC", destination=7).mechanism == "k-composition"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ABCDE", "no earlier copy"),
        ("ABCC", "twice in a row"),
        ("A", "no earlier copy"),
    ],
)
def test_that_a_prompt_with_nothing_to_continue_says_why(text: str, words: str) -> None:
    found = of_prompt("handbuilt-k", text)
    assert found.mechanism == "none"
    assert len(found.against) == 1 and words in found.against[0]


def test_that_odd_prompts_get_right_words() -> None:
    assert "one layer" in of_prompt("default-1-layer", "the cat the").against[0]
    assert "beginning-of-sequence" in of_prompt("handbuilt-k", "ABA", destination=0).against[0]
    assert "too few other tokens" in of_prompt("handbuilt-k", "ABCDEFGHIJKA").against[0]
    # twelve earlier copies; head 0.0 looks at a B as well, but would without any match, so it does not count
    many = of_prompt("handbuilt-k", "AB" * 12 + "A")
    assert (many.mechanism, many.measured.induction) == ("k-composition", (HeadRef(1, 0),))
    with pytest.raises(ValueError, match="position 9 does not exist"):
        of_prompt("handbuilt-k", "AB", destination=9)


def test_that_a_verdict_is_remembered_and_does_not_depend_on_the_probes_length_alone() -> None:
    assert judged(Judge(), state("handbuilt-k"), Task()) is judged(Judge(), state("handbuilt-k"), Task())
    assert judged(Judge(length=5), state("handbuilt-k"), Task()).mechanism == "k-composition"
    assert judged(Judge(length=1), state("handbuilt-k"), Task()).mechanism in ("k-composition", "none", "unclear")
