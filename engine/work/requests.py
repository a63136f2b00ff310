"""What may be asked of the engine: frozen values, safe to hand from thread to thread. No torch, no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.circuits.interventions.values import Ablate, Intervention
from engine.model.config import HeadRef

Lane = Literal["load", "run", "sweep"]


def removing(heads: tuple[HeadRef, ...]) -> tuple[Intervention, ...]:
    """The interventions that take these heads out of the model."""
    return (Ablate(heads),) if heads else ()


def removed(interventions: tuple[Intervention, ...]) -> tuple[HeadRef, ...]:
    """The heads that interventions take out of the model, or put something else in the place of."""
    return tuple(head for value in interventions if isinstance(value, Ablate) for head in value.heads)


@dataclass(frozen=True)
class Repeat:
    """BOS and `length` distinct ordinary tokens twice, drawn with `seed`: the standard induction probe."""

    length: int
    seed: int = 0


@dataclass(frozen=True)
class Prompt:
    """What the model reads: typed text, or a random repeat when `repeat` is given.

    `bos` None prepends the beginning-of-sequence token if the model's file says so.
    `truncate` keeps BOS and the last tokens of a prompt over the context; otherwise that is a failure.
    """

    text: str = ""
    repeat: Repeat | None = None
    bos: bool | None = None
    truncate: bool = True


@dataclass(frozen=True)
class LoadModel:
    """Open a model by name, file or folder; the old one stays usable until this one is ready."""

    model: str
    lane: Lane = "load"


@dataclass(frozen=True)
class Analyze:
    """Run the prompt: tokens, every pattern, losses, the ten best next tokens. Answer: `Analysis`."""

    prompt: Prompt
    interventions: tuple[Intervention, ...] = ()
    lane: Lane = "run"


@dataclass(frozen=True)
class ExamineHead:
    """One head on the prompt, in full precision: pattern and raw scores. Answer: `HeadDetail`."""

    prompt: Prompt
    head: HeadRef
    interventions: tuple[Intervention, ...] = ()
    lane: Lane = "run"


@dataclass(frozen=True)
class ObserveBehaviour:
    """What the heads do on this prompt at `destination` (None: the last token), and what removing the best
    matching head costs. Answer: `Behaviour`."""

    prompt: Prompt
    destination: int | None = None
    interventions: tuple[Intervention, ...] = ()
    lane: Lane = "sweep"


@dataclass(frozen=True)
class Compare:
    """Two prompts side by side, such as a clean and a corrupt one. Answer: `Comparison`."""

    prompt: Prompt
    other: Prompt
    interventions: tuple[Intervention, ...] = ()
    lane: Lane = "run"


@dataclass(frozen=True)
class ScoreHeads:
    """Role scores of every head on random repeats, with control, copying and removal. Answer: `RoleScores`.

    `bos` None puts the beginning-of-sequence token first wherever the model has one: heads rest there. `removals` is
    how many heads are removed to see what that costs, those first that attend most to a follower or to the token
    before; None: all of a small model, some of a large one.
    """

    length: int = 40
    samples: int = 8
    seed: int = 0
    bos: bool | None = None
    removals: int | None = None
    interventions: tuple[Intervention, ...] = ()
    lane: Lane = "sweep"


@dataclass(frozen=True)
class Judge:
    """Which mechanism does the induction: of the model, on random repeats, or (`prompt` given) at `destination` of that
    prompt (None: the last token). Answer: `Verdict`.

    The model's heads are named by `ScoreHeads` with the same fields, and tested on other draws.
    """

    prompt: Prompt | None = None
    destination: int | None = None
    length: int = 40
    samples: int = 8
    seed: int = 0
    bos: bool | None = None
    lane: Lane = "sweep"


@dataclass(frozen=True)
class WalkThrough:
    """The two-head circuit step by step at `destination` of a prompt (None: the last token). Answer: `Walk`, of which
    `walk_steps.steps` makes sentences."""

    prompt: Prompt
    destination: int | None = None
    lane: Lane = "sweep"


@dataclass(frozen=True)
class RunExperiment:
    """One experiment of the gallery (experiments/catalogue.py) with `samples` prompts a condition. Answer: `Report`."""

    name: str
    samples: int = 200
    seed: int = 0
    lane: Lane = "sweep"


Request = (
    LoadModel | Analyze | ExamineHead | Compare | ObserveBehaviour | ScoreHeads | Judge | WalkThrough | RunExperiment
)
