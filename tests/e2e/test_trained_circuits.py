"""The circuit of the models that ship, as committed, never trained here (V30).

Two scales: in `default` two heads do nearly all previous-token attention; in the small `instant` heads share the job.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
import torch

from engine.circuits.evidence import Outcome
from engine.circuits.patching.moved_note import moved_note
from engine.circuits.weights.composition import scan
from engine.circuits.weights.composition_edges import merged
from engine.circuits.weights.view import Weights
from engine.model.config import HeadRef
from engine.model.library import SHIPPED
from engine.work.jobs.causes import Causes, find_causes
from engine.work.jobs.judge import judged
from engine.work.jobs.load import load_model
from engine.work.jobs.reading import repeat_rows
from engine.work.jobs.score_heads import score_heads
from engine.work.recent import RecentRuns
from engine.work.requests import Judge, LoadModel, ScoreHeads
from engine.work.results import RoleScores
from engine.work.state import EngineState
from engine.work.task import Task

INSTANT = ("instant", *(f"instant-seed-{seed}" for seed in range(1, 5)))
ABSOLUTE = ("absolute", *(f"absolute-seed-{seed}" for seed in range(1, 5)))
TRAINED = ("default", *INSTANT)


@cache
def opened(name: str) -> EngineState:
    state = EngineState(None, RecentRuns())
    load_model(LoadModel(name), state, Task())
    return state


@cache
def measured(name: str) -> tuple[RoleScores, Causes]:
    with torch.inference_mode():
        scores = score_heads(ScoreHeads(length=20, samples=8, seed=1), opened(name), Task())
        return scores, find_causes(scores, None, opened(name), Task())


def outcome(name: str, test: str, measure: str = "induction", heads: tuple[HeadRef, ...] | None = None) -> Outcome:
    """The one outcome of a test; of ablations, the one of all previous-token heads."""
    causes = measured(name)[1]
    wanted = heads or (causes.previous if test == "ablate" else None)
    found = [one for one in causes.outcomes if (one.test, one.measure) == (test, measure)]
    return next(one for one in found if wanted is None or one.heads == wanted)


@pytest.mark.parametrize(("name", "previous", "induction"), [("default", 0.9, 0.9), *((n, 0.6, 0.6) for n in INSTANT)])
def test_that_both_kinds_of_head_are_there(name: str, previous: float, induction: float) -> None:
    scores, causes = measured(name)
    assert max(head.previous_token or 0.0 for head in scores.heads) >= previous
    assert max(head.induction or 0.0 for head in scores.heads) >= induction
    assert max(head.induction_control or 0.0 for head in scores.heads if head.ref in causes.induction) < 0.05
    assert {head.layer for head in causes.previous} == {0}
    assert {head.layer for head in causes.induction} == {1}
    assert scores.copy_loss_second < 0.2 * scores.copy_loss_first


@pytest.mark.parametrize("name", TRAINED)
def test_that_a_previous_token_and_an_induction_head_compose_most_and_through_keys(name: str) -> None:
    with torch.inference_mode():
        kinds = merged(scores for block in scan(Weights(opened(name).require().model)) for scores in block)
    best = {kind: kinds[kind].edges(top=1)[0] for kind in kinds}
    scores, causes = measured(name)
    assert best["k"].writer in [head.ref for head in scores.heads if (head.previous_token or 0.0) >= 0.3]
    assert best["k"].reader in causes.induction
    own = {kind: kinds[kind].fraction[_place(best["k"].writer), _place(best["k"].reader)] for kind in ("q", "v")}
    assert best["k"].fraction is not None
    assert best["k"].fraction > 1.5 * max(float(fraction) for fraction in own.values())
    assert best["k"].fraction > max(best[kind].fraction or 0.0 for kind in ("q", "v"))


@pytest.mark.parametrize("name", TRAINED)
def test_that_induction_needs_the_previous_token_heads(name: str) -> None:
    base = outcome(name, "nothing").mean
    assert outcome(name, "ablate").mean < 0.25 * base
    assert outcome(name, "ablate", "copy_loss").mean > 5 * outcome(name, "nothing", "copy_loss").mean


@pytest.mark.parametrize("name", ["default", "instant", "instant-seed-3"])
def test_that_as_many_other_heads_matter_less(name: str) -> None:
    """In the other seeds both heads below are previous-token heads, and no others are left to compare with."""
    others = [
        one.mean for one in measured(name)[1].outcomes if (one.test, one.measure) == ("ablate_others", "induction")
    ]
    assert others
    assert min(others) > 3 * outcome(name, "ablate").mean
    if name == "default":
        assert min(others) > 0.25 * outcome(name, "nothing").mean


@pytest.mark.parametrize("name", TRAINED)
def test_that_the_note_goes_through_keys_and_neither_queries_nor_values(name: str) -> None:
    """Noising and denoising; where one head of two is tested, the other carries a part."""
    assert outcome(name, "noising_k", "normalised_induction").mean < (0.05 if name == "default" else 0.5)
    assert outcome(name, "denoising_k", "normalised_induction").mean > (0.8 if name == "default" else 0.25)
    if name == "default":
        assert outcome(name, "noising_k_others", "normalised_induction").mean > 0.8
    for part in "qv":
        assert outcome(name, f"noising_{part}", "normalised_induction").mean == pytest.approx(1.0, abs=0.02)
        assert outcome(name, f"denoising_{part}", "normalised_induction").mean == pytest.approx(0.0, abs=0.02)


def test_that_the_defaults_stripe_goes_where_the_previous_token_pattern_is_forced() -> None:
    base = outcome("default", "nothing").mean
    assert outcome("default", "force_previous").mean >= 0.9 * base
    assert outcome("default", "force_offset_2").mean < 0.05 * base
    assert outcome("default", "force_offset_2", "induction_one_on").mean >= 0.9 * base
    assert outcome("default", "force_random").mean < 0.1 * base


def test_that_the_defaults_attention_follows_its_note() -> None:
    for head in measured("default")[1].induction:
        in_place = outcome("default", "note_in_place", "attention_k1", (head,)).mean
        assert in_place > 0.75
        assert outcome("default", "note_moved_on", "attention_k1", (head,)).mean < 0.05
        assert outcome("default", "note_moved_on", "attention_k2", (head,)).mean > 0.75 * in_place
        assert outcome("default", "note_moved_back", "attention_k", (head,)).mean > 0.75 * in_place
        assert outcome("default", "others_moved_on", "attention_k1", (head,)).mean > 0.8 * in_place


def test_that_the_defaults_prediction_follows_the_note_when_all_three_heads_read_it_moved() -> None:
    causes = measured("default")[1]
    state = opened("default").require()
    with torch.inference_mode():
        tokens = repeat_rows(state, 40, 16, 0, None)
        query = tokens.shape[1] - 21
        main = HeadRef(1, 1)
        found = moved_note(state.model, tokens, causes.previous, main, query - 40, query, together=causes.induction)
        alone = moved_note(state.model, tokens, causes.previous, main, query - 40, query)
    assert torch.equal(found.top_before, tokens[:, query - 39])
    assert torch.equal(found.top_after, tokens[:, query - 38])
    assert (alone.top_after == tokens[:, query - 38]).double().mean() < 0.5


@pytest.mark.parametrize("name", ABSOLUTE)
def test_that_the_contrast_composes_through_keys_though_it_could_point(name: str) -> None:
    with torch.inference_mode():
        verdict = judged(Judge(), opened(name), Task())
    assert verdict.mechanism == ("unclear" if name == "absolute-seed-4" else "k-composition")
    assert verdict.criterion("k_noising").state == verdict.criterion("k_denoising").state == "passed"
    assert verdict.measured.duplicate == ()


@pytest.mark.parametrize("name", TRAINED)
def test_that_copying_comes_suddenly(name: str) -> None:
    """From 10 % to 50 % of a repeat copied within a fifth of the training; curves as committed with the model."""
    card: dict[str, Any] = json.loads((SHIPPED / name / "card.json").read_text(encoding="utf-8"))
    steps = {bound: next(r["step"] for r in card["curves"] if r["repeat_accuracy"] >= bound) for bound in (0.1, 0.5)}
    assert 0 <= steps[0.5] - steps[0.1] <= 0.2 * card["steps"]


@pytest.mark.parametrize(
    "name", ["default-1-layer", "instant-1-layer", *(f"instant-1-layer-seed-{n}" for n in range(1, 5))]
)
def test_that_one_layer_forms_no_circuit(name: str) -> None:
    scores, causes = measured(name)
    assert (causes.induction, causes.outcomes) == ((), ())
    assert max(head.induction or 0.0 for head in scores.heads) < 0.12


def _place(node: object) -> int:
    assert isinstance(node, HeadRef)
    return node.head
