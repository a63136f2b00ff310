"""The walk on real runs: exact on circuits written by hand, the figures of the default model, and awkward prompts."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest
import torch

from engine.model.config import HeadRef
from engine.work.jobs.load import load_model
from engine.work.jobs.walk_through import walk_through
from engine.work.recent import RecentRuns
from engine.work.requests import LoadModel, Prompt, WalkThrough
from engine.work.results import Step, Walk, steps
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


def walked(name: str, text: str, destination: int | None = None) -> Walk:
    return walk_through(WalkThrough(Prompt(text), destination), state(name), Task())


def last(walk: Walk) -> Step:
    return steps(walk)[-1]


@pytest.mark.parametrize(("name", "route"), [("handbuilt-k", "k"), ("handbuilt-q", "q")])
def test_that_the_hand_built_circuits_are_walked_to_the_end_with_exact_numbers(name: str, route: str) -> None:
    walk = walked(name, "ABCDEABC")
    assert (walk.route, walk.query, walk.k, walk.text, walk.right) == (route, 8, 3, "“C”", "“D”")
    assert len(steps(walk)) == 11 and all(step.holds for step in steps(walk))
    (note,), (reader,) = walk.notes, walk.readers
    assert (note.head, reader.head) == (HeadRef(0, 0), HeadRef(1, 0))
    assert (note.looked, note.norm, note.norm_before) == pytest.approx((1, 1, 3**0.5), abs=1e-4)  # tok, pos and one
    assert note.projection == pytest.approx(0, abs=1e-5)
    assert (note.token, note.position) == pytest.approx((1, 0) if route == "k" else (0, 1), abs=1e-4)
    assert walk.score is not None and walk.moved is not None and walk.value is not None and walk.outcome is not None
    assert sum(share.value for share in walk.score.keys) == pytest.approx(1, abs=1e-5)
    assert walk.moved.before == pytest.approx((0, 1, 0), abs=1e-4)
    assert walk.moved.after == pytest.approx((0, 0, 1), abs=1e-4)
    assert (walk.moved.token_before, walk.moved.token_after) == ("D", "E")
    assert walk.moved.back_on_copy == (None if route == "q" else pytest.approx(1, abs=1e-4))
    assert (walk.value.rank, walk.value.best[0]) == (1, "D")
    assert reader.direct == pytest.approx(11, abs=1e-3)
    assert walk.outcome.lost == pytest.approx(11, abs=1e-3)
    assert walk.outcome.without == pytest.approx(1 / 12, abs=1e-3)


def test_that_the_default_model_is_walked_to_the_end_and_its_attention_follows_the_note() -> None:
    walk = walked("default", "The cat sat on the mat. The cat")
    assert all(step.holds for step in steps(walk)) and len(steps(walk)) == 11
    assert [note.head for note in walk.notes] == [HeadRef(0, 2), HeadRef(0, 3)]
    assert walk.moved is not None
    assert walk.moved.before[1] > 0.6 and walk.moved.after[1] < 0.05 and walk.moved.after[2] > 0.8
    assert walk.moved.others == (HeadRef(0, 0), HeadRef(0, 1))
    assert walk.moved.others_stay is not None and walk.moved.others_stay > 0.5


def test_that_a_circuit_that_copies_nothing_stops_where_no_head_matches() -> None:
    step = last(walked("handbuilt-v", "ABCDEABC"))
    assert (step.name, step.holds) == ("previous", False)
    assert "No head finds the match" in step.sentence


@pytest.mark.parametrize(
    ("text", "destination", "words"),
    [
        ("ABCDE", None, "no earlier copy"),
        ("ABCC", None, "twice in a row"),
        ("ABCDEABC", 2, "It comes again at position 7"),
        ("ABAB", 0, "beginning-of-sequence"),
    ],
)
def test_that_a_place_without_a_pattern_is_told_and_nothing_is_invented(
    text: str, destination: int | None, words: str
) -> None:
    walk = walked("handbuilt-k", text, destination)
    assert [step.name for step in steps(walk)] == ["repeat"]
    assert words in last(walk).sentence
    assert walk.readers == () and walk.notes == ()


def test_that_a_prompt_that_repeats_is_offered_and_walks() -> None:
    offer = last(walked("default", "one two three four")).offer
    assert offer == "one two three four two three"
    assert steps(walked("default", offer))[0].holds
    assert last(walked("handbuilt-k", "A")).offer == ""


def test_that_one_layer_ends_the_walk() -> None:
    step = last(walked("default-1-layer", "The cat sat. The cat"))
    assert (step.name, step.holds) == ("previous", False) and "one layer" in step.sentence


def test_that_the_start_many_copies_and_no_room_are_walked() -> None:
    assert steps(walked("handbuilt-k", "ABCA"))[-1].name == "output"  # the copy is the first token
    many = walked("handbuilt-k", "AB" * 12 + "A")
    assert "9 more" in steps(many)[0].sentence and last(many).name == "output"
    short = {step.name: step.holds for step in steps(walked("handbuilt-k", "ABA"))}
    assert short["moved"] is None and short["output"]


def test_that_a_place_beyond_the_prompt_is_one_line() -> None:
    with pytest.raises(ValueError, match="position 40 does not exist"):
        walked("handbuilt-k", "ABA", 40)
