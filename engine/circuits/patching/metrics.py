"""What an intervention is judged by: one number a prompt, read off a run; shared by patching, path patching and sweeps.

A metric names the activations that it `reads` and makes (N) numbers of a run of N = n * B rows (variants.py: row
v * B + b is variant v of prompt b). It unembeds only the rows and tokens that it needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from engine.circuits import budget
from engine.circuits.patching.variants import Run, Walk, repeated
from engine.circuits.scores.patterns import mass_on
from engine.model.config import HeadRef
from engine.model.transformer import Tap, Transformer, untapped


class Metric(Protocol):
    """`reads` are names of taps; a call gives (N) numbers."""

    @property
    def reads(self) -> tuple[str, ...]: ...

    def __call__(self, run: Run) -> Tensor: ...


@dataclass(frozen=True)
class TokenLogit:
    """The logit of each prompt's token, (B) ids, after the token at `position`."""

    model: Transformer
    tokens: Tensor
    position: int = -1
    reads: tuple[str, ...] = ()

    def __call__(self, run: Run) -> Tensor:
        columns = self.model.unembedding.T[self.tokens]  # (B, d)
        rows = run.final[:, self.position].unflatten(0, (-1, len(columns)))  # (n, B, d)
        return (rows * columns).sum(-1).flatten()


@dataclass(frozen=True)
class LogitDifference:
    """The logit of each prompt's `right` token less that of its `wrong` one, (B) ids each, after `position`."""

    model: Transformer
    right: Tensor
    wrong: Tensor
    position: int = -1
    reads: tuple[str, ...] = ()

    def __call__(self, run: Run) -> Tensor:
        right, wrong = (TokenLogit(self.model, tokens, self.position) for tokens in (self.right, self.wrong))
        return right(run) - wrong(run)


@dataclass(frozen=True)
class TokenLoss:
    """Mean loss in nats of the prompts' tokens (B, T) from position `first` >= 1 on.

    On BOS + L + L, `first = T - L + 1` is the second copy without its first token. Logits are made for those rows
    only, and for as many of them at a time as the memory budget lets.
    """

    model: Transformer
    tokens: Tensor
    first: int
    reads: tuple[str, ...] = ()

    def __call__(self, run: Run) -> Tensor:
        told = self.tokens[:, self.first :]  # (B, R)
        told = repeated(told, len(run.final) // len(told))  # (N, R)
        rows = run.final[:, self.first - 1 : -1].flatten(0, 1)  # (N*R, d)
        # the logits and their log-probabilities
        chunk = budget.portion(2 * self.model.config.vocabulary * rows.element_size(), len(rows))
        parts = zip(rows.split(chunk), told.flatten().split(chunk), strict=True)
        unembedding = self.model.unembedding  # (d, V)
        losses = [functional.cross_entropy(final @ unembedding, ids, reduction="none") for final, ids in parts]
        return torch.cat(losses).unflatten(0, told.shape).mean(-1)


@dataclass(frozen=True)
class HeadAttention:
    """A head's attention on `targets` (B, T, T) bool, by destination and source; averaged over the rows that have any.

    For the strict source use `scores.followers`, less the rows that do not matter.
    """

    head: HeadRef
    targets: Tensor

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"{self.head.layer}.pattern",)

    def __call__(self, run: Run) -> Tensor:
        pattern = run.kept[self.reads[0]][:, self.head.head, None]  # (N, 1, T, T)
        return mass_on(pattern, repeated(self.targets, len(pattern) // len(self.targets)))[:, 0]


def measured(model: Transformer, tokens: Tensor, metric: Metric, tap: Tap = untapped) -> Tensor:
    """The metric of a plain run over tokens (B, T), (B); `tap` is in force."""
    walk = Walk(model, tokens, metric.reads, tap).to(model.config.layers)
    return metric(Run(model.norm_final(walk.stream, "final", tap), walk.kept))
