"""Corrupt prompts for patching: the clean prompt with what induction needs taken out, and nothing else changed.

All leave every other token in its place, and so what is to be predicted. A fresh token is ordinary and
occurs nowhere else in its row. The same seed gives the same tokens; row 0 does not depend on how many rows there are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def fresh_first_copy(repeats: Tensor, length: int, ordinary: Sequence[int], seed: int) -> Tensor:
    """([BOS] +) L + L tokens with a first copy of fresh tokens: nothing is repeated, every target is what it was.

    repeats (B, [1 +] 2L) as from `probes.random_repeat`; returns the same shape. When an attention is restored on this
    prompt, what stands there to be copied is a fresh token: the right logit does not come back with it.
    Raises ValueError when the vocabulary has too few ordinary tokens.
    """
    start = repeats.shape[1] - 2 * length
    return _refilled(repeats, range(start, start + length), ordinary, seed)


def single_note(tokens: Tensor, source: int, ordinary: Sequence[int], seed: int) -> Tensor:
    """(B, T) tokens with a fresh token before position `source`, for one target at a time; the source itself stays.

    Only the note "the token before me" that stands at the source is changed, so an attention restored there copies
    the right token. On BOS + L + L the source of destination i is i - L + 1.
    Raises ValueError where no ordinary token stands before the source, or none is left to replace it.
    """
    if not 1 <= source < tokens.shape[1]:
        raise ValueError(f"no token stands before position {source} of {tokens.shape[1]}: give a source from 1 on")
    if not torch.isin(tokens[:, source - 1], torch.tensor(ordinary)).all():
        raise ValueError(f"the token before position {source} is a special one: give a later source")
    return _refilled(tokens, range(source - 1, source), ordinary, seed)


def fresh_at(tokens: Tensor, places: Sequence[int], ordinary: Sequence[int], seed: int) -> Tensor:
    """(B, T) tokens with one fresh token at all of `places`, another in every row: for all earlier copies of a token.

    Raises ValueError as `fresh_first_copy`.
    """
    corrupt = _refilled(tokens, places[:1], ordinary, seed)  # (B, T)
    corrupt[:, list(places)] = corrupt[:, list(places[:1])]
    return corrupt


def _refilled(tokens: Tensor, places: Sequence[int], ordinary: Sequence[int], seed: int) -> Tensor:
    """Fresh tokens at these places of every row."""
    generator = np.random.default_rng((seed, 2))
    corrupt = tokens.clone()  # (B, T)
    for row in corrupt:
        unused = np.setdiff1d(np.asarray(ordinary, dtype=np.int64), row.numpy())
        if len(unused) < len(places):
            raise ValueError(f"{len(places)} fresh tokens are needed and this model has {len(unused)}: repeat fewer")
        row[list(places)] = torch.from_numpy(generator.choice(unused, len(places), replace=False))
    return corrupt


def differing(clean: Tensor, corrupt: Tensor) -> Tensor:
    """(B, T) bool: the positions at which two prompts, or two batches of them, differ.

    Raises ValueError unless they align: activations go from a position of one to the same position of the other.
    """
    if clean.shape[1] != corrupt.shape[1]:
        sizes = f"{clean.shape[1]} and {corrupt.shape[1]} tokens"
        raise ValueError(f"the prompts have {sizes}: patching needs as many in both, so change words of equal length")
    if clean.shape[0] != corrupt.shape[0]:
        raise ValueError(f"{clean.shape[0]} clean prompts and {corrupt.shape[0]} corrupt ones: patching needs pairs")
    return clean != corrupt
