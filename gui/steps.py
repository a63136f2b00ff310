"""The stack of interventions as the window holds it: each with a switch, and whether it fits here.

Pure values; what interventions do is the engine's business.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.circuits.interventions.values import Ablate, Intervention, misfit
from engine.model.config import HeadRef
from engine.work.results import ModelInfo


@dataclass(frozen=True)
class Step:
    """One intervention; `on` switches it."""

    value: Intervention
    on: bool = True


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


def removed_heads(steps: Iterable[Step]) -> frozenset[HeadRef]:
    """The heads that write something else, wherever they do."""
    values = (step.value for step in steps if step.on)
    return frozenset(head for value in values if isinstance(value, Ablate) for head in value.heads)
