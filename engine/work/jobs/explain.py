"""Why a head looks where it looks, and why a token is predicted: one run of the prompt, split exactly."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from engine.circuits.attribution.logit_attribution import Target
from engine.circuits.attribution.score_split import CellSplit
from engine.work.circuit_results import AttentionSplit, LensRow, NoteFound, PredictionSplit, TokenValue
from engine.work.jobs.explanation import Explainer, NoteRead, Predicted
from engine.work.jobs.reading import token_id
from engine.work.jobs.remembering import remembered
from engine.work.jobs.running import frozen
from engine.work.requests import Analyze, ExplainAttention, ExplainPrediction
from engine.work.state import EngineState
from engine.work.task import Task

MOST_SOURCES = 60  # beyond that a map of terms is merged by layer


@remembered
def explain_attention(request: ExplainAttention, state: EngineState, task: Task) -> AttentionSplit:
    """Raises PromptError for a prompt that cannot be read, ValueError for a head or a cell that does not exist."""
    explainer = Explainer(Analyze(request.prompt, request.interventions), state, task)
    found = explainer.attention(request.head, request.query, request.key, MOST_SOURCES)
    split = found.split
    return AttentionSplit(
        prompt=request.prompt,
        interventions=request.interventions,
        head=request.head,
        query=request.query,
        key=request.key,
        weight=found.weight,
        names=split.names,
        terms=frozen(split.terms.double()),
        centred=frozen(split.centred.double()),
        measured=split.measured,
        remainder=split.remainder,
        merged=found.merged,
        note=None if found.note is None else _note(found.note, split, explainer),
    )


def _note(read: NoteRead, split: CellSplit, explainer: Explainer) -> NoteFound:
    note, named = read.note, read.by_match.best
    likeness = read.by_likeness.scores[read.expected]
    return NoteFound(
        writer=note.head,
        share=read.share,
        expected=_token(read.expected, float(likeness.nan_to_num(0.0)), explainer),
        names=None if named is None else _token(named, float(read.by_match.scores[named]), explainer),
        rank=read.by_match.rank(read.expected),
        rank_by_likeness=read.by_likeness.rank(read.expected),
        norm=note.norm,
        norm_before=note.norm_before,
    )


@remembered
def explain_prediction(request: ExplainPrediction, state: EngineState, task: Task) -> PredictionSplit:
    """Raises PromptError for a prompt or a token that cannot be read, ValueError for a place or head that is not
    there."""
    return _explained(request, state, task)


def _explained(request: ExplainPrediction, state: EngineState, task: Task) -> PredictionSplit:
    explainer = Explainer(Analyze(request.prompt, request.interventions), state, task)
    asked, against = (
        None if text is None else token_id(text, explainer.opened.tokenizer)
        for text in (request.token, request.against)
    )
    place = explainer.place(request.position)
    found = explainer.predicted(place, asked, "mean" if against is None else against)
    if asked is not None and asked == against:
        raise ValueError("a token's lead over itself is always 0: choose another to compare with")
    head = found.strongest if request.head is None else request.head
    target = Target(found.token, "mean" if against is None else against)
    return PredictionSplit(
        prompt=request.prompt,
        interventions=request.interventions,
        position=place,
        token=_token(found.token, found.chance(found.token), explainer),
        against=None if against is None else _token(against, found.chance(against), explainer),
        names=found.attribution.names,
        values=frozen(found.attribution.values[:, place].double()),
        measured=float(found.attribution.measured[place]),
        remainder=float(found.attribution.remainder[place]),
        head=head,
        by_source=frozen(torch.tensor(explainer.by_source(head, target, place), dtype=torch.float64)),
        lens=_lens(found, explainer),
    )


def _lens(found: Predicted, explainer: Explainer) -> tuple[LensRow, ...]:
    rows: Sequence[LensRow] = [
        LensRow(
            layer=layer.layer,
            logit=float(layer.logits[0, 0] - layer.mean[0]),
            rank=int(layer.ranks[0, 0]),
            chance=float((layer.logits[0, 0] - layer.log_total[0]).exp()),
            best=_token(int(layer.top[0, 0]), float((layer.top_logits[0, 0] - layer.log_total[0]).exp()), explainer),
        )
        for layer in found.lens
    ]
    return tuple(rows)


def _token(number: int, value: float, explainer: Explainer) -> TokenValue:
    return TokenValue(number, explainer.opened.tokenizer.token_text(number), value)
