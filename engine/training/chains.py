"""Markov chains for statistical induction, and the exact predictors that a model of them passes through.

After Edelman et al. 2024: every row has a chain of its own, whose rows of transition probabilities are drawn from
Dirichlet(1, ..., 1). What the best guess for the next symbol is depends on what one looks at, and all three have a
closed form: nothing (uniform), how often each symbol came (unigram), what followed the present one (bigram).
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Predictor = Literal["uniform", "unigram", "bigram"]
PREDICTORS: tuple[Predictor, ...] = ("uniform", "unigram", "bigram")


def walk(states: int, length: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """`length` symbols 0 .. states-1 of a chain drawn anew; the first is uniform."""
    ends = generator.dirichlet(np.ones(states), states).cumsum(-1)[:, :-1].tolist()  # (k, k-1)
    found = [int(generator.integers(states))]
    for luck in generator.random(length - 1).tolist():
        found.append(bisect_right(ends[found[-1]], luck))
    return np.array(found, dtype=np.int64)


def predicted(symbols: NDArray[np.int64], states: int, predictor: Predictor) -> NDArray[np.float64]:
    """What a predictor gives for the symbol after each of `symbols` (B, T), from those up to it; (B, T, k).

    With n counts over what has been seen: unigram (n_j + 1) / (t + k), bigram (n_ij + 1) / (n_i + k), the mean of the
    posterior under the prior that the chains are drawn from.
    """
    rows, length = symbols.shape
    seen = np.eye(states)[symbols]  # (B, T, k)
    if predictor == "uniform":
        return np.full((rows, length, states), 1.0 / states)
    if predictor == "unigram":
        counts = seen.cumsum(1) + 1.0  # (B, T, k)
    else:
        pairs = np.zeros((rows, length, states, states))
        pairs[:, 1:] = seen[:, :-1, :, None] * seen[:, 1:, None, :]  # the step that ends here
        counts = np.einsum("btij,bti->btj", pairs.cumsum(1), seen) + 1.0  # (B, T, k)
    return np.asarray(counts / counts.sum(-1, keepdims=True))


def divergence(exact: NDArray[np.float64], log_probabilities: NDArray[np.float64]) -> float:
    """KL(predictor || model) in nats, the mean over rows and positions; (..., k) both. Every share is over 0."""
    return float((exact * (np.log(exact) - log_probabilities)).sum(-1).mean())
