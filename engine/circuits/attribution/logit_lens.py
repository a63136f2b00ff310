"""The logit lens: what the stream would predict if the model ended after each layer (nostalgebraist 2020).

The final norm is applied to each partial stream with its own scale, so steps between layers are not contributions;
those, with the scale of the run, are cumulative sums of the direct logit attribution.

T positions, P of them asked about, V vocabulary, d d_model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.circuits import budget
from engine.circuits.attribution.stream import Stream
from engine.model.transformer import Transformer, untapped


def lens_taps(model: Transformer) -> frozenset[str]:
    """What a run must keep: the stream before every layer, and the final one; memory B T d a layer."""
    last = model.config.layers - 1
    return frozenset({"embed", f"{last}.resid_post"} | {f"{number}.resid_pre" for number in range(last + 1)})


@dataclass(frozen=True)
class LensLayer:
    """What the stream before `layer` would predict (`layer` = number of layers: the model's own prediction).

    `logits` and `ranks` (P, n) of the n tokens asked about, rank 1 the highest, ties sharing a place; `top` (P, k) the
    ids of the k highest and `top_logits` (P, k). `mean` (P) of all logits, and `log_total` (P), their log-sum-exp.
    """

    layer: int
    logits: Tensor
    ranks: Tensor
    top: Tensor
    top_logits: Tensor
    mean: Tensor
    log_total: Tensor


def logit_lens(stream: Stream, tokens: Tensor, positions: Tensor | None = None, top: int = 10) -> Iterator[LensLayer]:
    """The logits of `tokens` (n) at `positions` (P; None: all) after each layer: layers + 1 results, one at a time.

    The run must have kept `lens_taps`. Memory 3 P V in portions of the budget.
    """
    model, layers = stream.model, stream.model.config.layers
    for number in range(layers + 1):
        x = stream.tap(f"{number}.resid_pre" if number < layers else f"{layers - 1}.resid_post")  # (T, d)
        x = x if positions is None else x[positions]  # (P, d)
        step = budget.portion(3 * model.config.vocabulary * x.element_size(), len(x))
        blocks = [_read(model, block, tokens, top) for block in x.split(step)]
        yield LensLayer(number, *(torch.cat(pieces) for pieces in zip(*blocks, strict=True)))


def _read(model: Transformer, x: Tensor, tokens: Tensor, top: int) -> tuple[Tensor, ...]:
    """(P, d) to the tensors of a LensLayer, in its order."""
    logits = model.norm_final(x, "final", untapped) @ model.unembedding  # (P, V)
    own = logits[:, tokens]  # (P, n)
    ranks = torch.ones_like(own, dtype=torch.int64)  # (P, n)
    for number, one in enumerate(own.unbind(-1)):
        ranks[:, number] += (logits > one[:, None]).sum(-1)
    best = logits.topk(min(top, logits.shape[1]))
    return own, ranks, best.indices, best.values, logits.mean(-1), logits.logsumexp(-1)
