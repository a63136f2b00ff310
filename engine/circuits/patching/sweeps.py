"""What each component is worth: every head, and every MLP, removed one at a time, and a metric measured without it.

Removal means zero at `z` for a head and at `mlp_out` for an MLP; all that comes later is recomputed ("zero ablation").
The removals of a layer are the rows of one batch that begins behind that layer's attention: the stream there is the
common one less what the head wrote. A sweep costs little more than half of as many runs, and unembeds only what the
metric reads.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.circuits.interventions.edges import MLPRef
from engine.circuits.interventions.variants import Walk, at_a_time, each_variant, repeated
from engine.circuits.patching.metrics import Metric, measured
from engine.circuits.weights.view import Weights, layer_of
from engine.model.config import HeadRef
from engine.model.taps import Capture, chain
from engine.model.transformer import Tap, Transformer, untapped

Component = HeadRef | MLPRef


@dataclass(frozen=True)
class Removed:
    """The metric without each of `what`: `values` (n, B), and `base` (B) with everything in place."""

    what: tuple[Component, ...]
    values: Tensor
    base: Tensor

    @property
    def effect(self) -> Tensor:
        """(n, B): how much the metric rises when the component goes, in the metric's unit."""
        return self.values - self.base


def removals(
    model: Transformer,
    tokens: Tensor,
    metric: Metric,
    heads: Collection[HeadRef] | None = None,
    mlps: bool = False,
    tap: Tap = untapped,
) -> Iterator[Removed]:
    """Remove `heads` (None: every head) from a model's run over tokens (B, T), one at a time, layer by layer; MLPs on
    request.

    `tap` is an intervention that stays in force: it acts first, on each removal as on a run of its own, so it may hold
    values for B prompts or take means over them. It must not capture: it sees many runs, and layers once for all.
    Yields one layer's removals, or fewer where the memory budget makes smaller portions.
    """
    base, walk = measured(model, tokens, metric, tap), Walk(model, tokens, metric.reads, tap)
    every = heads is None or (mlps and model.config.d_mlp)
    end = model.config.layers if every else 1 + max((head.layer for head in heads or ()), default=-1)
    while walk.number < end:
        refs = (HeadRef(walk.number, head) for head in range(model.config.heads))
        here: list[Component] = [head for head in refs if heads is None or head in heads]
        if mlps and model.config.d_mlp:
            here.append(MLPRef(walk.number))
        common = walk.step("resid_pre", "z")
        chunk = at_a_time(model, tokens, max(1, len(here)))
        for first in range(0, len(here), chunk):
            what = tuple(here[first : first + chunk])
            values = _without(walk, common, what, metric).unflatten(0, (len(what), -1))  # (n, B)
            yield Removed(what, values, base)


def _without(walk: Walk, common: dict[str, Tensor], what: tuple[Component, ...], metric: Metric) -> Tensor:
    """The metric (n*B) without each component of the layer that the walk has just passed."""
    model, number = walk.model, what[0].layer
    weights = Weights(model, folded=False)
    written = torch.einsum("bthe,hed->hbtd", common["z"], weights.layer(number).W_O)  # (H, B, T, d)
    out = written.sum(0) + weights.output_bias(number)  # (B, T, d)
    rows = torch.stack([out - written[one.head] if isinstance(one, HeadRef) else out for one in what])  # (n, B, T, d)
    outer, seen = each_variant(walk.tap, len(out)), Capture(frozenset(metric.reads).__contains__)
    silent = _silence(number, [place for place, one in enumerate(what) if isinstance(one, MLPRef)], len(out))
    stream = repeated(common["resid_pre"], len(what))  # (n*B, T, d)
    tap, name = chain(outer, silent, seen), str(number)
    stream = layer_of(model, number).finish(stream, tap(f"{name}.attn_out", rows.flatten(0, 1)), name, tap)
    return metric(walk.branch(stream, outer, seen.kept))


def _silence(number: int, variants: list[int], rows: int) -> Tap:
    """A tap that takes away what the MLP of a layer writes in these variants of `rows` prompts."""

    def tapped(name: str, x: Tensor) -> Tensor:
        if not variants or name != f"{number}.mlp_out":
            return x
        x = x.unflatten(0, (-1, rows)).clone()  # (n, B, T, d)
        x[variants] = 0.0
        return x.flatten(0, 1)

    return tapped
