"""What heads do, read off their attention patterns, per sample and per head.

patterns are (B, N, T, T): softmax weights, destination i in rows, source j in columns, N heads in layer order.
Scores are (B, N) float64, without unit unless said; NaN where a sample has no row on which the score is defined.

How to use it, with memory of one layer's patterns:

    tokens = probes.random_repeat(tokenizer.ordinary, length, samples, seed, tokenizer.bos)
    watch = ScorePatterns(tokens, bos, length)          # length None for a typed prompt
    model(tokens, chain(cancel_check, watch))
    scores = watch.scores()                             # PatternScores, fields named as in HeadScores
    induction, induction_se = mean_and_error(scores.induction)     # (N) each, from statistics.py, as are
    ranks = rank(induction)                             # 1 is the strongest
    low, high = interval(scores.induction)              # (N) each

Control: the same with `tokens = probes.control(tokens, length, seed)` and `WatchMass(control_stripe(tokens, length))`.
Olsson prefix matching: `WatchMass(followers(tokens, bos))` on random_repeat(..., copies=4).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from engine.circuits import budget


def followers(tokens: Tensor, bos: int | None) -> Tensor:
    """(B, T) tokens to (B, T, T) bool: sources j <= i that follow an earlier copy of the destination's token.

    BOS is no earlier copy of anything.
    """
    copies = torch.zeros(*tokens.shape, tokens.shape[1], dtype=torch.bool)  # (B, T, T)
    copies[:, :, 1:] = _same(tokens, bos)[:, :, :-1]
    return copies.tril()


def earlier_copies(tokens: Tensor, bos: int | None) -> Tensor:
    """(B, T) tokens to (B, T, T) bool: sources j < i that hold the destination's own token; BOS never counts."""
    return _same(tokens, bos).tril(-1)


def _same(tokens: Tensor, bos: int | None) -> Tensor:
    same = tokens[:, :, None] == tokens[:, None, :]  # (B, T, T)
    return same if bos is None else same & (tokens != bos)[:, None, :]


def control_stripe(tokens: Tensor, length: int) -> Tensor:
    """The strict induction stripe by place alone: destination i of the second half, source i - L + 1; (B, T, T) bool.

    Rows whose source happens to follow an earlier copy are left out. tokens as from `probes.control`.
    """
    size = tokens.shape[1]
    stripe = torch.zeros(size, size, dtype=torch.bool)  # (T, T)
    rows = torch.arange(size - length, size)
    stripe[rows, rows - length + 1] = True
    return stripe & ~followers(tokens, None)


def mass_on(patterns: Tensor, targets: Tensor) -> Tensor:
    """Attention on `targets` (B, T, T) bool: summed over a row, averaged over the rows that have any; (B, N)."""
    mass = (patterns * targets[:, None]).sum(-1).double()  # (B, N, T)
    rows = targets.any(-1)  # (B, T)
    return mass.sum(-1) / rows.sum(-1, keepdim=True)  # 0/0 is NaN: no row, no score


def induction(patterns: Tensor, tokens: Tensor, bos: int | None) -> Tensor:
    """Strict induction: attention on the followers of earlier copies. On BOS + L + L exactly destinations L+1 to 2L,
    source i - L + 1, so 1 for a perfect head. On four copies it is Olsson et al. 2022's prefix matching, per query."""
    return mass_on(patterns, followers(tokens, bos))


def duplicate_token(patterns: Tensor, tokens: Tensor, bos: int | None) -> Tensor:
    """Attention on all earlier copies of the destination's token, over the rows that have any; (B, N)."""
    return mass_on(patterns, earlier_copies(tokens, bos))


def previous_token(patterns: Tensor) -> Tensor:
    """Mean of A[i, i-1] over destinations i >= 1; (B, N)."""
    return patterns.diagonal(-1, -2, -1).double().mean(-1)


def first_token(patterns: Tensor) -> Tensor:
    """Mean attention on position 0, where heads rest, over destinations i >= 1; (B, N)."""
    return patterns[..., 1:, 0].double().mean(-1)


def entropy(patterns: Tensor) -> Tensor:
    """Mean entropy of the pattern's rows in nats, over destinations i >= 1; (B, N)."""
    return torch.special.entr(patterns[..., 1:, :]).sum(-1).double().mean(-1)


def tl_diagonal(patterns: Tensor, length: int) -> Tensor:
    """TransformerLens' induction stripe on repeats of `length`: the mean of the whole diagonal -(L - 1); (B, N).

    It has two entries in the first copy, so a perfect head that rests on BOS gets (L+1)/(L+2).
    """
    return patterns.diagonal(1 - length, -2, -1).double().mean(-1)


def tl_mul(patterns: Tensor, tokens: Tensor, bos: int | None) -> Tensor:
    """TransformerLens' head detector, "mul": attention on followers over all attention; (B, N). NaN without a follower.

    A perfect head gets L/(2L+1) on BOS + L + L, because the first copy counts in the denominator.
    """
    targets = followers(tokens, bos)
    share = (patterns * targets[:, None]).sum((-2, -1)).double() / patterns.sum((-2, -1)).double()  # (B, N)
    return share.where(targets.any(-1).any(-1, keepdim=True), torch.nan)


def chance(targets: Tensor) -> Tensor:
    """(B): what uniform attention scores on `targets` (B, T, T), the mean of targets/(i + 1); NaN without targets."""
    keys = torch.arange(1, targets.shape[-1] + 1, dtype=torch.float64)  # (T)
    return (targets.sum(-1) / keys).sum(-1) / targets.any(-1).sum(-1)


def eligible_rows(targets: Tensor) -> int:
    """How many rows of all samples have a target: the n of a score."""
    return int(targets.any(-1).sum())


def value_weighted(patterns: Tensor, values: Tensor, W_O: Tensor) -> Tensor:
    """Attention times how much there is to be moved, A_ij ||v_j W_O||; (B, H, T, T) in units of the stream.

    patterns (B, H, T, T) and values (B, T, H, h) of one layer's run, W_O (H, h, d) as the model holds it. Attention
    on a value of 0 is rest, not movement (Kobayashi et al. 2020). Raises TooLarge over the memory budget.
    """
    budget.require(patterns.nbytes, f"the value-weighted patterns of {patterns.shape[-1]} tokens (ask for fewer)")
    triangle = torch.linalg.qr(W_O.mT, mode="r").R  # (H, min(h, d), h): as long as W_O, without its d columns
    lengths = torch.einsum("bthe,hfe->bhtf", values, triangle).norm(dim=-1)  # (B, H, T)
    return patterns * lengths[:, :, None]


@dataclass(frozen=True)
class PatternScores:
    """All scores that one run gives, (B, N) float64 each; the names are those of HeadScores."""

    previous_token: Tensor
    duplicate_token: Tensor
    induction: Tensor
    tl_diagonal: Tensor
    tl_mul: Tensor
    first_token: Tensor
    entropy: Tensor


def pattern_scores(patterns: Tensor, tokens: Tensor, bos: int | None, length: int | None = None) -> PatternScores:
    """Every score of a stack of patterns. `length` is L on repeats, None on a typed prompt (no TL diagonal there)."""
    nothing = torch.full(patterns.shape[:2], torch.nan, dtype=torch.float64)
    return PatternScores(
        previous_token=previous_token(patterns),
        duplicate_token=duplicate_token(patterns, tokens, bos),
        induction=induction(patterns, tokens, bos),
        tl_diagonal=nothing if length is None else tl_diagonal(patterns, length),
        tl_mul=tl_mul(patterns, tokens, bos),
        first_token=first_token(patterns),
        entropy=entropy(patterns),
    )


class ScorePatterns:
    """A tap that scores each layer's pattern as it passes, so that only one layer's patterns are in memory."""

    def __init__(self, tokens: Tensor, bos: int | None, length: int | None = None) -> None:
        self.tokens, self.bos, self.length = tokens, bos, length
        self.layers: list[PatternScores] = []

    def __call__(self, name: str, x: Tensor) -> Tensor:
        if name.endswith(".pattern"):
            self.layers.append(pattern_scores(x, self.tokens, self.bos, self.length))
        return x

    def scores(self) -> PatternScores:
        """The scores of all heads of the run, (B, N) each."""
        names = [field.name for field in fields(PatternScores)]
        return PatternScores(**{n: torch.cat([getattr(layer, n) for layer in self.layers], dim=1) for n in names})


class WatchMass:
    """A tap that keeps only the attention on `targets` (B, T, T) bool: for the control and for prefix matching."""

    def __init__(self, targets: Tensor) -> None:
        self.targets = targets
        self.layers: list[Tensor] = []

    def __call__(self, name: str, x: Tensor) -> Tensor:
        if name.endswith(".pattern"):
            self.layers.append(mass_on(x, self.targets))
        return x

    def mass(self) -> Tensor:
        """(B, N)"""
        return torch.cat(self.layers, dim=1)
