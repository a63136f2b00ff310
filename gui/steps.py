"""The stack of interventions as the window holds it: each with a switch and perhaps a name, and whether it fits here.

Pure values; what interventions do is the engine's business.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.circuits.interventions.values import Ablate, ForcePattern, Intervention, KeepOnly, misfit
from engine.model.config import HeadRef, ModelConfig
from engine.work.results import ModelInfo


@dataclass(frozen=True)
class Step:
    """One intervention; `on` switches it, `name` is what the user calls it."""

    value: Intervention
    on: bool = True
    name: str = ""


Steps = tuple[Step, ...]


def misfits(steps: Steps, model: ModelInfo | None, length: int | None) -> dict[int, str]:
    """Why steps cannot act on this model or a prompt of so many tokens, by their place in the stack."""
    if model is None:
        return {}
    found = ((place, misfit(step.value, model.config, length)) for place, step in enumerate(steps))
    return {place: reason for place, reason in found if reason is not None}


def in_force(steps: Steps, model: ModelInfo | None, length: int | None) -> tuple[Intervention, ...]:
    """What is done to a run: the steps that are on and fit, in their order."""
    unfit = misfits(steps, model, length)
    return tuple(step.value for place, step in enumerate(steps) if step.on and place not in unfit)


def removes(step: Step, head: HeadRef) -> bool:
    """Whether a step does nothing but take this head out of the model."""
    return step.value == Ablate((head,))


def with_removal_toggled(steps: Steps, head: HeadRef) -> Steps:
    """Takes a head out of the model, or puts it back where it is out."""
    if any(removes(step, head) and step.on for step in steps):
        return tuple(step for step in steps if not removes(step, head))
    return (*(step for step in steps if not removes(step, head)), Step(Ablate((head,))))


def with_value(steps: Steps, value: Intervention) -> Steps:
    """One more step at the end. A head attends in one way only: a new pattern takes the place of the old one, unless
    that was painted for a prompt of another length, and so is not in force."""
    if isinstance(value, ForcePattern):
        for place, step in enumerate(steps):
            old = step.value
            if isinstance(old, ForcePattern) and old.head == value.head and _alike_long(old, value):
                return with_changed(steps, place, value=value, on=True)
    return (*(step for step in steps if step.value != value), Step(value))


def _alike_long(old: ForcePattern, new: ForcePattern) -> bool:
    return not old.painted or not new.painted or len(old.painted) == len(new.painted)


def with_changed(steps: Steps, place: int, **changes: object) -> Steps:
    """The step at `place` with another switch, name or value."""
    return (*steps[:place], replace(steps[place], **changes), *steps[place + 1 :])  # type: ignore[arg-type]  # by name


def with_moved(steps: Steps, place: int, to: int) -> Steps:
    """The step at `place` put where `to` is now."""
    rest = [*steps[:place], *steps[place + 1 :]]
    return (*rest[:to], steps[place], *rest[to:])


def without(steps: Steps, places: Iterable[int]) -> Steps:
    """The stack without the steps at these places."""
    gone = frozenset(places)
    return tuple(step for place, step in enumerate(steps) if place not in gone)


def painted_pattern(steps: Steps, head: HeadRef, now: NDArray[Any]) -> NDArray[Any]:
    """(T, T): how the head attends as painted for as many tokens, though its run may not be there yet; else `now`."""
    for step in steps:
        value = step.value
        if step.on and isinstance(value, ForcePattern) and value.head == head and len(value.painted) == len(now):
            return np.array(value.painted, dtype=np.float64)
    return now


def removed_heads(interventions: Iterable[Intervention], config: ModelConfig | None) -> frozenset[HeadRef]:
    """The heads that write something else than their own, at every position; a complement test needs the `config`."""
    gone: set[HeadRef] = set()
    for value in interventions:
        if isinstance(value, KeepOnly) and config is not None:
            gone.update(value.ablation(config).heads)
        elif isinstance(value, Ablate) and value.positions is None:
            gone.update(value.heads)
    return frozenset(gone)
