"""Scores against sums written out entry by entry, on tokens that repeat by chance, and on random models (V16, V29)."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from engine.circuits import budget
from engine.circuits.scores import patterns as scores
from engine.circuits.scores.patterns import (
    PatternScores,
    ScorePatterns,
    WatchMass,
    chance,
    control_stripe,
    earlier_copies,
    eligible_rows,
    followers,
    mass_on,
    pattern_scores,
)
from engine.circuits.scores.probes import control, olsson_length, random_repeat
from engine.circuits.weights.view import Weights
from engine.model.handbuilt import VOCABULARY, k_composition
from engine.model.taps import Capture, chain
from tests.engine.shapes import random_model, random_tokens

BOS = 0


@pytest.fixture
def small_budget() -> Iterator[None]:
    budget.set_limit(16)
    yield
    budget.set_limit(budget.DEFAULT_MEGABYTES)


def random_patterns(tokens: Tensor, heads: int = 3, seed: int = 0) -> Tensor:
    """(B, N, T, T) causal, rows summing to one."""
    size = tokens.shape[1]
    raw = torch.rand(len(tokens), heads, size, size, generator=torch.Generator().manual_seed(seed)).double().tril()
    return raw / raw.sum(-1, keepdim=True)


def test_that_mass_adds_over_several_followers_and_leaves_out_rows_without() -> None:  # V16
    ids = [BOS, 5, 7, 5, 8, 5, 5, 9]
    tokens = torch.tensor([ids])
    patterns = random_patterns(tokens)
    rows = []
    for i, token in enumerate(ids):
        places = [j for j in range(1, i + 1) if ids[j - 1] == token != BOS]
        if places:
            rows.append(sum(patterns[0, :, i, j] for j in places))
    assert len(rows) == 3  # the three later fives; 7, 8 and 9 never came back
    expected = torch.stack(rows).mean(0)
    torch.testing.assert_close(scores.induction(patterns, tokens, BOS)[0], expected, rtol=0, atol=1e-12)
    assert eligible_rows(followers(tokens, BOS)) == 3
    assert followers(tokens, BOS)[0, 6].nonzero().flatten().tolist() == [2, 4, 6]  # its own place follows a five too
    assert (mass_on(patterns, followers(tokens, BOS)) <= 1).all()


def test_that_bos_is_no_earlier_copy() -> None:
    tokens = torch.tensor([[BOS, 4, BOS, 6]])
    assert eligible_rows(followers(tokens, BOS)) == eligible_rows(earlier_copies(tokens, BOS)) == 0
    assert eligible_rows(followers(tokens, None)) == 1


def test_that_a_prompt_without_repeats_has_no_induction_score_rather_than_zero() -> None:  # V16
    tokens = torch.tensor([[BOS, 4, 5, 6]])
    result = pattern_scores(random_patterns(tokens), tokens, BOS)
    for name in ("induction", "duplicate_token", "tl_diagonal", "tl_mul"):
        assert getattr(result, name).isnan().all(), name
    assert result.previous_token.isfinite().all()
    assert chance(followers(tokens, BOS)).isnan().all()


def test_that_one_token_alone_has_no_scores() -> None:
    tokens = torch.tensor([[BOS]])
    result = pattern_scores(random_patterns(tokens), tokens, BOS)
    assert all(getattr(result, name).isnan().all() for name in PatternScores.__dataclass_fields__)


def test_that_on_a_repeat_the_targets_are_exactly_the_strict_stripe() -> None:
    for bos in (BOS, None):
        tokens = random_repeat(range(1, 30), 9, samples=2, seed=1, bos=bos)
        first = 0 if bos is None else 1
        stripe = torch.zeros(tokens.shape[1], tokens.shape[1], dtype=torch.bool)
        for i in range(first + 9, first + 18):
            stripe[i, i - 9 + 1] = True
        assert torch.equal(followers(tokens, bos), stripe.expand(2, -1, -1))
        copies = torch.zeros_like(stripe)
        for i in range(first + 9, first + 18):
            copies[i, i - 9] = True
        assert torch.equal(earlier_copies(tokens, bos), copies.expand(2, -1, -1))


def test_that_every_score_equals_its_definition_entry_by_entry() -> None:
    tokens = random_repeat(range(1, 30), 6, samples=2, seed=0, bos=BOS)
    patterns, T = random_patterns(tokens), 13
    result = pattern_scores(patterns, tokens, BOS, length=6)
    for b in range(2):
        for n in range(3):
            A = patterns[b, n].numpy()
            later = range(1, T)
            expected = {
                "previous_token": sum(A[i, i - 1] for i in later) / (T - 1),
                "first_token": sum(A[i, 0] for i in later) / (T - 1),
                "duplicate_token": sum(A[i, i - 6] for i in range(7, T)) / 6,
                "induction": sum(A[i, i - 5] for i in range(7, T)) / 6,
                "tl_diagonal": sum(A[i, i - 5] for i in range(5, T)) / 8,
                "tl_mul": sum(A[i, i - 5] for i in range(7, T)) / A.sum(),
                "entropy": sum(-A[i, j] * math.log(A[i, j]) for i in later for j in range(i + 1)) / (T - 1),
            }
            assert expected.keys() == PatternScores.__dataclass_fields__.keys()
            for name, value in expected.items():
                assert float(getattr(result, name)[b, n]) == pytest.approx(value, abs=1e-12), name


def test_that_scoring_layer_by_layer_equals_scoring_all_patterns_at_once() -> None:
    model = random_model("llama-like", layers=3)
    tokens = random_repeat(range(1, 19), 8, samples=3, seed=0, bos=BOS)
    kept, watch = Capture(lambda name: name.endswith(".pattern")), ScorePatterns(tokens, BOS, 8)
    mass = WatchMass(followers(tokens, BOS))
    model(tokens, chain(kept, watch, mass))
    together = pattern_scores(torch.cat(list(kept.kept.values()), dim=1), tokens, BOS, 8)
    for name in PatternScores.__dataclass_fields__:
        assert torch.equal(getattr(watch.scores(), name), getattr(together, name))
    assert torch.equal(mass.mass(), together.induction)
    assert together.induction.shape == (3, 12)


def test_that_uniform_attention_scores_chance() -> None:
    tokens = random_repeat(range(1, 30), 12, samples=2, seed=0, bos=BOS)
    uniform = torch.ones(25, 25, dtype=torch.float64).tril() / torch.arange(1, 26)[:, None]
    targets = followers(tokens, BOS)
    expected = sum(1 / (i + 1) for i in range(13, 25)) / 12
    assert chance(targets).tolist() == pytest.approx([expected] * 2)
    assert mass_on(uniform.expand(2, 1, -1, -1), targets).flatten().tolist() == pytest.approx([expected] * 2)


def test_that_the_control_keeps_the_tokens_and_the_places_but_not_the_repeat() -> None:
    repeats = random_repeat(range(1, 60), 20, samples=50, seed=3, bos=BOS)
    shuffled = control(repeats, 20, seed=3)
    assert torch.equal(shuffled[:, :21], repeats[:, :21])
    assert torch.equal(shuffled[:, 21:].sort(1).values, repeats[:, 21:].sort(1).values)
    stripe = control_stripe(shuffled, 20)
    matching = shuffled[:, 21:] == shuffled[:, 1:21]
    assert matching.any(), "no row shows that matching sources are left out"
    assert eligible_rows(stripe) == int((~matching).sum())
    assert not (stripe & followers(shuffled, BOS)).any()
    for b, i, j in stripe.nonzero().tolist():
        assert j == i - 19
        assert shuffled[b, j - 1] != shuffled[b, i]


def test_that_a_perfect_induction_head_scores_nothing_on_the_control() -> None:
    tokens = control(random_repeat(range(1, VOCABULARY), 11, samples=20, seed=0, bos=BOS), 11, seed=0)
    watch = WatchMass(control_stripe(tokens, 11))
    k_composition()(tokens, watch)
    assert float(watch.mass()[:, 1].max()) < 1e-9


def test_that_random_models_have_no_heads_of_note_and_their_control_is_at_chance() -> None:  # V29
    controls, best = [], []
    for seed in range(20):
        model = random_model("shortformer-layer-norm", seed=seed, scale=24**-0.5, vocabulary=40, context=41)
        repeats = random_repeat(range(1, 40), 20, samples=4, seed=seed, bos=BOS)
        shuffled = control(repeats, 20, seed)
        watch, other = ScorePatterns(repeats, BOS, 20), WatchMass(control_stripe(shuffled, 20))
        model(repeats, watch)
        model(shuffled, other)
        controls.append(other.mass())
        found = watch.scores()
        best.append(torch.stack([found.induction, found.previous_token]).mean(1).max())
    assert float(torch.stack(best).max()) < 0.3, "a head of a random model would be flagged"
    expected = sum(1 / (i + 1) for i in range(21, 41)) / 20
    assert float(torch.stack(controls).mean()) == pytest.approx(expected, rel=0.1)


def test_that_value_weighted_attention_is_the_length_of_what_is_moved() -> None:
    for kind, changes in (("llama-like", {}), ("gpt2-like", {"d_head": 30})):  # a head wider than the stream, too
        model = random_model(kind, **changes)
        kept = Capture(lambda name: name.startswith("1."))
        model(random_tokens(model, length=5), kept)
        heads = Weights(model, folded=False).layer(1)
        weighted = scores.value_weighted(kept.kept["1.pattern"], kept.kept["1.v"], heads.W_O)
        assert weighted.shape == (2, 4, 5, 5)
        for b in range(2):
            for n in range(4):
                for i in range(5):
                    for j in range(5):
                        moved = kept.kept["1.pattern"][b, n, i, j] * kept.kept["1.v"][b, j, n] @ heads.W_O[n]
                        assert float(weighted[b, n, i, j]) == pytest.approx(float(moved.norm()), abs=1e-12)


def test_that_resting_on_a_token_without_value_moves_nothing() -> None:
    patterns = torch.tensor([[[[1.0, 0.0], [0.9, 0.1]]]])
    values = torch.tensor([[[[0.0, 0.0]], [[3.0, 4.0]]]])  # (B, T, H, h)
    weighted = scores.value_weighted(patterns, values, torch.eye(2, 7)[None])
    torch.testing.assert_close(weighted[0, 0], torch.tensor([[0.0, 0.0], [0.0, 0.5]]))


@pytest.mark.usefixtures("small_budget")
def test_that_value_weighted_patterns_over_the_memory_budget_are_refused() -> None:
    patterns = torch.empty(1, 1, 1, 1).expand(1, 16, 512, 513)
    with pytest.raises(budget.TooLarge, match="513 tokens"):
        scores.value_weighted(patterns, torch.empty(0), torch.empty(0))


def test_that_a_repeat_is_distinct_tokens_twice_behind_bos() -> None:
    tokens = random_repeat(range(5, 50), 45, samples=3, seed=9, bos=BOS)
    assert tokens.shape == (3, 91)
    assert (tokens[:, 0] == BOS).all()
    assert torch.equal(tokens[:, 1:46], tokens[:, 46:])
    assert all(sorted(row) == list(range(5, 50)) for row in tokens[:, 1:46].tolist())
    assert not torch.equal(tokens[0], tokens[1])


def test_that_the_first_sample_does_not_depend_on_how_many_are_drawn() -> None:
    one, many = (random_repeat(range(1, 99), 20, samples=n, seed=7, bos=BOS) for n in (1, 8))
    assert torch.equal(one, many[:1])
    assert not torch.equal(one, random_repeat(range(1, 99), 20, samples=1, seed=8, bos=BOS))
    assert torch.equal(control(one, 20, 7), control(many, 20, 7)[:1])


@pytest.mark.parametrize("length", [0, 12])
def test_that_a_repeat_longer_than_the_vocabulary_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="11"):
        random_repeat(range(1, 12), length, samples=1, seed=0, bos=BOS)


def test_that_olssons_probe_is_25_tokens_or_what_fits() -> None:
    assert olsson_length(128, range(1000)) == 25
    assert olsson_length(101, range(1000)) == 25
    assert olsson_length(100, range(1000)) == 24
    assert olsson_length(1024, range(11)) == 11
