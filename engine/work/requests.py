"""What may be asked of the engine: frozen values, safe to hand from thread to thread. No torch, no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from engine.circuits.interventions.values import Ablate, Intervention
from engine.model.config import HeadRef

Lane = Literal["load", "run", "sweep"]
PairKind = Literal["q", "k", "v", "unembed"]


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


class Pair(NamedTuple):
    """`writer` feeds the queries, keys or values of `reader`, or the logits where the reader is the unembedding.

    Nodes are named as in the literature: `0.3` for a head, `embed`, `pos` and `unembed` for the ends of the stream.
    """

    writer: str
    reader: str
    kind: PairKind

    @property
    def heads(self) -> tuple[HeadRef, ...]:
        """Those of the two that are heads."""
        return tuple(HeadRef.parse(name) for name in (self.writer, self.reader) if name[0].isdecimal())


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
    """Two runs side by side: two prompts, such as a clean and a corrupt one, or one prompt with and without
    interventions. `other_interventions` None: the same in both. Answer: `Comparison`."""

    prompt: Prompt
    other: Prompt
    interventions: tuple[Intervention, ...] = ()
    other_interventions: tuple[Intervention, ...] | None = None
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
class MeasureComposition:
    """Composition of every pair of heads and with the ends of the stream, from weights. Answer: `Composition`."""

    lane: Lane = "sweep"


@dataclass(frozen=True)
class TraceCircuit:
    """What every writer gives every reader at `destination` (None: the last token). Answer: `PromptCircuit`."""

    prompt: Prompt
    destination: int | None = None
    interventions: tuple[Intervention, ...] = ()
    lane: Lane = "sweep"


@dataclass(frozen=True)
class StudyHead:
    """One head's circuits on the tokens of a prompt, and what its removal does there. Answer: `HeadStudy`."""

    prompt: Prompt
    head: HeadRef
    interventions: tuple[Intervention, ...] = ()
    lane: Lane = "run"


@dataclass(frozen=True)
class FindFirings:
    """Where a head attends most in held-out text. Answer: `Firings`."""

    head: HeadRef
    lane: Lane = "sweep"


@dataclass(frozen=True)
class ExplainAttention:
    """One attention score as a sum over (query part, key part). Answer: `AttentionSplit`."""

    prompt: Prompt
    head: HeadRef
    query: int
    key: int
    interventions: tuple[Intervention, ...] = ()
    lane: Lane = "run"


@dataclass(frozen=True)
class ExplainPrediction:
    """One logit after `position` (None: the last token) as a sum over components, and layer by layer.

    `token` and `against` are texts of single tokens: whose logit (None: the best guess), and less whose (None: less
    the mean of all logits). `head`: whose part is split by source token (None: the head that adds most).
    Answer: `PredictionSplit`.
    """

    prompt: Prompt
    position: int | None = None
    token: str | None = None
    against: str | None = None
    head: HeadRef | None = None
    interventions: tuple[Intervention, ...] = ()
    lane: Lane = "run"


@dataclass(frozen=True)
class ExamineVirtualHead:
    """Two heads as one: the product of their patterns on a prompt, and of their OV circuits. Answer: `VirtualHead`."""

    prompt: Prompt
    writer: HeadRef
    reader: HeadRef
    interventions: tuple[Intervention, ...] = ()
    lane: Lane = "run"


@dataclass(frozen=True)
class PatchPair:
    """Exact path patching of one pair by queries, keys and values, on a prompt. Answer: `PathProof`.

    `other` is the corrupt prompt, of as many tokens; None: random tokens stand where the last one stood before.
    """

    prompt: Prompt
    writer: HeadRef
    reader: HeadRef
    other: Prompt | None = None
    destination: int | None = None
    interventions: tuple[Intervention, ...] = ()
    lane: Lane = "sweep"


@dataclass(frozen=True)
class SweepHeads:
    """Every head (and MLP) removed one at a time: what that does to a token after `position`. Answer: `HeadSweep`.

    `token` None: the best guess there with `interventions` alone in force, which stay so.
    """

    prompt: Prompt
    position: int | None = None
    token: str | None = None
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


@dataclass(frozen=True)
class ReadFilm:
    """The curves of a model's training and of the runs beside it. Answer: `FilmCurves`.

    `checkpoints`: how many it is known to have; a film that has grown is another question.
    """

    name: str
    checkpoints: int = 0
    lane: Lane = "sweep"


Request = (
    LoadModel
    | Analyze
    | ExamineHead
    | Compare
    | ObserveBehaviour
    | ScoreHeads
    | MeasureComposition
    | TraceCircuit
    | StudyHead
    | FindFirings
    | ExplainAttention
    | ExplainPrediction
    | ExamineVirtualHead
    | PatchPair
    | SweepHeads
    | Judge
    | WalkThrough
    | RunExperiment
    | ReadFilm
)
