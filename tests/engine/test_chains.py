"""Markov chains and their exact predictors, against counting by hand and against the chains themselves."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from engine.training.chains import PREDICTORS, Predictor, divergence, predicted, walk


def counted(symbols: list[int], states: int, predictor: Predictor) -> list[float]:
    """What follows the last of `symbols`, by loops."""
    if predictor == "uniform":
        return [1 / states] * states
    if predictor == "unigram":
        return [(symbols.count(j) + 1) / (len(symbols) + states) for j in range(states)]
    after = [b for a, b in pairwise(symbols) if a == symbols[-1]]
    return [(after.count(j) + 1) / (len(after) + states) for j in range(states)]


@pytest.mark.parametrize("predictor", PREDICTORS)
@pytest.mark.parametrize("states", [2, 3, 5])
def test_that_predictors_count_as_one_counts_by_hand(predictor: Predictor, states: int) -> None:
    symbols = np.stack([walk(states, 30, np.random.default_rng(seed)) for seed in range(4)])
    found = predicted(symbols, states, predictor)
    assert found.shape == (4, 30, states)
    for row, line in zip(found, symbols.tolist(), strict=True):
        for place in range(30):
            assert row[place] == pytest.approx(counted(line[: place + 1], states, predictor))


def test_that_a_walk_has_the_steps_of_one_chain() -> None:
    """One row of 30,000 steps: what follows each symbol is spread as one draw from Dirichlet(1, 1, 1) says, and the two
    halves agree, while another seed has another chain."""

    def table(part: np.ndarray) -> np.ndarray:
        counts = np.zeros((3, 3))
        np.add.at(counts, (part[:-1], part[1:]), 1)
        return counts / counts.sum(1, keepdims=True)

    long = walk(3, 30_000, np.random.default_rng(0))
    assert np.abs(table(long[:15_000]) - table(long[15_000:])).max() < 0.03
    assert np.abs(table(long) - table(walk(3, 30_000, np.random.default_rng(1)))).max() > 0.2


def test_that_looking_at_more_predicts_better() -> None:
    """The mean loss of the bigram predictor is the least, that of the uniform one log k."""
    symbols = np.stack([walk(3, 100, np.random.default_rng(seed)) for seed in range(200)])
    losses = {}
    for predictor in PREDICTORS:
        shares = predicted(symbols[:, :-1], 3, predictor)
        losses[predictor] = -np.log(np.take_along_axis(shares, symbols[:, 1:, None], axis=2)).mean()
    assert losses["bigram"] < losses["unigram"] - 0.05 < losses["uniform"] - 0.1
    assert losses["uniform"] == pytest.approx(np.log(3))


def test_that_divergence_is_none_from_itself_and_log_k_apart_else() -> None:
    sure, even = np.array([[0.5, 0.25, 0.25]]), np.full((1, 3), 1 / 3)
    assert divergence(sure, np.log(sure)) == pytest.approx(0.0)
    assert divergence(sure, np.log(even)) == pytest.approx(np.log(3) - 1.5 * np.log(2))
