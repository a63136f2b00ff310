"""What a composition score would be if two matrices met in random bases, and the most it could be.

For a writer with singular values s_i and a reader with t_j, their shares are a_i = s_i^2 / sum s^2 and b_j likewise.
The square of the score is X = sum_ij a_i b_j u_ij^2, where u holds the cosines between the writer's output directions
and the reader's input directions. The null keeps both spectra and draws u as a random rotation of the d dimensions
(Haar). It says "not random" at most: trained streams are not isotropic, so idle pairs lie far from it as well.

Shares are float64, (N, r) for writers and (M, s) for readers, descending; results are (N, M), NaN where a share is.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

FLAT = 1e-12  # a spectrum this even over all d dimensions scores the same in every basis


def baseline(d_model: int) -> float:
    """The root of E[X] = 1/d: the root mean square under the null, whatever the ranks and shapes."""
    return 1 / math.sqrt(d_model)


def ceiling(writers: Tensor, readers: Tensor) -> Tensor:
    """The score with the best alignment, largest direction on largest (von Neumann's trace inequality).

    1/sqrt(h) for two flat spectra of rank h, 1 only where both have rank 1.
    """
    rank = min(writers.shape[1], readers.shape[1])
    return (writers[:, :rank] @ readers[:, :rank].T).sqrt()


def deviations(score: Tensor, writers: Tensor, readers: Tensor, d_model: int) -> Tensor:
    """z = (X - 1/d) / sd of scores (N, M), on X = score^2 and against its null in closed form.

    With A = sum a_i^2 and B = sum b_j^2, Var X = 2 (A - 1/d)(B - 1/d) / ((d - 1)(d + 2)), from the fourth moments of
    a random orthogonal matrix. NaN where X cannot vary.
    """
    spread_a = writers.square().sum(1) - 1 / d_model  # (N)
    spread_b = readers.square().sum(1) - 1 / d_model  # (M)
    spread_a, spread_b = (spread.where(spread > FLAT, torch.nan) for spread in (spread_a, spread_b))
    sd = (2 * spread_a[:, None] * spread_b).sqrt() / math.sqrt(max(1, d_model - 1) * (d_model + 2))  # (N, M)
    return (score.square() - 1 / d_model) / sd
