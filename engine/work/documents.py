"""Results as the plain documents of the headless twin: its names and fields are a contract, nothing
else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from engine.model.config import ModelConfig
from engine.work.results import Analysis, Comparison, HeadScores, ModelInfo, Report, Walk, steps

if TYPE_CHECKING:  # `models` must answer without loading torch
    from torch import Tensor

    from engine.circuits.attribution.logit_attribution import Attribution
    from engine.circuits.attribution.logit_lens import LensLayer
    from engine.circuits.attribution.path_expansion import PathExpansion
    from engine.circuits.verdict import Criterion, Verdict
    from engine.circuits.weights.composition_edges import Edge
    from engine.model.tokenizer import Tokenizer
    from engine.work.jobs.causes import Causes
    from engine.work.jobs.circuits import HeadCircuits
    from engine.work.jobs.explanation import Looking, NoteRead
    from engine.work.jobs.patching import Patched


def listed(info: ModelInfo) -> dict[str, Any]:
    """One line of `models`."""
    names = ("name", "kind", "layers", "heads", "parameters", "context", "path", "licence")
    return {name: getattr(info, name) for name in names}


def model(info: ModelInfo, config: ModelConfig) -> dict[str, Any]:
    return {
        "name": info.name,
        "architecture": "attention and MLP" if config.d_mlp else "attention-only",
        "layers": info.layers,
        "heads": info.heads,
        "d_model": info.d_model,
        "d_head": info.d_head,
        "vocabulary": info.vocabulary,
        "positions": info.positions,
        "hash": info.hash,
    }


def run(analysis: Analysis) -> dict[str, Any]:
    """Tokens, losses and predictions of one run."""
    return {
        "tokens": [{"position": token.position, "id": token.id, "text": token.text} for token in analysis.tokens],
        "predictions": [asdict(prediction) for prediction in analysis.predictions],
        "loss": analysis.losses.tolist(),
    }


def in_context(losses: Sequence[float] | NDArray[np.float32]) -> dict[str, float | None]:
    """How much later tokens are foretold better than early ones, in nats; negative means that context helps."""
    import torch

    from engine.circuits.scores.losses import in_context as compared  # here, so that listing models needs no torch

    score = compared(torch.as_tensor(np.asarray(losses, dtype=np.float64)))
    fields = {name: float(getattr(score, name)) for name in ("early", "late", "late_minus_early")}
    return {name: value if math.isfinite(value) else None for name, value in fields.items()}


def heads(scores: Sequence[HeadScores]) -> list[dict[str, Any]]:
    return [asdict(score) for score in scores]


def edges(found: Sequence[Edge]) -> list[dict[str, Any]]:
    return [edge.row() for edge in found]


def attribution(found: Attribution) -> list[dict[str, Any]]:
    """Contributions to one logit, which they sum to; every bias, wherever it joins, is one row."""
    columns = zip(found.names, found.values[:, -1].tolist(), strict=True)
    rows = {name: value for name, value in columns if not name.startswith("bias")}
    biases = found.values[[name.startswith("bias") for name in found.names], -1]
    rows |= {"bias": float(biases.sum()), "remainder": float(found.remainder[-1])}
    return [{"component": name, "logit": value} for name, value in rows.items()]


def lens(layers: Sequence[LensLayer], tokenizer: Tokenizer) -> list[dict[str, Any]]:
    """What the stream would predict before each layer; the last row is the model's own prediction."""
    return [
        {
            "layer": found.layer,
            "logit": float(found.logits[0, 0]),
            "rank": int(found.ranks[0, 0]),
            "best": [token(tokenizer, number) for number in found.top[0].tolist()],
        }
        for found in layers
    ]


def paths(found: PathExpansion, count: int = 50) -> dict[str, Any]:
    """The strongest paths to one logit, for or against, and what all the others add up to."""
    terms = found.terms[:, 0]
    order = terms.abs().argsort(descending=True, stable=True)
    rows = [
        {
            "source": found.sources[place],
            "heads": [str(head) for head in found.paths[place]],
            "logit": float(terms[place]),
        }
        for place in order[:count].tolist()
    ]
    others = float(terms[order[count:]].sum())
    return {"paths": rows, "others": others, "remainder": float(found.remainder[0]), "logit": float(found.measured[0])}


def looking(found: Looking, tokenizer: Tokenizer, count: int = 30) -> dict[str, Any]:
    """One cell of a pattern: its score split by sources, and the note that the key carries."""
    split = found.split
    return {
        "head": str(found.head),
        "query": found.query,
        "key": found.key,
        "weight": found.weight,
        "score": split.measured,
        "centred_score": float(split.centred.sum()),
        "remainder": split.remainder,
        "terms": [term._asdict() for term in split.ranked(count)],
        "note": None if found.note is None else _note(found.note, tokenizer),
    }


def _note(read: NoteRead, tokenizer: Tokenizer) -> dict[str, Any]:
    note, named = read.note, read.by_match.best
    origins = note.parts._asdict().items()
    return {
        "head": str(note.head),
        "position": note.position,
        "norm": note.norm,
        "norm_before": note.norm_before,
        "norm_after": note.norm_after,
        "projection": note.projection,
        "shares": {name: note.share(part) for name, part in origins},
        "expected": token(tokenizer, read.expected),
        "names": None if named is None else token(tokenizer, named),
        "rank": read.by_match.rank(read.expected),
        "rank_by_likeness": read.by_likeness.rank(read.expected),
        "likeness": number(float(read.by_likeness.scores[read.expected])),
    }


def circuit(found: HeadCircuits, tokenizer: Tokenizer, count: int = 5) -> dict[str, Any]:
    """One head from weights alone."""
    directions = found.directions

    def loudest(vector: Tensor) -> list[str]:
        return [tokenizer.token_text(place) for place in vector.topk(min(count, len(vector))).indices.tolist()]

    return {
        "layer": found.head.layer,
        "head": found.head.head,
        "identity_cosine": found.identity_cosine,
        "identity_ceiling": found.identity_ceiling,
        "directions": [
            {"value": value, "reads": loudest(directions.left[:, place]), "writes": loudest(directions.right[:, place])}
            for place, value in enumerate(directions.values.tolist())
        ],
        "positional_previous": found.positional_previous,
        "key_writer": None if found.key_writer is None else str(found.key_writer),
        "key_copying": found.key_copying,
    }


def causes(found: Causes) -> dict[str, Any]:
    """Causal tests between the heads that play the two parts of the circuit."""
    return {
        "previous_token": [str(head) for head in found.previous],
        "induction": [str(head) for head in found.induction],
        "tests": [
            {
                "test": outcome.test,
                "heads": [str(head) for head in outcome.heads],
                "measure": outcome.measure,
                "mean": number(outcome.mean),
                "error": number(outcome.error),
                "low": number(outcome.low),
                "high": number(outcome.high),
                "n": outcome.n,
            }
            for outcome in found.outcomes
        ],
    }


def verdict(found: Verdict) -> dict[str, Any]:
    """The verdict as it was agreed on: names, values, thresholds. What is undecided has not passed."""
    measured = found.measured
    roles = {"previous_token": measured.previous, "induction": measured.induction}
    roles["duplicate_token"] = measured.duplicate
    return {
        "scope": found.scope,
        "mechanism": found.mechanism,
        "heads": {role: [str(head) for head in heads] for role, heads in roles.items()},
        "criteria": [
            {"name": one.name, "value": one.value, "threshold": one.threshold, "passed": one.passed}
            for one in found.criteria
        ],
        "against": list(found.against),
    }


def verdict_details(found: Verdict) -> list[dict[str, Any]]:
    """The same criteria with what each asks, its interval and how it came out."""
    return [_criterion(one) for one in found.criteria]


def _criterion(one: Criterion) -> dict[str, Any]:
    rule = one.rule
    return {
        "name": one.name,
        "question": rule.question,
        "what": rule.what,
        "needed": rule.needed,
        "bound": "at least" if rule.at_least else "at most",
        "low": one.low,
        "high": one.high,
        "n": one.n,
        "state": one.state,
    }


def walk(found: Walk) -> dict[str, Any]:
    """The walk through the two-head circuit: its steps as sentences with their evidence, up to the first that fails."""
    return {
        "query": found.query,
        "copy": found.k if found.copies else None,
        "copies": list(found.copies),
        "route": found.route,
        "steps": [
            {
                "name": step.name,
                "holds": step.holds,
                "sentence": step.sentence,
                "positions": list(step.places),
                "heads": [str(head) for head in step.heads],
                "evidence": [
                    {"what": row.what, "value": None if row.value is None else number(float(row.value)), "of": row.of}
                    for row in step.evidence
                ],
                "offer": step.offer or None,
            }
            for step in steps(found)
        ],
    }


def report(found: Report) -> dict[str, Any]:
    """One experiment of the gallery: what was asked and foretold, and what came of it."""
    asked = found.experiment
    return {
        "name": asked.name,
        "question": asked.question,
        "prediction": asked.prediction,
        "controls": asked.controls,
        "example": asked.example,
        "seed": found.seed,
        "heads": [str(head) for head in found.heads],
        "measures": [
            {**asdict(one), "mean": number(one.mean), "low": number(one.low), "high": number(one.high)}
            for one in found.measures
        ],
        "held": found.held,
        "finding": found.finding,
    }


def comparison(found: Comparison) -> dict[str, Any]:
    """What changes from one prompt to the other: tokens, predictions, and how far every head moves its attention."""
    ids = dict.fromkeys(guess.id for side in (found.first, found.second) for guess in side.predictions)
    texts = {guess.id: guess.text for side in (found.first, found.second) for guess in side.predictions}
    return {
        "corrupt": run(found.second),
        "aligned": [list(pair) for pair in found.aligned],
        "chances": [
            {
                "id": each,
                "text": texts[each],
                "first": found.first.chance_of(each),
                "second": found.second.chance_of(each),
            }
            for each in ids
        ],
        "heads": [
            {
                "layer": first.layer,
                "head": first.head,
                "moved": number(float(found.moved[first.layer, first.head])),
                "first": asdict(first),
                "second": asdict(second),
            }
            for first, second in zip(found.first_scores, found.second_scores, strict=True)
        ],
    }


def patching(found: Patched, tokenizer: Tokenizer) -> dict[str, Any]:
    """Effects on the lead of one token over another, activation by activation and path by path."""

    def effects(values: tuple[float, ...]) -> dict[str, float | None]:
        denoising, noising = map(number, values)
        return {"denoising": denoising, "noising": noising}

    return {
        "corrupt": [token(tokenizer, each) for each in found.corrupt_ids],
        "differs": list(found.differs),
        "right": token(tokenizer, found.right),
        "wrong": token(tokenizer, found.wrong),
        "lead_clean": found.clean,
        "lead_corrupt": found.corrupt,
        "activations": [{**site._asdict(), **effects(values)} for site, values in found.activations.items()],
        "direct_paths": [{"from": str(sender), **effects(values)} for sender, values in found.direct.items()],
    }


def token(tokenizer: Tokenizer, number: int) -> dict[str, Any]:
    return {"id": number, "text": tokenizer.token_text(number)}


def number(value: float) -> float | None:
    return value if math.isfinite(value) else None
