"""Two prompts side by side in the hand-built circuit, where it is known which head must move."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.model import handbuilt
from engine.model.config import HeadRef
from engine.model.loaders import native
from engine.work.jobs.analyze import analyze
from engine.work.jobs.compare import compare
from engine.work.jobs.load import load_model
from engine.work.jobs.observe_behaviour import observe_behaviour
from engine.work.recent import RecentRuns, array_bytes
from engine.work.requests import Analyze, Compare, LoadModel, ObserveBehaviour, Prompt, removing
from engine.work.state import EngineState
from engine.work.task import Task

CLEAN, CORRUPT = Prompt("A B C D A B"), Prompt("A B C D A D")


@pytest.fixture(autouse=True)
def _inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.fixture
def state(tmp_path: Path) -> EngineState:
    native.save(tmp_path / "model.safetensors", *handbuilt.build("handbuilt-k"))
    state = EngineState(None, RecentRuns())
    load_model(LoadModel(str(tmp_path)), state, Task())
    return state


def test_that_the_induction_head_moves_and_the_previous_token_head_does_not(state: EngineState) -> None:
    """The last token changes from B to D: what follows is now E's place, so only the induction head looks elsewhere."""
    found = compare(Compare(CLEAN, CORRUPT), state, Task())
    assert found.moved.shape == (2, 1)
    assert found.moved[0, 0] < 1e-3 and found.moved[1, 0] > 0.95
    assert found.aligned == tuple((place, place) for place in range(7))
    assert found.first.predictions[0].text != found.second.predictions[0].text
    assert found.first_scores == observe_behaviour(ObserveBehaviour(CLEAN), state, Task()).scores
    assert found.second_scores == observe_behaviour(ObserveBehaviour(CORRUPT), state, Task()).scores


def test_that_a_heads_difference_and_its_picture_are_those_of_the_two_runs(state: EngineState) -> None:
    found = compare(Compare(CLEAN, CORRUPT), state, Task())
    assert found.first.patterns is not None and found.second.patterns is not None
    gap = found.difference(found.first.patterns[1, 0], found.second.patterns[1, 0])
    wanted = found.first.patterns[1, 0].astype(np.float32) - found.second.patterns[1, 0].astype(np.float32)
    assert np.allclose(gap, wanted)
    assert gap.max() > 0.9 and gap.min() < -0.9
    picture = found.thumbnails[1, 0].astype(int)
    assert (np.sign(picture - 128) == np.sign(np.where(abs(gap) > 1e-2, gap, 0))).all()
    assert picture.max() > 240 and picture.min() < 16


def test_that_prompts_of_other_lengths_are_compared_where_they_agree(state: EngineState) -> None:
    found = compare(Compare(Prompt("A B C D A B"), Prompt("A B C E F D A B")), state, Task())
    assert found.aligned[-1] == (6, 8)
    gap = found.difference(found.first.patterns[1, 0], found.second.patterns[1, 0])  # type: ignore[index]
    assert np.isfinite(gap[6, 2])
    apart = compare(Compare(Prompt("A B"), Prompt("C D E"), ()), state, Task())
    assert apart.aligned == ((0, 0),)  # BOS


def test_that_removals_hold_in_both_runs(state: EngineState) -> None:
    removal = removing((HeadRef(1, 0),))
    found = compare(Compare(CLEAN, CORRUPT, removal), state, Task())
    assert found.first.ablated == found.second.ablated == (HeadRef(1, 0),)
    assert found.first.chance_of(3) == pytest.approx(analyze(Analyze(CLEAN, removal), state, Task()).chance_of(3))


def test_that_the_same_prompt_is_refused_in_one_line(state: EngineState) -> None:
    with pytest.raises(ValueError, match="change a word"):
        compare(Compare(CLEAN, CLEAN), state, Task())


def test_that_the_arrays_inside_a_comparison_count_as_its_own(state: EngineState) -> None:
    found = compare(Compare(CLEAN, CORRUPT), state, Task())
    assert array_bytes(found) > array_bytes(found.first) + array_bytes(found.second)


def test_that_the_chance_of_any_token_is_that_of_the_softmax(state: EngineState) -> None:
    found = analyze(Analyze(CLEAN), state, Task())
    assert np.exp(found.log_chances).sum() == pytest.approx(1.0, abs=1e-5)
    assert found.chance_of(found.predictions[3].id) == pytest.approx(found.predictions[3].probability, abs=1e-6)
