"""Means, errors, intervals and ranks against what they are by definition."""

from __future__ import annotations

import math

import pytest
import torch

from engine.circuits.statistics import interval, mean_and_error, rank


def test_that_the_mean_comes_with_its_standard_error_over_samples() -> None:
    values = torch.tensor([[0.1, 0.5, math.nan], [0.3, math.nan, math.nan], [0.8, 0.7, math.nan]]).double()
    mean, error = mean_and_error(values)
    assert mean[:2].tolist() == pytest.approx([0.4, 0.6])
    assert error[0] == pytest.approx(values[:, 0].std().item() / math.sqrt(3))
    assert error[1] == pytest.approx(torch.tensor([0.5, 0.7]).std().item() / math.sqrt(2))
    assert mean[2].isnan()
    assert error[2].isnan()
    assert mean_and_error(values[:1])[1].isnan().all()


def test_that_heads_are_ranked_from_the_strongest_and_undefined_ones_are_not() -> None:
    assert rank(torch.tensor([0.2, 0.9, math.nan, 0.5, 0.2])) == [3, 1, None, 2, 3]


def test_that_the_interval_holds_the_mean_and_is_as_wide_as_the_error_says() -> None:
    values = torch.randn(400, 6, generator=torch.Generator().manual_seed(1)).double() + torch.arange(6)
    mean, error = mean_and_error(values)
    for level, width in ((0.95, 1.96), (0.68, 0.9945)):  # quantiles of the normal distribution
        low, high = interval(values, level)
        torch.testing.assert_close(mean - low, width * error, rtol=0.1, atol=0)
        torch.testing.assert_close(high - mean, width * error, rtol=0.1, atol=0)


def test_that_an_interval_holds_the_truth_as_often_as_its_level_says() -> None:
    values = torch.randn(30, 2000, generator=torch.Generator().manual_seed(2)).double()
    low, high = interval(values, level=0.9)
    assert float(((low < 0) & (high > 0)).double().mean()) == pytest.approx(0.9, abs=0.03)


def test_that_the_ends_of_two_samples_are_those_of_their_draws() -> None:
    """Of two samples a quarter of the draws repeats the first, a quarter the second: the ends are the samples."""
    low, high = interval(torch.tensor([[1.0, -3.0], [2.0, -7.0]]))
    assert low.tolist() == [1.0, -7.0]
    assert high.tolist() == [2.0, -3.0]
    half_low, half_high = interval(torch.tensor([[1.0], [2.0]]), level=0.3)
    assert (float(half_low), float(half_high)) == (1.5, 1.5)


def test_that_an_interval_is_the_same_for_a_seed_and_leaves_undefined_samples_out() -> None:
    values = torch.rand(12, 3, generator=torch.Generator().manual_seed(3)).double()
    gaps = torch.cat((values, torch.full((5, 3), math.nan)))
    assert torch.equal(torch.stack(interval(gaps, seed=4)), torch.stack(interval(gaps, seed=4)))
    assert not torch.equal(torch.stack(interval(gaps, seed=4)), torch.stack(interval(gaps, seed=5)))
    (low, high), (full_low, full_high) = interval(gaps), interval(values)
    torch.testing.assert_close(high - low, full_high - full_low, rtol=0.15, atol=0)
    assert ((low < values.mean(0)) & (values.mean(0) < high)).all()


def test_that_fewer_than_two_samples_have_no_interval() -> None:
    for values in (torch.tensor([[0.4, 0.1]]), torch.tensor([[0.4, 0.1], [math.nan, math.nan]]), torch.empty(0, 2)):
        low, high = interval(values)
        assert low.isnan().all() and low.shape == (2,)
        assert high.isnan().all()


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_that_a_level_out_of_range_is_refused(level: float) -> None:
    with pytest.raises(ValueError, match=r"0\.95"):
        interval(torch.rand(3, 1), level)
