"""How far heads move their attention between two prompts: which positions stand for one another, and the distance.

patterns are (N, T, T) of one layer, destination i in rows, source j in columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Alignment:
    """Positions of two prompts that stand for one another, in order; `start` is the first place where they differ."""

    first: tuple[int, ...]
    second: tuple[int, ...]
    start: int


def aligned(first: Sequence[int], second: Sequence[int]) -> Alignment:
    """Prompts of one length position by position; of others what they begin with and what they end with in common.

    Prompts that are the same may differ from the first place on by what is done to one of the runs.
    """
    if list(first) == list(second):
        return Alignment(tuple(range(len(first))), tuple(range(len(first))), 0)
    shorter = min(len(first), len(second))
    start = next((place for place in range(shorter) if first[place] != second[place]), shorter)
    if len(first) == len(second):
        return Alignment(tuple(range(len(first))), tuple(range(len(second))), start)
    ends = range(1, shorter - start + 1)
    tail = next((place - 1 for place in ends if first[-place] != second[-place]), shorter - start)
    head = tuple(range(start))
    return Alignment(
        head + tuple(range(len(first) - tail, len(first))), head + tuple(range(len(second) - tail, len(second))), start
    )


def difference(first: Tensor, second: Tensor, places: Alignment) -> Tensor:
    """First minus second at aligned destinations and sources, (N, T, T) of the first; NaN where there is no partner."""
    ours, theirs = torch.tensor(places.first, dtype=torch.long), torch.tensor(places.second, dtype=torch.long)
    result = torch.full_like(first, torch.nan)
    result[:, ours[:, None], ours] = first[:, ours[:, None], ours] - second[:, theirs[:, None], theirs]
    return result


def moved(first: Tensor, second: Tensor, places: Alignment) -> Tensor:
    """(N) float64: total variation distance of a row between the two prompts, 0 the same to 1 all of it elsewhere.

    Mean over the aligned destinations from the first change on, as no row before can differ; NaN when there is none.
    Attention on sources without a partner counts as moved.
    """
    rows = [(i, j) for i, j in zip(places.first, places.second, strict=True) if i >= places.start]
    ours, theirs = (
        torch.tensor([i for i, _ in rows], dtype=torch.long),
        torch.tensor([j for _, j in rows], dtype=torch.long),
    )
    a, b = first[:, ours].double(), second[:, theirs].double()  # (N, R, T) each
    here, there = torch.tensor(places.first, dtype=torch.long), torch.tensor(places.second, dtype=torch.long)
    apart = (a[..., here] - b[..., there]).abs().sum(-1)  # (N, R)
    alone = a.sum(-1) - a[..., here].sum(-1) + b.sum(-1) - b[..., there].sum(-1)  # (N, R)
    return ((apart + alone) / 2).mean(-1)
