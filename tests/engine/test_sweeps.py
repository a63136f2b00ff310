"""A sweep gives what removing one component at a time gives, in full runs."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.circuits import budget
from engine.circuits.interventions.ablation import tap_for
from engine.circuits.interventions.edges import MLPRef
from engine.circuits.interventions.lines import parse
from engine.circuits.interventions.variants import Run
from engine.circuits.patching.metrics import HeadAttention, LogitDifference, Metric, TokenLogit, TokenLoss, measured
from engine.circuits.patching.sweeps import Component, removals
from engine.circuits.scores.losses import copy_losses, token_losses
from engine.circuits.scores.patterns import followers, mass_on
from engine.circuits.scores.probes import random_repeat
from engine.model.config import HeadRef
from engine.model.handbuilt import VOCABULARY, k_composition
from engine.model.taps import Capture, chain
from engine.model.transformer import Tap, Transformer, untapped
from tests.engine.shapes import KINDS, random_model, random_tokens


def swept(model: Transformer, tokens: Tensor, metric: Metric, tap: Tap = untapped) -> dict[Component, Tensor]:
    results = list(removals(model, tokens, metric, mlps=True, tap=tap))
    return {what: value for found in results for what, value in zip(found.what, found.values, strict=True)}


def one_by_one(model: Transformer, tokens: Tensor, metric: Metric, tap: Tap = untapped) -> dict[Component, Tensor]:
    """Every component removed in a full run of its own."""
    mlps = [MLPRef(layer) for layer in range(model.config.layers) if model.config.d_mlp]
    return {what: judged(model, tokens, metric, chain(tap, without(what))) for what in (*model.config.all_heads, *mlps)}


def without(what: Component) -> Tap:
    def tap(name: str, x: Tensor) -> Tensor:
        if isinstance(what, MLPRef):
            return x * 0 if name == f"{what.layer}.mlp_out" else x
        if name != f"{what.layer}.z":
            return x
        others = torch.arange(x.shape[2]) != what.head
        return x * others[:, None]

    return tap


def judged(model: Transformer, tokens: Tensor, metric: Metric, tap: Tap) -> Tensor:
    kept = Capture(metric.reads.__contains__)
    return metric(Run(model.residual(tokens, chain(tap, kept)), kept.kept))


def assert_same(found: dict[Component, Tensor], expected: dict[Component, Tensor]) -> None:
    assert set(found) == set(expected)
    for what, values in found.items():
        torch.testing.assert_close(values, expected[what], rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_that_a_sweep_equals_removing_one_component_at_a_time(kind: str) -> None:
    model = random_model(kind, layers=3)
    tokens = random_tokens(model, rows=3)
    targets = followers(tokens, None)
    for metric in (
        TokenLogit(model, tokens[:, 4]),
        LogitDifference(model, tokens[:, 4], tokens[:, 2], position=9),
        TokenLoss(model, tokens, first=7),
        HeadAttention(HeadRef(1, 2), targets),
    ):
        assert_same(swept(model, tokens, metric), one_by_one(model, tokens, metric))


def mean_of_the_batch(name: str, x: Tensor) -> Tensor:
    return x.mean((0, 1), keepdim=True).expand_as(x) if name == "1.z" else x


def doubled_mlp(name: str, x: Tensor) -> Tensor:
    return 2 * x if name == "1.mlp_out" else x


def tilted_stream(name: str, x: Tensor) -> Tensor:
    return x + 0.3 if name.endswith(("resid_pre", "resid_post", "attn_out")) else x


def values_of_each_prompt(name: str, x: Tensor) -> Tensor:
    """Holds values for exactly two prompts."""
    return torch.linspace(-1, 1, 2, dtype=x.dtype)[:, None, None].expand_as(x) if name == "1.attn_out" else x


@pytest.mark.parametrize("kind", ["gpt2-like", "neox-like", "shortformer-bare", "llama-like"])
@pytest.mark.parametrize("tap", [mean_of_the_batch, doubled_mlp, tilted_stream, values_of_each_prompt])
def test_that_another_intervention_stays_in_force_during_the_sweep(kind: str, tap: Tap) -> None:
    """Also one that takes means over the batch, which must not mix the variants."""
    model = random_model(kind, layers=3)
    tokens = random_tokens(model, rows=2)
    metric = TokenLoss(model, tokens, first=3)
    assert_same(swept(model, tokens, metric, tap), one_by_one(model, tokens, metric, tap))
    base = next(removals(model, tokens, metric, tap=tap)).base
    torch.testing.assert_close(base, judged(model, tokens, metric, tap), rtol=0, atol=1e-9)


@pytest.mark.parametrize("line", ["zero 1.2 keep-pattern", "mean 0.1 1.0", "scramble 1.3 seed 2"])
def test_that_the_sweep_can_be_made_on_top_of_an_ablation(line: str) -> None:
    model = random_model("gpt2-like", layers=3)
    tokens = random_tokens(model, rows=2)
    metric, tap = TokenLoss(model, tokens, first=3), tap_for(model, tokens, [parse(line)])
    assert_same(swept(model, tokens, metric, tap), one_by_one(model, tokens, metric, tap))


def test_that_effects_are_the_rise_over_the_run_with_everything_in_place() -> None:
    model = random_model("gpt2-like")
    tokens = random_tokens(model)
    metric = TokenLoss(model, tokens, first=1)
    found = next(removals(model, tokens, metric))
    full = token_losses(model(tokens), tokens)[:, 1:].mean(1)
    removed = token_losses(model(tokens, without(HeadRef(0, 3))), tokens)[:, 1:].mean(1)
    assert found.what == tuple(HeadRef(0, head) for head in range(4))
    torch.testing.assert_close(found.effect[3], removed - full, rtol=0, atol=1e-9)


def test_that_a_small_memory_budget_changes_the_portions_and_not_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model("gpt2-like")
    tokens = random_tokens(model)
    metric = TokenLoss(model, tokens, first=2)
    whole = swept(model, tokens, metric)
    monkeypatch.setattr(budget, "_limit", 1)
    assert [len(found.what) for found in removals(model, tokens, metric)] == [1] * 8
    assert_same(swept(model, tokens, metric), whole)


def test_that_each_prompt_of_a_batch_is_swept_as_if_it_were_alone() -> None:
    model = random_model("shortformer-layer-norm")
    tokens = random_tokens(model, rows=3)
    together = swept(model, tokens, TokenLoss(model, tokens, first=2))
    for row in range(3):
        alone = swept(model, tokens[row : row + 1], TokenLoss(model, tokens[row : row + 1], first=2))
        assert_same({what: values[row : row + 1] for what, values in together.items()}, alone)


def test_that_the_hand_built_circuit_needs_both_its_heads() -> None:
    length = 7
    tokens = random_repeat(range(1, VOCABULARY), length, samples=3, seed=1, bos=0)
    model = k_composition().double()
    losses = swept(model, tokens, TokenLoss(model, tokens, first=length + 2))
    # without the induction head all logits are 0; without the previous-token head it rests on BOS and copies that
    torch.testing.assert_close(
        losses[HeadRef(1, 0)], torch.full((3,), VOCABULARY, dtype=torch.float64).log(), rtol=0, atol=1e-9
    )
    assert losses[HeadRef(0, 0)].min() > 10
    targets = followers(tokens, 0)
    attention = swept(model, tokens, HeadAttention(HeadRef(1, 0), targets))
    assert attention[HeadRef(0, 0)].max() < 1e-4
    torch.testing.assert_close(attention[HeadRef(1, 0)], torch.ones(3).double(), rtol=0, atol=1e-4)


def test_that_the_metrics_are_what_full_logits_and_patterns_give() -> None:
    model = random_model("gpt2-like")
    tokens = random_repeat(range(19), 6, samples=2, seed=0, bos=None)  # (2, 12)
    kept = Capture(lambda name: name == "1.pattern")
    logits, rows, targets = model(tokens, kept), torch.arange(2), followers(tokens, None)
    wanted, other = tokens[:, 1], tokens[:, 5]
    right, wrong = logits[rows, 8, wanted], logits[rows, 8, other]
    expected = {
        TokenLogit(model, wanted, 8): right,
        LogitDifference(model, wanted, other, 8): right - wrong,
        TokenLoss(model, tokens, first=7): token_losses(logits, tokens)[:, 7:].mean(1),
        HeadAttention(HeadRef(1, 3), targets): mass_on(kept.kept["1.pattern"], targets)[:, 3],
    }
    for metric, values in expected.items():
        torch.testing.assert_close(measured(model, tokens, metric), values, rtol=0, atol=1e-9)
    second = measured(model, tokens, TokenLoss(model, tokens, first=12 - 6 + 1)).mean()
    assert float(second) == pytest.approx(copy_losses(token_losses(logits, tokens), 6)[1], abs=1e-9)


def test_that_a_few_heads_can_be_removed_and_give_the_same_effects_as_in_a_sweep_of_all() -> None:
    model = random_model("gpt2-like", layers=3)
    tokens = random_tokens(model)
    metric = TokenLoss(model, tokens, first=1)

    def effects(heads: tuple[HeadRef, ...] | None) -> dict[Component, Tensor]:
        parts = list(removals(model, tokens, metric, heads))
        return dict(
            zip((what for part in parts for what in part.what), (e for p in parts for e in p.effect), strict=True)
        )

    every, chosen = effects(None), (HeadRef(1, 2), HeadRef(0, 0))
    few = effects(chosen)
    assert list(few) == sorted(chosen)
    assert all(torch.allclose(few[head], every[head], atol=1e-12) for head in chosen)
    assert not effects(())
