"""Paths sum to the logits, and each is what it says it is (V5, V20)."""

from __future__ import annotations

import pytest
import torch

from engine.circuits import budget
from engine.circuits.attribution.path_expansion import PathExpansion, expand
from engine.circuits.interventions.ablation import tap_for
from engine.circuits.interventions.values import Ablate
from engine.model.config import HeadRef
from engine.model.handbuilt import k_composition, v_composition
from tests.engine.shapes import random_model, random_tokens

BIASED = {"attention_bias": True, "output_bias": True}


@pytest.mark.parametrize("kind", ["absolute-bare", "shortformer-bare", "alibi-bare"])
@pytest.mark.parametrize("changes", [{}, BIASED, {"layers": 3, "kv_heads": 2}])
def test_that_all_paths_sum_to_the_logits(kind: str, changes: dict[str, object]) -> None:  # V5
    model = random_model(kind, **changes)
    tokens, targets = random_tokens(model, rows=1), torch.arange(model.config.vocabulary)
    found = expand(model, tokens, 9, targets)
    torch.testing.assert_close(found.terms.sum(0), model(tokens)[0, 9], rtol=0, atol=1e-9)
    assert found.remainder.abs().max() < 1e-9
    starts = found.sources.count("embed")
    assert starts == 5**model.config.layers
    assert len(set(zip(found.sources, found.paths, strict=True))) == len(found.paths)


def test_that_an_intervention_keeps_the_sum_exact() -> None:
    model = random_model("absolute-bare")
    tokens = random_tokens(model, rows=1)
    without = tap_for(model, tokens, [Ablate((HeadRef(1, 2),))])
    found = expand(model, tokens, 5, torch.arange(19), without)
    removed = found.containing(HeadRef(1, 2))  # its patterns are there, what it writes is not: z is zeroed, not W_OV
    torch.testing.assert_close(found.remainder, -removed, rtol=0, atol=1e-9)


def test_that_the_third_toy_is_one_virtual_head() -> None:
    model = v_composition().double()
    tokens = torch.tensor([[0, 1, 2, 3, 4]])
    found = expand(model, tokens, 4, torch.arange(12))
    right = {path: float(term[2]) for source, path, term in _rows(found) if source == "embed"}  # two places back
    assert right[(HeadRef(0, 0), HeadRef(1, 0))] == pytest.approx(12, abs=1e-6)
    assert sum(abs(value) for path, value in right.items() if len(path) < 2) == 0


def test_that_copying_is_one_first_order_path() -> None:
    found = expand(k_composition().double(), torch.tensor([[0, 1, 2, 3, 1]]), 4, torch.tensor([2]))
    terms = {(source, path): float(term[0]) for source, path, term in _rows(found)}
    assert terms[("embed", (HeadRef(1, 0),))] == pytest.approx(12, abs=1e-3)
    assert sum(abs(value) for value in terms.values()) == pytest.approx(12, abs=1e-3)


@pytest.mark.parametrize(("kind", "what"), [("gpt2-like", "MLPs"), ("shortformer-layer-norm", "norms")])
def test_that_models_that_are_not_linear_are_refused(kind: str, what: str) -> None:
    model = random_model(kind)
    with pytest.raises(ValueError, match=f"this one has {what}: use logit attribution"):
        expand(model, random_tokens(model, rows=1), 3, torch.tensor([0]))


def test_that_too_many_paths_are_refused() -> None:
    model = random_model(layers=4, heads=24, kv_heads=24)
    with pytest.raises(budget.TooLarge, match="a full path expansion needs"):
        expand(model, random_tokens(model, rows=1), 3, torch.tensor([0]))


def _rows(found: PathExpansion) -> list[tuple[str, tuple[HeadRef, ...], torch.Tensor]]:
    return list(zip(found.sources, found.paths, found.terms, strict=True))
