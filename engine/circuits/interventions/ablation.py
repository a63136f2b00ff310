"""Interventions carried out: values and prompts in, one tap out that does them in order.

What an intervention needs to know of another run is measured when its tap is made, once; zero and mean ablation of the
run itself need none. Kinds of ablation: zero and pattern-preserving (Olsson et al. 2022), mean and resample
(Wang et al. 2022), value-preserving (after Singh et al. 2024).

    tap = tap_for(model, tokens, [parse("zero 0.3 keep-pattern")])
    logits = model(tokens, tap)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from engine.circuits import budget
from engine.circuits.interventions.edits import Change, edit, hold, kept_of
from engine.circuits.interventions.positions import position_tap, require_order
from engine.circuits.interventions.transplants import note_tap, path_tap, swap_tap
from engine.circuits.interventions.values import (
    Ablate,
    ChangePositions,
    Forbid,
    ForcePattern,
    Intervention,
    KeepOnly,
    MoveNote,
    PatchPath,
    Preserve,
    ScrambleOV,
    Swap,
    check_length,
)
from engine.circuits.scores.patterns import followers
from engine.model.taps import chain
from engine.model.transformer import Tap, Transformer, untapped

NO_OTHERS: Mapping[str, Tensor] = {}


def tap_for(
    model: Transformer,
    tokens: Tensor,
    interventions: Sequence[Intervention],
    bos: int | None = None,
    reference: Tensor | None = None,
    watch: Tap = untapped,
    others: Mapping[str, Tensor] = NO_OTHERS,
) -> Tap:
    """One tap for runs on `tokens` (B, T), which does the interventions from left to right.

    `reference` (R, T) are the prompts that resample ablation takes its values from (row r for row b, or one row for
    all) and mean ablation its means (over R, for each position); they run without any intervention. Without it a
    mean is over the batch and positions of the very run. `others` are the other prompts that values name by their
    text, (1 or B, T). `watch` passes through the runs made here, e.g. Pause.
    Memory: keep-pattern holds B H T T numbers a layer, keep-value B T H h, a reference R T H h.
    Raises ValueError, in one line, for what the model or the prompts do not have; TooLarge over the memory budget.
    """
    for intervention in interventions:
        intervention.check(model.config)
        check_length(intervention, tokens.shape[1])
    require_order(change for change in interventions if isinstance(change, ChangePositions))
    simple = [one.ablation(model.config) if isinstance(one, KeepOnly) else one for one in interventions]
    elsewhere = _elsewhere(model, tokens, [one for one in simple if isinstance(one, Ablate)], reference, watch)
    taps: list[Tap] = []
    for one in simple:
        before = chain(watch, *taps)
        match one:
            case Ablate():
                taps.append(_ablation(one, elsewhere))
                if one.preserve:
                    taps.append(_preserved(model, tokens, one.preserve, before))
            case ChangePositions():
                taps.append(position_tap(model, tokens, one, before))
            case ForcePattern():
                pattern = forced_pattern(one, tokens, bos).to(model.W_E)  # (1 or B, T, T)
                taps.append(edit({f"{one.head.layer}.pattern": _given(pattern, one.head.head)}))
            case Forbid():
                taps.append(edit(_forbidden(one)))
            case ScrambleOV():
                turn = rotation(model.config.d_head, one.seed).to(model.W_E)  # (h, h)
                taps.append(edit({f"{one.head.layer}.z": _turned(turn, one.head.head)}))
            case Swap():
                taps.append(swap_tap(model, tokens, others[one.other], one, watch))
            case PatchPath():
                taps.append(path_tap(model, tokens, others[one.other], one, before, watch))
            case MoveNote():
                taps.append(note_tap(model, tokens, one, before))
    return chain(*taps)


def forced_pattern(force: ForcePattern, tokens: Tensor, bos: int | None) -> Tensor:
    """The pattern of each prompt (B, T), causal and with rows that sum to 1; (1 or B, T, T) float64."""
    size = tokens.shape[1]
    allowed = torch.ones(1, size, size, dtype=torch.bool).tril()
    if force.shape == "painted":
        return torch.tensor(force.painted, dtype=torch.float64)[None]
    if force.shape == "random":
        generator = torch.Generator().manual_seed(force.seed)
        draw = torch.randn(1, size, size, generator=generator, dtype=torch.float64)
        return draw.masked_fill(~allowed, -torch.inf).softmax(-1)
    if force.shape == "induction":
        sources = followers(tokens, bos)  # (B, T, T)
    elif force.shape == "uniform":
        sources = allowed
    else:
        back = 1 if force.shape == "previous" else force.offset
        sources = allowed.tril(-back).triu(-back)
    sources[..., 0] |= ~sources.any(-1)  # at rest
    return sources / sources.sum(-1, keepdim=True, dtype=torch.float64)


def rotation(size: int, seed: int) -> Tensor:
    """A rotation drawn uniformly (Haar), (size, size) float64."""
    generator = torch.Generator().manual_seed(seed)
    q, r = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))
    q = q * r.diagonal().sign()  # LAPACK's signs would not be uniform
    q[:, 0] *= torch.linalg.det(q).sign()  # no reflection
    return q


def _sites(ablation: Ablate) -> Iterator[tuple[str, list[int]]]:
    """Where it acts: the tap, and which of the things side by side there; an MLP is alone."""
    for layer in sorted({head.layer for head in ablation.heads}):
        yield f"{layer}.z", [head.head for head in ablation.heads if head.layer == layer]
    for layer in ablation.mlps:
        yield f"{layer}.mlp_out", [0]


def _elsewhere(
    model: Transformer, tokens: Tensor, ablations: Sequence[Ablate], reference: Tensor | None, watch: Tap
) -> dict[str, Tensor]:
    """What the ablated heads and MLPs say on the reference prompts, by tap; (R, T, ...)."""
    resampled = any(one.kind == "resample" for one in ablations)
    if reference is None:
        if resampled:
            raise ValueError("resample ablation needs reference prompts to take its values from")
        return {}
    if reference.shape[1] != tokens.shape[1]:
        raise ValueError(f"reference prompts need {tokens.shape[1]} tokens like the prompts, not {reference.shape[1]}")
    if resampled and len(reference) not in (1, len(tokens)):
        raise ValueError(f"to resample {len(tokens)} prompts takes 1 or {len(tokens)} references, not {len(reference)}")
    names = {name for one in ablations if one.kind != "zero" for name, _ in _sites(one)}
    return kept_of(model, reference, watch, names.__contains__) if names else {}


def _ablation(ablation: Ablate, elsewhere: dict[str, Tensor]) -> Tap:
    changes: dict[str, Change] = {}
    for name, which in _sites(ablation):
        values = None if ablation.kind == "zero" else elsewhere.get(name)
        if values is not None and ablation.kind == "mean":
            values = values.mean(0, keepdim=True)  # (1, T, ...)
        changes[name] = _replaced(ablation, which, values)
    return edit(changes)


def _replaced(ablation: Ablate, which: list[int], values: Tensor | None) -> Change:
    """Puts `values` (1 or B, T, ...) in the place of these heads or this MLP; None is zero, or the run's own mean."""
    rows = slice(None) if ablation.positions is None else list(ablation.positions)

    def change(x: Tensor) -> Tensor:
        x = x.clone()  # (B, T, H, h) or (B, T, d)
        for number in which:
            here = _part(x, number)  # (B, T, h) or (B, T, d), a view
            if values is not None:
                new = _part(values, number)
            else:
                new = here.mean(dim=(0, 1)) if ablation.kind == "mean" else here.new_zeros(())
            here[:, rows] = new.expand_as(here)[:, rows]
        return x

    return change


def _part(x: Tensor, number: int) -> Tensor:
    return x[:, :, number] if x.dim() == 4 else x


def _preserved(model: Transformer, tokens: Tensor, preserve: Preserve, before: Tap) -> Tap:
    """Holds every attention pattern, or every head's values, as they are without the ablation."""
    config, (rows, length) = model.config, tokens.shape
    each = length if preserve == "pattern" else config.d_head
    size = config.layers * rows * config.heads * length * each * model.W_E.element_size()
    budget.require(size, f"keep-{preserve} (fewer or shorter prompts need less)")
    suffix = ".pattern" if preserve == "pattern" else ".v"
    return hold(kept_of(model, tokens, before, lambda name: name.endswith(suffix)))


def _forbidden(forbid: Forbid) -> dict[str, Change]:
    """No score is left on that diagonal."""
    layers = {head.layer for head in forbid.heads}

    def masked(heads: list[int]) -> Change:
        def change(x: Tensor) -> Tensor:
            x = x.clone()  # (B, H, T, T)
            x[:, heads] = x[:, heads].masked_fill(_diagonal(x.shape[-1], forbid.offset), -torch.inf)
            return x

        return change

    return {f"{n}.scores": masked([head.head for head in forbid.heads if head.layer == n]) for n in layers}


def _diagonal(size: int, offset: int) -> Tensor:
    """(T, T) bool: source `offset` places before the destination."""
    ones = torch.ones(size, size, dtype=torch.bool)
    return ones.tril(-offset) & ones.triu(-offset)


def _given(pattern: Tensor, head: int) -> Change:
    def change(x: Tensor) -> Tensor:
        x = x.clone()  # (B, H, T, T)
        x[:, head] = pattern
        return x

    return change


def _turned(turn: Tensor, head: int) -> Change:
    def change(x: Tensor) -> Tensor:
        x = x.clone()  # (B, T, H, h)
        x[:, :, head] = x[:, :, head] @ turn
        return x

    return change
