"""Taps look, replace or stop, and they compose."""

from __future__ import annotations

import pytest
import torch

from engine.model.config import HeadRef
from engine.model.taps import AblateHeads, CancelCheck, Cancelled, Capture, chain
from tests.engine.shapes import heads_apart, random_model, random_tokens


def test_that_capture_keeps_what_it_wants_and_changes_nothing() -> None:
    model = random_model("gpt2-like")
    tokens = random_tokens(model)
    kept = Capture(lambda name: name.endswith(".z"))
    assert torch.equal(model(tokens, kept), model(tokens))
    assert list(kept.kept) == ["0.z", "1.z"]
    assert kept.kept["0.z"].shape == (2, 14, 4, 6)


def test_that_a_zeroed_head_writes_nothing_and_the_others_stay() -> None:
    model = random_model("absolute-bare")
    tokens = random_tokens(model)
    plain, ablated = (Capture(lambda name: name.startswith("0.")) for _ in range(2))
    model(tokens, plain)
    model(tokens, chain(AblateHeads([HeadRef(0, 1), HeadRef(0, 3)]), ablated))
    written = heads_apart(model, plain.kept["0.z"], 0)[:, :, [0, 2]].sum(2)
    torch.testing.assert_close(ablated.kept["0.attn_out"], written, rtol=0, atol=1e-12)
    assert torch.equal(ablated.kept["0.pattern"], plain.kept["0.pattern"])


def test_that_mean_ablation_writes_the_runs_mean_everywhere() -> None:
    model = random_model("absolute-bare")
    tokens = random_tokens(model)
    plain, ablated = (Capture(lambda name: name == "1.attn_out" or name == "1.z") for _ in range(2))
    model(tokens, plain)
    model(tokens, chain(AblateHeads([HeadRef(1, 2)], "mean"), ablated))
    change = ablated.kept["1.attn_out"] - plain.kept["1.attn_out"]
    written = heads_apart(model, plain.kept["1.z"], 1)[:, :, 2]  # (B, T, d)
    torch.testing.assert_close(change, written.mean((0, 1)) - written, rtol=0, atol=1e-12)


def test_that_ablation_leaves_the_captured_original_untouched() -> None:
    model = random_model()
    before = Capture(lambda name: name == "0.z")
    model(random_tokens(model), chain(before, AblateHeads([HeadRef(0, 0)])))
    assert before.kept["0.z"][:, :, 0].abs().max() > 0


def test_that_ablating_in_one_row_alone_equals_ablating_in_a_batch() -> None:
    model = random_model()
    tokens = random_tokens(model, rows=3)
    together = model(tokens, AblateHeads([HeadRef(0, 2)]))
    torch.testing.assert_close(together[1:2], model(tokens[1:2], AblateHeads([HeadRef(0, 2)])), rtol=0, atol=1e-12)


def test_that_a_run_stops_at_the_next_layer() -> None:
    model = random_model(layers=5)
    seen = Capture(lambda name: name.endswith("resid_pre"))
    with pytest.raises(Cancelled):
        model(random_tokens(model), chain(seen, CancelCheck(lambda: len(seen.kept) == 3)))
    assert len(seen.kept) == 3
    model(random_tokens(model), CancelCheck(lambda: False))


def test_that_chained_taps_act_from_left_to_right() -> None:
    plus, times = (lambda _name, x: x + 1), (lambda _name, x: x * 10)
    assert chain(plus, times)("x", torch.tensor(2)) == 30
    assert chain()("x", torch.tensor(2)) == 2
