"""How sure a mean over samples is, and how heads stand among one another. Samples are rows, heads are columns.

A sample on which a score is not defined (NaN) takes no part; what cannot be told from the samples is NaN.
"""

from __future__ import annotations

import torch
from torch import Tensor

DRAWS = 2000


def mean_and_error(per_sample: Tensor) -> tuple[Tensor, Tensor]:
    """(B, N) to mean over samples (N) and its standard error (N), without samples that are NaN; error NaN below two."""
    count = per_sample.isfinite().sum(0)  # (N)
    mean = per_sample.nanmean(0)  # (N)
    variance = (per_sample - mean).square().nansum(0) / (count - 1)  # (N)
    return mean, (variance / count).sqrt().where(count > 1, torch.nan)


def interval(per_sample: Tensor, level: float = 0.95, seed: int = 0) -> tuple[Tensor, Tensor]:
    """(B, N) to the ends (N), (N) of the bootstrap interval of the mean over samples, float64.

    Whole samples are drawn with replacement, 2,000 times and for all heads alike, so the same seed gives the same
    interval; the ends are percentiles of the means (Efron 1979). NaN below two samples. Memory 2,000 (B + N) numbers.
    Raises ValueError for a level outside (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"the level of an interval lies between 0 and 1, for example 0.95, not {level}")
    samples, known = per_sample.double(), per_sample.isfinite()  # (B, N)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(max(1, len(samples)), (DRAWS, len(samples)), generator=generator)  # (DRAWS, B)
    times = torch.zeros(drawn.shape, dtype=torch.float64).scatter_add_(1, drawn, torch.ones(drawn.shape).double())
    means = (times @ samples.nan_to_num()) / (times @ known.double())  # (DRAWS, N)
    ends = torch.tensor([(1 - level) / 2, (1 + level) / 2], dtype=torch.float64)
    low, high = means.nanquantile(ends, dim=0).where(known.sum(0) > 1, torch.nan)  # (N), (N)
    return low, high


def rank(scores: Tensor) -> list[int | None]:
    """(N) scores to each head's place among all, 1 the largest; equal scores share a place, NaN has none."""
    return [None if score.isnan() else 1 + int((scores > score).sum()) for score in scores]
