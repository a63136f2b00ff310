"""How well the model foretells each token: losses in nats, by token and over the two copies of a repeat."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

OLSSON_EARLY, OLSSON_LATE = 50, 500  # positions, for runs that have both


def token_losses(logits: Tensor, tokens: Tensor) -> Tensor:
    """(B, T, V) logits and (B, T) tokens to (B, T) losses in nats: -log p(token | those before), NaN at position 0."""
    foretold = logits[:, :-1].log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]  # (B, T-1)
    nothing = torch.full_like(foretold[:, :1] if foretold.shape[1] else logits[:, :1, 0], math.nan)  # (B, 1)
    return torch.cat((nothing, -foretold), dim=1)


def copy_losses(losses: Tensor, length: int) -> tuple[float, float]:
    """Mean nats per token of the first and of the second copy of ([BOS] +) L + L tokens.

    losses (B, [1 +] 2L). The second leaves out its first token, which nothing foretells. NaN where no token is left.
    """
    first, second = losses[:, -2 * length : -length], losses[:, 1 - length :] if length > 1 else losses[:, :0]
    return float(first.nanmean()), float(second.nanmean())


@dataclass(frozen=True)
class InContext:
    """Losses (...) at early and at late positions in nats, float64, NaN where a run has fewer than two losses.

    `late_minus_early` is negative where context helps, as in the definition of Olsson et al. 2022; their text also
    speaks of "0.4 nats" with the sign turned. Which positions were compared stands beside the numbers.
    """

    early: Tensor
    late: Tensor
    early_positions: range
    late_positions: range

    @property
    def late_minus_early(self) -> Tensor:
        return self.late - self.early


def in_context(losses: Tensor) -> InContext:
    """The in-context-learning score of runs, from their losses (..., T) with nothing at position 0.

    As in Olsson et al. 2022 the loss at position 500 against that at 50; a shorter run is halved, and the means of
    its halves are compared.
    """
    known = losses.shape[-1] - 1
    if known >= OLSSON_LATE:
        early, late = range(OLSSON_EARLY, OLSSON_EARLY + 1), range(OLSSON_LATE, OLSSON_LATE + 1)
    else:
        half = 1 + known // 2
        early, late = range(1, half), range(half, known + 1 if known > 1 else half)

    def mean(places: range) -> Tensor:
        return losses[..., places.start : places.stop].double().mean(-1)  # (...)

    return InContext(mean(early), mean(late), early, late)
