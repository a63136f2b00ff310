"""The gallery on circuits whose answers are known exactly, and on the default model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import pytest
import torch

from engine.work.experiments.catalogue import BY_NAME, GALLERY, Measure, Report
from engine.work.experiments.page import page
from engine.work.jobs.experiment import RUNS, run_experiment
from engine.work.jobs.load import load_model
from engine.work.recent import RecentRuns
from engine.work.requests import LoadModel, RunExperiment
from engine.work.state import EngineState
from engine.work.task import Task


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


@cache
def state(name: str) -> EngineState:
    opened = EngineState(None, RecentRuns())
    load_model(LoadModel(name), opened, Task())
    return opened


def run(model: str, name: str, samples: int = 24, seed: int = 0) -> Report:
    return run_experiment(RunExperiment(name, samples, seed), state(model), Task())


def means(report: Report) -> dict[tuple[str, str], float]:
    return {(one.condition, one.what): one.mean for one in report.measures}


def test_that_every_experiment_can_be_run_and_has_its_prediction_and_controls() -> None:
    assert set(RUNS) == set(BY_NAME)
    for experiment in GALLERY:
        assert experiment.question.endswith("?") and experiment.prediction and experiment.controls


@pytest.mark.parametrize("model", ["handbuilt-k", "handbuilt-q"])
def test_that_a_perfect_matcher_gives_what_follows_from_matching_one_token(model: str) -> None:
    found = means(run(model, "canonical"))
    assert found["A B … A", "attention on B"] == pytest.approx(1, abs=1e-4)
    assert found["A B … A", "probability of B"] == pytest.approx(1, abs=1e-3)
    assert found["first A replaced", "attention on B"] < 1e-3
    prefix, recency = run(model, "prefix"), run(model, "recency")
    assert means(prefix)["order balanced", "attention on B less on C"] == pytest.approx(0, abs=1e-4)
    # the pointer to three places scores a third of a match, so that the places that match nothing get a little
    assert [one.mean for one in recency.measures[:3]] == pytest.approx([1 / 3] * 3, abs=3e-4)
    assert all(one.mean == pytest.approx(1, abs=1e-4) for one in run(model, "gap").measures)
    assert (prefix.held, recency.held) == (True, True)


@pytest.mark.parametrize(
    ("model", "lower", "upper"), [("handbuilt-k", "dies", "lives"), ("handbuilt-q", "lives", "dies")]
)
def test_that_taking_positions_away_tells_the_note_from_the_pointer(model: str, lower: str, upper: str) -> None:
    report = run(model, "positions")
    shares = [one.mean for one in report.measures if one.what == "share of the attention left"]
    for share, expected in zip(shares, (lower, upper, "dies"), strict=True):
        assert share == pytest.approx(1, abs=1e-3) if expected == "lives" else share < 0.25
    assert report.held


def test_that_scrambled_values_keep_the_pattern_and_lose_the_copy() -> None:
    report = run("handbuilt-k", "scrambled")
    found = {one.what: one.mean for one in report.measures if "turned" in one.condition}
    assert found["share of the attention left"] == pytest.approx(1, abs=1e-6)
    assert found["loss of the second copy"] > 1
    assert report.held


@pytest.mark.parametrize("name", ["fuzzy", "few-shot", "analogy"])
def test_that_a_model_without_words_cannot_be_asked_and_says_why(name: str) -> None:
    report = run("handbuilt-k", name)
    assert (report.measures, report.held) == ((), None)
    assert report.finding.startswith("Not measured: ")


def test_that_a_model_without_induction_heads_cannot_be_asked() -> None:
    assert "no head of this model" in run("instant-1-layer", "canonical").finding


def test_that_the_default_model_votes_for_the_literal_word_of_the_analogy() -> None:
    report = run("default", "analogy")
    found = {one.what: one for one in report.measures if one.condition == "analogy"}
    direct = found["of it, their direct effect"]
    assert direct.low > 2 and direct.n >= 10
    # attention only, and no later layer: what they do directly is all they do
    assert direct.mean == pytest.approx(found["of it, total effect of the induction heads"].mean, abs=1e-3)
    assert report.held


def test_that_the_default_model_matches_a_token_and_not_its_relatives() -> None:
    report = run("default", "fuzzy", samples=40)
    assert report.held
    for one in report.measures:
        assert one.mean > 0.5 if "same token" in one.condition else one.mean < 0.1


def test_that_numbers_have_n_and_intervals_that_hold_them_and_a_seed_repeats_them() -> None:
    report = run("default", "canonical", samples=30)
    for one in report.measures:
        assert one.n == 30 and one.low <= one.mean <= one.high
    state("default").recent.clear()
    assert run("default", "canonical", samples=30).measures == report.measures
    assert run("default", "canonical", samples=30, seed=1).measures != report.measures


def test_that_an_unknown_experiment_is_one_line() -> None:
    with pytest.raises(ValueError, match="there is no experiment 'magic'"):
        run("handbuilt-k", "magic")


def test_that_the_page_shows_prediction_table_and_outcome() -> None:
    nothing = math.nan
    measures = (Measure("a", "b", 0.5, 0.4, 0.6, 8), Measure("c", "d", -0.0001, nothing, nothing, 1, control=True))
    first = Report(GALLERY[1], "m", 0, (), measures, False, "It came otherwise.")
    text = page([first, Report(GALLERY[0], "n", 0, (), (), None, "Not measured: no reason.")], samples=8)
    assert "--model m n --samples 8 --seed 0" in text
    assert text.index(GALLERY[0].title) < text.index(GALLERY[1].title)  # the gallery's order
    assert "| a | b | 0.500 | 0.400 to 0.600 | 8 |" in text
    assert "| c (control) | d | 0.000 |  | 1 |" in text
    assert "**Not as foretold.** It came otherwise." in text
    assert GALLERY[1].prediction in text and "Not measured: no reason." in text
