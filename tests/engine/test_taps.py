"""Taps look, replace or stop, and they compose."""

from __future__ import annotations

import pytest
import torch

from engine.model.taps import Cancelled, Capture, Pause, chain
from tests.engine.shapes import random_model, random_tokens


def test_that_capture_keeps_what_it_wants_and_changes_nothing() -> None:
    model = random_model("gpt2-like")
    tokens = random_tokens(model)
    kept = Capture(lambda name: name.endswith(".z"))
    assert torch.equal(model(tokens, kept), model(tokens))
    assert list(kept.kept) == ["0.z", "1.z"]
    assert kept.kept["0.z"].shape == (2, 14, 4, 6)


def test_that_a_run_stops_at_the_next_layer() -> None:
    model = random_model(layers=5)
    seen = Capture(lambda name: name.endswith("resid_pre"))

    def cancelled_at_the_third() -> None:
        if len(seen.kept) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        model(random_tokens(model), chain(seen, Pause(cancelled_at_the_third)))
    assert len(seen.kept) == 3


def test_that_a_run_pauses_once_a_layer_and_goes_on_as_if_it_had_not() -> None:
    model, pauses = random_model(layers=5), []
    tokens = random_tokens(model)
    assert torch.equal(model(tokens, Pause(lambda: pauses.append(len(pauses)))), model(tokens))
    assert pauses == [0, 1, 2, 3, 4]


def test_that_chained_taps_act_from_left_to_right() -> None:
    plus, times = (lambda _name, x: x + 1), (lambda _name, x: x * 10)
    assert chain(plus, times)("x", torch.tensor(2)) == 30
    assert chain()("x", torch.tensor(2)) == 2
