"""Activation patching: put one activation of one run into another run, and see how far the metric comes along.

Denoising puts the clean activation into the corrupt run (is it sufficient?), noising the corrupt one into the clean run
(is it necessary?). A patch changes everything behind it, so it shows where what matters is, not on which path it goes:
that is paths.py. Source: Meng et al. 2022 (causal tracing); Heimersheim and Nanda 2024.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeVar

import torch
from torch import Tensor

from engine.circuits.interventions.variants import Walk, at_a_time, repeated
from engine.circuits.patching.corruption import differing
from engine.circuits.patching.metrics import Metric, measured
from engine.model.config import ModelConfig
from engine.model.transformer import Transformer

Direction = Literal["denoising", "noising"]
Kind = Literal["resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out", "z", "q", "k", "v", "pattern"]
OF_HEADS: tuple[Kind, ...] = ("z", "q", "k", "v", "pattern")
NOTHING = 1e-6  # share of the metric that rounding alone can move

What = TypeVar("What")


class Site(NamedTuple):
    """What is patched: an activation of a layer; of one head or all, at one position or all.

    `z` is what a head reads out, before the output projection. The position of a pattern is its destination.
    """

    kind: Kind
    layer: int
    head: int | None = None
    position: int | None = None


@dataclass(frozen=True)
class Effects(Generic[What]):
    """The metric with each of `what` patched: `values` (n, B); `clean` and `corrupt` (B) are those of the two runs.

    A metric of several numbers a row adds one dimension to all of them.
    """

    what: tuple[What, ...]
    values: Tensor
    clean: Tensor
    corrupt: Tensor
    direction: Direction

    @property
    def normalised(self) -> Tensor:
        """(n, B): 1 as in the clean run, 0 as in the corrupt one; NaN where these two do not differ."""
        span = self.clean - self.corrupt  # (B)
        defined = span.abs() > NOTHING * torch.maximum(self.clean.abs(), self.corrupt.abs())
        return ((self.values - self.corrupt) / span).where(defined, torch.nan)

    @property
    def effect(self) -> Tensor:
        """(n, B): the share of the way from the run that was patched to the other; 1 is all of it."""
        return self.normalised if self.direction == "denoising" else 1 - self.normalised


def sites(config: ModelConfig, kind: Kind, positions: Iterable[int] | None = None) -> list[Site]:
    """The whole map of one kind: every layer, every head where the kind has heads, every given position (None: all
    positions at once)."""
    heads = range(config.heads) if kind in OF_HEADS else (None,)
    places = (None,) if positions is None else tuple(positions)
    return [Site(kind, layer, head, at) for layer in range(config.layers) for head in heads for at in places]


def patch(
    model: Transformer,
    clean: Tensor,
    corrupt: Tensor,
    wanted: Sequence[Site],
    metric: Metric,
    direction: Direction = "denoising",
) -> Iterator[Effects[Site]]:
    """Patch each site by itself. clean, corrupt (B, T) tokens, aligned; yields some sites at a time, by layer.

    Costs a few runs, and for each site the layers from its own on. Raises ValueError when the prompts do not align, or
    for a site that does not exist.
    """
    differing(clean, corrupt)
    ends = measured(model, clean, metric), measured(model, corrupt, metric)
    into, donor = (corrupt, clean) if direction == "denoising" else (clean, corrupt)
    for what, values in patched(model, into, donor, wanted, metric):
        yield Effects(what, values, *ends, direction)


def patched(
    model: Transformer, into: Tensor, donor: Tensor, wanted: Sequence[Site], metric: Metric
) -> Iterator[tuple[tuple[Site, ...], Tensor]]:
    """The bare metric, (n, B), of the run over `into` with each site as in the run over `donor`; some at a time.

    Raises ValueError for a site that the model or the prompts do not have.
    """
    for site in wanted:
        _require(model.config, into.shape[1], site)
    changed, given = Walk(model, into, metric.reads), Walk(model, donor)
    for number in range(max((site.layer + 1 for site in wanted), default=0)):
        here = [site for site in wanted if site.layer == number]
        new = given.step(*{site.kind for site in here})
        chunk = at_a_time(model, into, len(here))
        for first in range(0, len(here), chunk):
            what = tuple(here[first : first + chunk])
            run = changed.branch(repeated(changed.stream, len(what)), PatchSites(what, new))
            yield what, metric(run).unflatten(0, (len(what), -1))
        changed.step()


def _require(config: ModelConfig, length: int, site: Site) -> None:
    if site.kind == "mlp_out" and not config.d_mlp:
        raise ValueError("this model has no MLPs: patch attn_out")
    if site.kind == "resid_mid" and (not config.d_mlp or config.parallel_residual):
        raise ValueError("this model has no stream between attention and MLP: patch resid_pre")
    if not 0 <= site.layer < config.layers:
        raise ValueError(f"there is no layer {site.layer}: this model's are 0 to {config.layers - 1}")
    if site.head is not None and not (site.kind in OF_HEADS and 0 <= site.head < config.heads):
        raise ValueError(f"there is no head {site.layer}.{site.head} with its own {site.kind} in this model")
    if site.position is not None and not 0 <= site.position < length:
        raise ValueError(f"there is no position {site.position}: these prompts have 0 to {length - 1}")


class PatchSites:
    """A tap that patches variant v at the v-th site; all sites are of one layer.

    new: its activations in the donor's run, by kind, (B, T, ...).
    """

    def __init__(self, what: Sequence[Site], new: dict[str, Tensor]) -> None:
        self.what, self.new = what, new

    def __call__(self, name: str, x: Tensor) -> Tensor:
        layer, _, tapped = name.partition(".")
        here = [(v, site) for v, site in enumerate(self.what) if (str(site.layer), site.kind) == (layer, tapped)]
        if not here:
            return x
        x = x.unflatten(0, (len(self.what), -1)).clone()  # (n, B, T, ...)
        for variant, site in here:
            _part(x[variant], site).copy_(_part(self.new[site.kind], site))
        return x.flatten(0, 1)


def _part(x: Tensor, site: Site) -> Tensor:
    """The view of an activation (B, T, d), (B, T, H, h) or (B, H, T, T) that a site is about."""
    head = slice(None) if site.head is None else slice(site.head, site.head + 1)
    place = slice(None) if site.position is None else slice(site.position, site.position + 1)
    if site.kind == "pattern":
        return x[:, head, place]
    return x[:, place, head] if site.kind in OF_HEADS else x[:, place]
