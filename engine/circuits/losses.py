"""How well the model foretells each token: losses in nats, by token and over the two copies of a repeat."""

from __future__ import annotations

import math

import torch
from torch import Tensor


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
