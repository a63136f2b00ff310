"""Per-token losses against the framework's cross-entropy, and what becomes of them (V24)."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from engine.circuits.scores import losses as formulae
from engine.circuits.scores.losses import copy_losses, token_losses
from engine.circuits.scores.probes import random_repeat
from engine.model.handbuilt import VOCABULARY, k_composition
from engine.work.documents import in_context
from tests.engine.shapes import random_model, random_tokens


def test_that_the_mean_loss_is_the_frameworks_cross_entropy() -> None:  # V24
    model = random_model("gpt2-like")
    tokens = random_tokens(model)
    logits = model(tokens)
    losses = token_losses(logits, tokens)
    expected = functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    torch.testing.assert_close(losses[:, 1:].mean(), expected, rtol=0, atol=1e-12)
    assert losses.shape == tokens.shape
    assert losses[:, 0].isnan().all()


def test_that_one_token_has_no_loss() -> None:
    model = random_model()
    tokens = random_tokens(model, length=1)
    assert token_losses(model(tokens), tokens).isnan().all()


def test_that_a_uniform_model_loses_log_v_everywhere() -> None:  # V24
    tokens = torch.arange(60)[None]
    losses = token_losses(torch.zeros(1, 60, 60, dtype=torch.float64), tokens)
    torch.testing.assert_close(
        losses[:, 1:], torch.full((1, 59), math.log(60), dtype=torch.float64), rtol=0, atol=1e-12
    )
    assert in_context(losses[0].tolist())["late_minus_early"] == pytest.approx(0.0, abs=1e-12)


def test_that_the_copies_are_told_apart() -> None:
    with_bos = torch.tensor([[math.nan, 1.0, 2.0, 3.0, 50.0, 0.5, 0.7]])
    assert copy_losses(with_bos, 3) == pytest.approx((2.0, 0.6))
    without = with_bos[:, 1:].clone()
    without[0, 0] = math.nan
    assert copy_losses(without, 3) == pytest.approx((2.5, 0.6))
    single = torch.tensor([[math.nan, 1.0, 2.0]])
    assert copy_losses(single, 1)[0] == 1.0
    assert math.isnan(copy_losses(single, 1)[1])


def test_that_in_context_learning_is_negative_for_a_model_that_copies() -> None:  # V24
    tokens = random_repeat(range(1, VOCABULARY), 11, samples=4, seed=0, bos=0)
    losses = token_losses(k_composition()(tokens), tokens)
    for row in losses.tolist():
        change = in_context(row)["late_minus_early"]
        assert change is not None
        assert change < -5


def test_that_in_context_learning_compares_the_500th_token_with_the_50th_where_there_are_as_many() -> None:
    losses = [math.nan, *(float(place) for place in range(1, 512))]
    assert in_context(losses) == {"early": 50.0, "late": 500.0, "late_minus_early": 450.0}


def test_that_the_sign_is_late_minus_early_for_every_run_of_a_batch() -> None:
    runs = torch.full((2, 512), math.nan)
    runs[0, [50, 500]] = torch.tensor([6.0, 5.6])  # context helps by 0.4 nats
    runs[1, [50, 500]] = torch.tensor([1.0, 3.0])
    score = formulae.in_context(runs)
    torch.testing.assert_close(score.late_minus_early, torch.tensor([-0.4, 2.0]).double(), rtol=0, atol=1e-6)
    assert (score.early_positions, score.late_positions) == (range(50, 51), range(500, 501))


def test_that_a_short_run_is_halved_and_says_so() -> None:
    score = formulae.in_context(torch.tensor([math.nan, 9.0, 7.0, 1.0, 2.0, 3.0]))
    assert (float(score.early), float(score.late), float(score.late_minus_early)) == (8.0, 2.0, -6.0)
    assert (score.early_positions, score.late_positions) == (range(1, 3), range(3, 6))


@pytest.mark.parametrize("losses", [[], [math.nan], [math.nan, 2.0]])
def test_that_fewer_than_two_losses_have_no_in_context_score(losses: list[float]) -> None:
    assert in_context(losses) == {"early": None, "late": None, "late_minus_early": None}
