"""The page of one head: its circuits from weights on the tokens of a prompt, and what its removal does there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from engine.circuits.interventions.values import Ablate
from engine.circuits.weights.ovqk import full_ov, offset_scores, positional_pattern, token_embedding, token_scores
from engine.circuits.weights.view import Weights
from engine.model.config import HeadRef
from engine.model.transformer import Transformer
from engine.work.circuit_results import HeadStudy, TokenValue
from engine.work.jobs.analyze import analyze
from engine.work.jobs.explanation import Explainer
from engine.work.jobs.head_circuits import kind_of_embedding, ov_circuit
from engine.work.jobs.remembering import remembered
from engine.work.jobs.running import frozen
from engine.work.requests import Analyze, StudyHead
from engine.work.results import Analysis
from engine.work.state import EngineState
from engine.work.task import Task

MOST_PLACES = 64  # of positional attention and of offsets: more would be a picture of one diagonal


@remembered
def study_head(request: StudyHead, state: EngineState, task: Task) -> HeadStudy:
    """Raises PromptError for a prompt that cannot be read, ValueError for a head that does not exist."""
    opened = state.require()
    opened.model.config.require_heads((request.head,))
    return _studied(request, state, task)


def _studied(request: StudyHead, state: EngineState, task: Task) -> HeadStudy:
    opened, head = state.require(), request.head
    model = opened.model
    with_it = analyze(Analyze(request.prompt, request.interventions), state, task)
    without = analyze(Analyze(request.prompt, (*request.interventions, Ablate((head,)))), state, task)
    task.yield_point()
    explainer = Explainer(Analyze(request.prompt, request.interventions), state, task)
    embedding = token_embedding(model, kind_of_embedding(model), explainer.tokens[0])  # (T, d)
    best = with_it.predictions[0]
    return HeadStudy(
        prompt=request.prompt,
        head=head,
        interventions=request.interventions,
        ov=ov_circuit(full_ov(model, head), head, Weights(model).head(head).W_V, explainer),
        token_scores=frozen(token_scores(model, head, embedding)),
        positional=_positional(model, head),
        by_offset=_by_offset(model, head, embedding),
        embedding=kind_of_embedding(model),
        best=TokenValue(best.id, best.text, best.probability),
        chance_without=without.chance_of(best.id),
        loss_rise=_loss(without, with_it),
    )


def _loss(without: Analysis, with_it: Analysis) -> float | None:
    if len(with_it.tokens) < 2:
        return None
    return float(np.nanmean(without.losses) - np.nanmean(with_it.losses))


def _positional(model: Transformer, head: HeadRef) -> NDArray[np.float32] | None:
    if model.config.positions not in ("absolute", "shortformer"):
        return None
    return frozen(positional_pattern(model, head, min(MOST_PLACES, model.config.context)))


def _by_offset(model: Transformer, head: HeadRef, embedding: Tensor) -> NDArray[np.float32] | None:
    if model.config.positions not in ("rotary", "alibi"):
        return None
    return frozen(offset_scores(model, head, embedding, min(MOST_PLACES, model.config.context)))
