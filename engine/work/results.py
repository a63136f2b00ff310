"""What the engine answers: frozen values with read-only numpy arrays; tensors never leave the engine. No
torch, no Qt.

A number that is not defined or not measured is None, or NaN inside an array; never a made-up value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.circuits.interventions.values import Intervention
from engine.circuits.verdict import (
    Verdict as Verdict,
)
from engine.circuits.walk import (
    Walk as Walk,
)
from engine.circuits.walk_steps import (
    Step as Step,
)
from engine.circuits.walk_steps import (
    steps as steps,
)  # re-exported: the window enters the engine by this file
from engine.model.config import HeadRef
from engine.model.library import (
    ModelInfo as ModelInfo,
)  # re-exported: the window enters the engine by this file
from engine.work.circuit_results import CircuitAnswer
from engine.work.experiments.catalogue import GALLERY as GALLERY
from engine.work.experiments.catalogue import Report as Report
from engine.work.film_curves import FilmCurves as FilmCurves
from engine.work.requests import Prompt, Request, removed


@dataclass(frozen=True)
class Token:
    """One token of the prompt. Characters that span tokens stand in their first token, the others have text
    "".
    """

    position: int
    id: int
    text: str


@dataclass(frozen=True)
class Prediction:
    """One candidate for the next token."""

    id: int
    text: str
    probability: float
    logit: float


@dataclass(frozen=True)
class MatcherGuess:
    """What a literal matcher would say: a token that followed an earlier copy of the last one, and how often."""

    id: int
    text: str
    count: int
    sources: tuple[int, ...]


@dataclass(frozen=True)
class Analysis:
    """One run of one prompt.

    patterns (L, H, T, T) float16, destination rows and source columns, softmax over sources; None where the memory
    budget has no room for them: `HeadDetail` has those of one head.
    losses (T) nats for the token at each position given those before; NaN at position 0.
    log_chances (V) float32: the log-probability of every token as the next one.
    position_predictions: for every position the most probable next token.
    thumbnails (L, H, S, S) uint8, attention 0-1 as 0-255 with gamma 0.7, max-pooled when S < T;
    thumbnails_without_first: the same with source 0 left out.
    stripe (T, T) bool: sources that follow an earlier copy of the destination's token.
    """

    model: ModelInfo
    prompt: Prompt
    tokens: tuple[Token, ...]
    losses: NDArray[np.float32]
    log_chances: NDArray[np.float32]
    predictions: tuple[Prediction, ...]
    position_predictions: tuple[Prediction, ...]
    matcher: tuple[MatcherGuess, ...]
    patterns: NDArray[np.float16] | None
    thumbnails: NDArray[np.uint8]
    thumbnails_without_first: NDArray[np.uint8]
    stripe: NDArray[np.bool_]
    interventions: tuple[Intervention, ...] = ()
    notice: str | None = None

    def chance_of(self, token: int) -> float:
        """The probability of this token as the next one."""
        return float(np.exp(self.log_chances[token]))

    @property
    def ablated(self) -> tuple[HeadRef, ...]:
        """The heads that took no part in the run."""
        return removed(self.interventions)


@dataclass(frozen=True)
class HeadDetail:
    """One head on one prompt: pattern and scores (T, T) float32; scores are q.k/sqrt(d_head), NaN above the
    diagonal.
    """

    head: HeadRef
    prompt: Prompt
    pattern: NDArray[np.float32]
    scores: NDArray[np.float32]
    interventions: tuple[Intervention, ...] = ()

    def belongs_to(self, analysis: Analysis) -> bool:
        """Whether it is of the same run."""
        return (self.prompt, self.interventions) == (analysis.prompt, analysis.interventions)


@dataclass(frozen=True)
class Comparison:
    """Two prompts in one model.

    aligned: (position in the first, position in the second) of tokens that stand for one another.
    moved (L, H) float64: how much of its attention a head moves, total variation distance, mean over the aligned
    destinations from the first change on; NaN where there is none.
    thumbnails (L, H, S, S) uint8: first minus second, 128 no difference, gamma 0.7 either way, the largest of a block.
    first_scores, second_scores: every head on either prompt, of its own eligible rows.
    """

    first: Analysis
    second: Analysis
    aligned: tuple[tuple[int, int], ...]
    moved: NDArray[np.float64]
    thumbnails: NDArray[np.uint8]
    first_scores: tuple[HeadScores, ...]
    second_scores: tuple[HeadScores, ...]

    def difference(self, first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float32]:
        """A head's patterns (T, T) on the first and on the second prompt to their difference, (T, T) of the first.

        NaN where a destination or a source has no partner.
        """
        result = np.full(first.shape, np.nan, dtype=np.float32)
        ours, theirs = np.array(self.aligned, dtype=np.intp).reshape(-1, 2).T
        result[np.ix_(ours, ours)] = first[np.ix_(ours, ours)].astype(np.float32) - second[np.ix_(theirs, theirs)]
        return result


@dataclass(frozen=True)
class HeadScores:
    """The scores of one head (science: Olsson et al. 2022, Elhage et al. 2021); None where not defined or not
    measured.

    `n_rows` is the number of eligible rows of the strict induction score and `chance` what uniform attention
    gives on them.
    """

    layer: int
    head: int
    previous_token: float | None = None
    duplicate_token: float | None = None
    induction: float | None = None
    induction_se: float | None = None
    induction_control: float | None = None
    chance: float | None = None
    n_rows: int = 0
    rank: int | None = None
    olsson_prefix: float | None = None
    olsson_copying: float | None = None
    tl_diagonal: float | None = None
    tl_mul: float | None = None
    first_token: float | None = None
    entropy: float | None = None
    copying_eigenvalue: float | None = None
    ov_top1: float | None = None
    ov_top5: float | None = None
    ablation_delta_loss: float | None = None

    @property
    def ref(self) -> HeadRef:
        return HeadRef(self.layer, self.head)


@dataclass(frozen=True)
class RoleScores:
    """Every head on random repeats: BOS + `length` distinct tokens twice, `samples` draws.

    copy_loss_first/second: mean nats per token of the first and of the second copy (without its first token).
    losses: nats at each position, mean over samples; NaN at position 0.
    `complete` is False while removals are still being measured (partial result).
    """

    model_hash: str
    length: int
    samples: int
    seed: int
    heads: tuple[HeadScores, ...]
    copy_loss_first: float
    copy_loss_second: float
    losses: tuple[float, ...] = ()
    complete: bool = True


@dataclass(frozen=True)
class Behaviour:
    """What happened at one position of the prompt, in numbers a sentence can be made of.

    `earlier`: positions < destination with the same token. `head`, `source`, `attention`: the head which
    attends most to a token that followed an earlier copy, that place and the weight there (None when there is
    no earlier copy). `probability` is that of the source's token as next token, `probability_without` the
    same with the head removed (zero), `best` the model's own best guess; `scores`: head scores on this prompt
    (eligible rows only).
    """

    prompt: Prompt
    destination: int
    earlier: tuple[int, ...]
    head: HeadRef | None
    source: int | None
    attention: float | None
    probability: float | None
    probability_without: float | None
    best: Prediction
    scores: tuple[HeadScores, ...]


@dataclass(frozen=True)
class Failure:
    """Why a request has no answer: one line for the user, one line on what to do, and the details to copy."""

    title: str
    hint: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Progress:
    """A job on its way: `done` of `total` steps (total 0: unknown), a word on what is being done, a partial answer."""

    id: int
    done: int
    total: int
    what: str
    partial: Any = None


Answer = (
    ModelInfo
    | Analysis
    | HeadDetail
    | Comparison
    | Behaviour
    | RoleScores
    | CircuitAnswer
    | Verdict
    | Walk
    | Report
    | FilmCurves
)


@dataclass(frozen=True)
class Finished:
    """The one end of a request: an answer, a failure, or neither when it was cancelled or replaced."""

    id: int
    request: Request
    answer: Answer | None = None
    failure: Failure | None = None
    seconds: float = 0.0
