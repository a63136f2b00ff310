"""What an intervention is judged by: one number a prompt, read off a run; shared by patching, path patching and sweeps.

A metric names the activations that it `reads` and makes (N) numbers of a run of N = n * B rows (variants.py: row
v * B + b is variant v of prompt b). It unembeds only the rows and tokens that it needs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from engine.circuits import budget
from engine.circuits.interventions.variants import Run, Walk, repeated
from engine.circuits.scores.patterns import mass_on
from engine.model.config import HeadRef
from engine.model.transformer import Tap, Transformer, untapped

COLUMNS = 4096  # of the unembedding at a time


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
        chunk = budget.portion(COLUMNS * rows.element_size(), len(rows))
        totals = torch.cat([_log_total(part, self.model.unembedding) for part in rows.split(chunk)])  # (N*R)
        own = (rows * self.model.unembedding.T[told.flatten()]).sum(-1)  # (N*R)
        return (totals - own).unflatten(0, told.shape).mean(-1)


@dataclass(frozen=True)
class AttentionAndLead:
    """Two numbers a row, (N, 2): a head's attention from `position` to `source`, and there the logit of `token` less
    the mean of all logits. For one prompt."""

    model: Transformer
    head: HeadRef
    position: int
    source: int
    token: int

    @property
    def reads(self) -> tuple[str, ...]:
        return (f"{self.head.layer}.pattern",)

    def __call__(self, run: Run) -> Tensor:
        attention = run.kept[self.reads[0]][:, self.head.head, self.position, self.source]  # (N)
        unembedding = self.model.unembedding
        lead = run.final[:, self.position] @ (unembedding[:, self.token] - unembedding.mean(1))  # (N)
        return torch.stack((attention, lead), dim=-1)


@dataclass(frozen=True)
class TokenOutcome:
    """What becomes of one token, id `token`, after `position`, (N, 3) numbers: its logit less the mean of all logits,
    its chance, and the mean loss in nats of the prompt (1, T); the loss is NaN unless `with_loss`: it costs most."""

    model: Transformer
    tokens: Tensor
    token: int
    position: int
    with_loss: bool
    reads: tuple[str, ...] = ()

    def __call__(self, run: Run) -> Tensor:
        logits = run.final[:, self.position] @ self.model.unembedding  # (N, V)
        own = logits[:, self.token]  # (N)
        chance = (own - logits.logsumexp(-1)).exp()  # (N)
        loss = TokenLoss(self.model, self.tokens, 1)(run) if self.with_loss else torch.full_like(own, math.nan)
        return torch.stack((own - logits.mean(-1), chance, loss), dim=-1)  # (N, 3)


@torch.no_grad()
def _log_total(rows: Tensor, unembedding: Tensor) -> Tensor:
    """The log-sum-exp (n) of the logits of rows (n, d), a block of columns at a time in the same memory: whole rows
    of 50,000 logits spend more time on fresh memory than on the product."""
    width = unembedding.shape[1]
    block = rows.new_empty(len(rows), min(COLUMNS, width))
    highest = rows.new_full((len(rows), 1), -math.inf)
    total = torch.zeros_like(highest)  # sum of exp(logit - highest)
    for start in range(0, width, COLUMNS):
        columns = unembedding[:, start : start + COLUMNS]  # (d, c)
        logits = torch.mm(rows, columns, out=block[:, : columns.shape[1]])  # (n, c)
        higher = torch.maximum(highest, logits.amax(-1, keepdim=True))
        total = total * (highest - higher).exp() + logits.sub_(higher).exp_().sum(-1, keepdim=True)
        highest = higher
    return (highest + total.log())[:, 0]


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
