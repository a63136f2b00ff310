"""Measures what a verdict is made of: one number at a time, each over the rows of one batch. Judges nothing.

A `Case` holds the prompts and what is asked of them, on random repeats or on one typed prompt; heads are named by
whoever asks, on other draws than these, so that their choice is no evidence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import torch
from torch import Tensor

from engine.circuits.attribution.logit_attribution import attribution_taps
from engine.circuits.attribution.stream import Stream
from engine.circuits.evidence import MeanAttention
from engine.circuits.interventions.ablation import tap_for
from engine.circuits.interventions.edges import HeadInput
from engine.circuits.interventions.values import Ablate, ForcePattern, Intervention, KeepOnly, Part
from engine.circuits.patching.activations import Direction
from engine.circuits.patching.metrics import Metric, measured
from engine.circuits.patching.moved_note import MovedNote, moved_note, moved_pointer
from engine.circuits.patching.paths import exact_paths
from engine.circuits.statistics import mean_and_error
from engine.circuits.verdict import RULES, Number
from engine.circuits.weights.view import folded
from engine.model.config import HeadRef
from engine.model.taps import Capture
from engine.model.transformer import Transformer

Heads = tuple[HeadRef, ...]
Named = tuple[str, Number]


@dataclass(frozen=True)
class Case:
    """Prompts and what is asked of them.

    clean, corrupt (B, T): the prompts, and the same with the earlier copies replaced. `targets` (B, T, T) bool: for
    each destination that counts, the sources after its earlier copies. `moves`: pairs of an earlier copy and its later
    one, the same in all rows, for moving notes. `rows` (R): destinations whose prediction counts, `right` (B, R): the
    right tokens there. `prediction`: a metric of the prediction. `without` (B, T), `without_targets`: the same places
    where nothing is repeated. `one_prompt`: all clean rows are the same; only the corrupt ones vary.
    """

    clean: Tensor
    corrupt: Tensor
    targets: Tensor
    moves: tuple[tuple[int, int], ...]
    rows: Tensor
    right: Tensor
    prediction: Metric
    without: Tensor
    without_targets: Tensor
    bos: int | None
    one_prompt: bool = False


@dataclass(frozen=True)
class Roles:
    """The heads that play the parts, and sets of as many others below, to compare with."""

    previous: Heads
    induction: Heads
    duplicate: Heads
    draws: int = 4
    brief: bool = False  # of a route that patching shows idle nothing else is measured
    seed: int = 0

    def others(self, heads: Heads, everyone: Sequence[HeadRef]) -> list[Heads]:
        """Sets of as many heads below the last induction head without a part; none where there are too few."""
        last = max(head.layer for head in self.induction)
        parts = {*self.previous, *self.induction, *self.duplicate}
        free = [head for head in everyone if head.layer < last and head not in parts]
        if not heads or len(free) < len(heads):
            return []
        generator = torch.Generator().manual_seed(self.seed)
        drawn = (torch.randperm(len(free), generator=generator)[: len(heads)].tolist() for _ in range(self.draws))
        return list(dict.fromkeys(tuple(sorted(free[place] for place in places)) for places in drawn))


def number(values: Tensor) -> Number:
    """values (B), one a sample; the error is None below two samples."""
    mean, error = mean_and_error(values[:, None].double())
    count = int(values.isfinite().sum())
    return Number(float(mean), float(error) if count > 1 else None, count)


class Trial:
    """The numbers of one model, one case and given roles. Memory is bounded by the budget in every run."""

    def __init__(self, model: Transformer, case: Case, roles: Roles) -> None:
        self.model, self.case, self.roles = model, case, roles
        self.attention = MeanAttention(roles.induction, case.targets)
        self.moves = [(k, query) for k, query in case.moves if k + 2 < query]  # else there is no place to move to
        self.one_on = MeanAttention(roles.induction, case.targets.roll(1, dims=-1).tril())

    def numbers(self) -> Iterator[Named]:
        """All of them, named as in verdict.RULES; those that cannot be measured are left out. Stop between any two."""
        roles = self.roles
        yield "induction", self._of_clean(self.base)
        control = MeanAttention(roles.induction, self.case.without_targets)
        yield "induction_control", number(measured(self.model, self.case.without, control))
        yield "copy_direct_effect", self._of_clean(self._direct_effect())
        if roles.previous:
            yield from self._mechanism("k", roles.previous, moved_note)
            yield from self._forced()
        if roles.duplicate:
            yield from self._mechanism("q", roles.duplicate, moved_pointer)
        writers = tuple(dict.fromkeys((*roles.previous, *roles.duplicate)))
        if writers:
            yield "v_noising", number(self._paths([writers], "v", "noising", self.attention)[0])
            yield "alone", self._of_clean(self._share(KeepOnly((*writers, *roles.induction))))

    def _of_clean(self, values: Tensor) -> Number:
        """values (B), read off runs over the clean prompts alone."""
        return Number(float(values[0])) if self.case.one_prompt else number(values)

    @cached_property
    def base(self) -> Tensor:
        """(B): the attention of the induction heads on their targets, nothing done."""
        return measured(self.model, self.case.clean, self.attention)

    def _mechanism(self, part: Part, writers: Heads, move: Callable[..., MovedNote]) -> Iterator[Named]:
        """The route from `writers` to queries or keys of the induction heads, and other heads on the same route."""
        others = self.roles.others(writers, self.model.config.all_heads)
        noised, *left = self._paths([writers, *others], part, "noising", self.attention)  # (B) each
        yield f"{part}_noising", number(noised)
        if self.roles.brief and float(noised.nanmean()) > RULES[f"{part}_noising"].threshold:
            return
        yield f"{part}_noising_prediction", number(self._paths([writers], part, "noising", self.case.prediction)[0])
        yield f"{part}_denoising", number(self._paths([writers], part, "denoising", self.attention)[0])
        ablated = self._share(Ablate(writers))
        yield f"{part}_ablation", self._of_clean(ablated)
        if others:
            yield f"{part}_others", number(torch.stack(left).mean(0) - noised)
            left = [self._share(Ablate(heads)) for heads in others]
            yield f"{part}_ablation_others", self._of_clean(torch.stack(left).mean(0) - ablated)
        if self.moves:
            yield f"{part}_moved_on", self._of_clean(self._moved(writers, move)[1])
            if others:
                yield f"{part}_moved_others", self._of_clean(self._moved(others[0], move)[0])

    def _paths(self, groups: list[Heads], part: Part, direction: Direction, metric: Metric) -> list[Tensor]:
        """(B) for each group of writers: the metric with its path patched, 1 as in the clean run, 0 as in the corrupt
        one; NaN where all of a group stand too high."""
        receivers = [HeadInput(head, part) for head in self.roles.induction]
        last = max(head.layer for head in self.roles.induction)
        usable = [group for group in groups if any(writer.layer < last for writer in group)]
        case, values = self.case, dict[Heads, Tensor]()
        for found in exact_paths(self.model, case.clean, case.corrupt, usable, receivers, metric, direction):
            values |= {group: row for group, row in zip(usable[len(values) :], found.normalised, strict=False)}
        return [values.get(group, torch.full((len(case.clean),), torch.nan)) for group in groups]

    def _share(self, *interventions: Intervention, metric: MeanAttention | None = None) -> Tensor:
        """(B): attention under interventions as a share of what it is without."""
        tap = tap_for(self.model, self.case.clean, interventions, self.case.bos)
        return measured(self.model, self.case.clean, metric or self.attention, tap) / self.base

    def _forced(self) -> Iterator[Named]:
        ideal = [ForcePattern(head, "previous") for head in self.roles.previous]
        yield "k_forced_ideal", self._of_clean(self._share(*ideal))
        back = [ForcePattern(head, "offset", 2) for head in self.roles.previous]
        yield "k_forced_two_back", self._of_clean(self._share(*back))
        yield "k_forced_follows", self._of_clean(self._share(*back, metric=self.one_on))

    def _moved(self, writers: Heads, move: Callable[..., MovedNote]) -> tuple[Tensor, Tensor]:
        """(B) and (B): of the attention on k + 1, the share that stays when the note is moved, and the share that goes
        to k + 2, less what was there before; means over the induction heads and places."""
        stays, goes = [], []
        for head, (k, query) in product(self.roles.induction, self.moves):
            below = [writer for writer in writers if writer.layer < head.layer]
            if below:
                found = move(self.model, self.case.clean, below, head, k, query)
                before, after = found.attention_before, found.attention_after  # (B, 3)
                stays.append((after[:, 1], before[:, 1]))
                goes.append(after[:, 2] - before[:, 2])
        if not stays:
            nothing = torch.full((len(self.case.clean),), torch.nan)
            return nothing, nothing
        had = torch.stack([before for _, before in stays]).mean()  # over samples too: single ones may be near 0
        return torch.stack([after for after, _ in stays]).mean(0) / had, torch.stack(goes).mean(0) / had

    def _direct_effect(self) -> Tensor:
        """(B): what the induction heads together add to the right token's logit, over the mean of all logits."""
        layers = {head.layer for head in self.roles.induction}
        kept = Capture((attribution_taps(self.model) - {"logits"}).__contains__)
        self.model.residual(self.case.clean, kept)
        kept.kept = {name: x for name, x in kept.kept.items() if _is_needed(name, layers)}
        added = []
        for sample, right in enumerate(self.case.right):
            stream = Stream(self.model, kept.kept, sample)
            columns = self.model.unembedding[:, right] - self.model.unembedding.mean(1, keepdim=True)  # (d, R)
            readers = folded(self.model.norm_final, columns).T * stream.scale("final")[self.case.rows]  # (R, d)
            written = torch.stack([stream.part(str(head))[self.case.rows] for head in self.roles.induction]).sum(0)
            added.append((written * readers).sum(-1).mean())
        return torch.stack(added)


def _is_needed(name: str, layers: set[int]) -> bool:
    return name in ("embed", "final.scale") or any(name == f"{layer}.z" for layer in layers)
