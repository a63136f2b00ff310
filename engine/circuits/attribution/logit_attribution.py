"""Direct logit attribution: which source pushed a logit by how much, straight through the unembedding.

The final norm's scale is that of the run, so every logit is exactly a sum over the sources of the final stream, plus
`bias`, the final norm's own bias as the unembedding reads it. Only direct effects: what a head does through later heads
is theirs (in an induction circuit the previous-token head gets 0).

S sources, T positions, V vocabulary, d d_model, h d_head.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from engine.circuits.attribution.stream import Stream, source_taps
from engine.circuits.weights.view import Weights, folded
from engine.model.config import HeadRef
from engine.model.transformer import Transformer


def attribution_taps(model: Transformer) -> frozenset[str]:
    """What a run must keep for `attribute`; memory 2 T d a layer, and the logits."""
    return source_taps(model) | {"final.scale", "logits"}


def by_source_taps(model: Transformer, head: HeadRef) -> frozenset[str]:
    """What a run must keep beside `attribution_taps` to split one head by source token."""
    return frozenset({f"{head.layer}.v", f"{head.layer}.pattern"})


@dataclass(frozen=True)
class Target:
    """The logit asked about: a token's own, or its lead over another token's or over the mean of all logits.

    One token id for all positions, or (T) ids, one each. Softmax sees leads only; a lead over the mean is what
    centring the unembedding over the vocabulary gives, and it changes no difference.
    """

    token: int | Tensor
    against: int | Tensor | Literal["mean"] | None = None


@dataclass(frozen=True)
class Attribution:
    """A number of the run as a sum over names: `values` (S, T), the run's own number `measured` (T).

    `remainder` (T) is measured - total: rounding, unless the run was meddled with between its sources.
    """

    names: tuple[str, ...]
    values: Tensor
    measured: Tensor

    @property
    def total(self) -> Tensor:
        return self.values.sum(0)  # (T)

    @property
    def remainder(self) -> Tensor:
        return self.measured - self.total  # (T)


def attribute(stream: Stream, target: Target) -> Attribution:
    """What every source adds to the target at every position, in units of the logit; memory S T and one source.

    Names are those of `stream.names()`, then `bias` for LayerNorm. The run must have kept `attribution_taps`.
    """
    names, readers = stream.names(), _readers(stream, target)  # (T, d)
    values = [(stream.part(name) * readers).sum(-1) for name in names]  # (T) each
    norm = stream.model.norm_final
    if norm.kind == "layer":
        names += ("bias",)
        values.append((norm.bias @ _columns(stream, target)).expand(len(readers)))  # (T)
    return Attribution(names, torch.stack(values), _measured(stream, target))


@dataclass(frozen=True)
class SourceAttribution:
    """One head's part of the target by the token it came from: `values` (T, T), destination i in rows, source j.

    Each is A[i, j] (x_j W_V + b_V) W_O read by the unembedding; `measured` (T) is the head's attribution.
    """

    values: Tensor
    measured: Tensor

    @property
    def remainder(self) -> Tensor:
        return self.measured - self.values.sum(-1)  # (T)


def attribute_by_source(stream: Stream, head: HeadRef, target: Target) -> SourceAttribution:
    """One head's attribution split by source token, at every position. Needs `by_source_taps` too; memory T^2."""
    readers = _readers(stream, target)  # (T, d)
    W_O = Weights(stream.model, folded=False).head(head).W_O  # (h, d)
    values, pattern = stream.tap(f"{head.layer}.v"), stream.tap(f"{head.layer}.pattern")  # (T, H, h), (H, T, T)
    by_source = pattern[head.head] * (readers @ W_O.T @ values[:, head.head].T)  # (T, T)
    return SourceAttribution(by_source, (stream.part(str(head)) * readers).sum(-1))


def reader_of(stream: Stream, token: int, position: int) -> Tensor:
    """(d): what the final stream at a position is multiplied with to give a token's lead over the mean of all logits,
    the final norm in it; for LayerNorm its bias is left out."""
    return _readers(stream, Target(token, "mean"))[position]


def _columns(stream: Stream, target: Target) -> Tensor:
    """(d, 1 or T): the columns of the unembedding that give the target."""
    unembedding, against = stream.model.unembedding, target.against
    columns = unembedding[:, torch.as_tensor(target.token).reshape(-1)]  # (d, 1 or T)
    if isinstance(against, str):
        return columns - unembedding.mean(1, keepdim=True)
    return columns if against is None else columns - unembedding[:, torch.as_tensor(against).reshape(-1)]


def _readers(stream: Stream, target: Target) -> Tensor:
    """(T, d): what each position's stream is multiplied with to give the target, the final norm in it."""
    return folded(stream.model.norm_final, _columns(stream, target)).T * stream.scale("final")


def _measured(stream: Stream, target: Target) -> Tensor:
    """(T): the target as the run's logits have it."""
    logits, against = stream.tap("logits"), target.against  # (T, V)
    own = _pick(logits, target.token)  # (T)
    if isinstance(against, str):
        return own - logits.mean(-1)
    return own if against is None else own - _pick(logits, against)


def _pick(logits: Tensor, token: int | Tensor) -> Tensor:
    return logits.gather(1, torch.as_tensor(token).reshape(-1, 1).expand(len(logits), 1))[:, 0]  # (T)
