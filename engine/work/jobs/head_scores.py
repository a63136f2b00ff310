"""From tensors of the circuits package to HeadScores: what is not defined becomes None, never a made-up
value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields

import torch
from torch import Tensor

from engine.circuits.scores.patterns import PatternScores, chance, eligible_rows
from engine.circuits.statistics import mean_and_error, rank
from engine.model.config import ModelConfig
from engine.work.results import HeadScores


def head_scores(
    config: ModelConfig, patterns: PatternScores, targets: Tensor, others: Mapping[str, Sequence[float | None]]
) -> tuple[HeadScores, ...]:
    """Means over samples of the pattern scores (B, N), with rank, chance and n of the induction score.

    `targets` (B, T, T) are the followers it counts; `others` are further fields of HeadScores by name.
    """
    columns: dict[str, Sequence[float | None]] = {
        field.name: mean_and_error(getattr(patterns, field.name))[0].tolist() for field in fields(patterns)
    }
    mean, error = mean_and_error(patterns.induction)  # (N), (N)
    columns |= {"induction_se": error.tolist(), **others}
    ranks, rows, expected = rank(mean), eligible_rows(targets), float(chance(targets).nanmean())
    return tuple(
        HeadScores(
            layer=ref.layer,
            head=ref.head,
            rank=ranks[place],
            n_rows=rows,
            chance=defined(expected),
            **{name: defined(column[place]) for name, column in columns.items()},
        )
        for place, ref in enumerate(config.all_heads)
    )


def defined(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def joined(parts: list[PatternScores]) -> PatternScores:
    """The scores of several chunks of samples as those of all samples."""
    return PatternScores(
        **{f.name: torch.cat([getattr(part, f.name) for part in parts]) for f in fields(PatternScores)}
    )
