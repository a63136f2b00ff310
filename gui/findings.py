"""What the engine has answered, as far as it is about what is shown. Plain values; the state holds one of these."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.model.config import HeadRef
from engine.work.circuit_results import (
    AttentionSplit,
    Composition,
    Firings,
    HeadStudy,
    HeadSweep,
    PathProof,
    PredictionSplit,
    PromptCircuit,
    VirtualHead,
    belongs_to,
)
from engine.work.results import (
    Analysis,
    Behaviour,
    Comparison,
    Failure,
    FilmCurves,
    HeadDetail,
    ModelInfo,
    Report,
    RoleScores,
    Verdict,
    Walk,
)


@dataclass(frozen=True)
class Status:
    """A long job on its way; `total` 0 means that its length is unknown."""

    text: str = ""
    done: int = 0
    total: int = 0


@dataclass(frozen=True, eq=False)
class Findings:
    """What the engine answered: `baseline` with every head in place, `analysis` the run that is shown.

    `problem` says why the present prompt has no answer, `other_problem` why there is no comparison with the other; the
    last good run stays in sight meanwhile. `other_detail` is the examined head on the other prompt. `opened` is what
    was chosen when `model` was opened: a name, a file or a folder.
    """

    models: tuple[ModelInfo, ...] = ()
    model: ModelInfo | None = None
    opened: str = ""
    baseline: Analysis | None = None
    analysis: Analysis | None = None
    detail: HeadDetail | None = None
    comparison: Comparison | None = None
    other_detail: HeadDetail | None = None
    behaviour: Behaviour | None = None
    scores: RoleScores | None = None
    composition: Composition | None = None
    circuit: PromptCircuit | None = None
    proof: PathProof | None = None
    study: HeadStudy | None = None
    firings: Firings | None = None
    virtual: VirtualHead | None = None
    attention_split: AttentionSplit | None = None
    prediction_split: PredictionSplit | None = None
    baseline_split: PredictionSplit | None = None
    sweep: HeadSweep | None = None
    walk: Walk | None = None
    verdict: Verdict | None = None
    experiment: Report | None = None
    film: FilmCurves | None = None
    troubles: Mapping[str, Failure] = field(default_factory=dict)
    status: Status = Status()
    problem: Failure | None = None
    other_problem: Failure | None = None

    @property
    def fitting_scores(self) -> RoleScores | None:
        """The scores, if they are of the model whose run is in sight: while a model is changed they may not be."""
        if self.scores is None or self.analysis is None:
            return None
        return self.scores if self.scores.model_hash == self.analysis.model.hash else None

    def of_run(self, name: str) -> Any:
        """A panel's finding by its name, if it is about the run in sight; `baseline_split`: the same prompt's, without
        interventions."""
        found, shown = getattr(self, name), self.analysis
        if found is None or shown is None:
            return None
        interventions = () if name == "baseline_split" else shown.interventions
        return found if belongs_to(found, shown.prompt, interventions) else None

    def of_model(self, name: str) -> Any:
        """A panel's finding by its name, if it is about the model whose run is in sight."""
        found, shown = getattr(self, name), self.analysis
        return found if found is not None and shown is not None and found.model_hash == shown.model.hash else None

    @property
    def fitting_detail(self) -> HeadDetail | None:
        """The head examined last, if it was on the run in sight."""
        fits = self.detail is not None and self.analysis is not None and self.detail.belongs_to(self.analysis)
        return self.detail if fits else None

    @property
    def fitting_comparison(self) -> Comparison | None:
        """The comparison, if its first prompt is the run in sight."""
        found, shown = self.comparison, self.analysis
        if found is None or shown is None:
            return None
        return found if found.first is shown or _same_run(found.first, shown) else None

    def pattern_of(self, head: HeadRef) -> NDArray[Any] | None:
        """(T, T) of the run in sight; None where it was not kept and the head has not been examined yet."""
        return None if self.analysis is None else _pattern(head, self.analysis, self.detail)

    def difference_of(self, head: HeadRef) -> NDArray[np.float32] | None:
        """(T, T) of the run in sight minus the other prompt's, NaN without a partner; None as for `pattern_of`."""
        found = self.fitting_comparison
        if found is None:
            return None
        first, second = self.pattern_of(head), _pattern(head, found.second, self.other_detail)
        return None if first is None or second is None else found.difference(first, second)


def _pattern(head: HeadRef, analysis: Analysis, detail: HeadDetail | None) -> NDArray[Any] | None:
    if analysis.patterns is not None:
        return analysis.patterns[head.layer, head.head]
    examined = detail is not None and detail.head == head and detail.belongs_to(analysis)
    return detail.pattern if examined and detail is not None else None


def _same_run(first: Analysis, second: Analysis) -> bool:
    return (first.model, first.prompt, first.interventions) == (second.model, second.prompt, second.interventions)
