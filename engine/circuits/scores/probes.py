"""The token sequences on which heads are scored. Drawn without replacement, so that every target is known.

The same seed gives the same tokens, and sample 0 does not depend on how many samples are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

OLSSON_LENGTH, OLSSON_COPIES, OLSSON_SAMPLES = 25, 4, 10


def random_repeat(
    ordinary: Sequence[int], length: int, samples: int, seed: int, bos: int | None, copies: int = 2
) -> Tensor:
    """BOS (unless None) and `length` distinct ordinary tokens, `copies` times in a row.

    Returns (samples, [1 +] copies * length) int64. Raises ValueError when the vocabulary has too few ordinary tokens.
    Source: Olsson et al. 2022, appendix.
    """
    if not 1 <= length <= len(ordinary):
        raise ValueError(f"a repeat of {length} distinct tokens needs 1 to {len(ordinary)}, all this model has")
    generator = np.random.default_rng(seed)
    segments = [generator.choice(np.asarray(ordinary, dtype=np.int64), length, replace=False) for _ in range(samples)]
    tokens = torch.from_numpy(np.stack(segments)).repeat(1, copies)  # (B, copies * L)
    if bos is None:
        return tokens
    return torch.cat((torch.full((samples, 1), bos), tokens), dim=1)


def control(repeats: Tensor, length: int, seed: int) -> Tensor:
    """The repeats with an independent permutation of the same tokens as second half: same tokens, nothing repeated.

    repeats ([1 +] 2L tokens a row) as from `random_repeat`; returns the same shape. Score it with `control_stripe`.
    """
    generator = np.random.default_rng((seed, 1))
    tokens = repeats.clone()  # (B, T)
    for row in tokens:
        row[-length:] = row[-length:][torch.from_numpy(generator.permutation(length))]
    return tokens


def olsson_length(context: int, ordinary: Sequence[int]) -> int:
    """Tokens of Olsson's prefix-matching probe: 25, or the most whose four copies and BOS fit a small model."""
    return min(OLSSON_LENGTH, (context - 1) // OLSSON_COPIES, len(ordinary))
