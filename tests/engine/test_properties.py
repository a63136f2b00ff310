"""What holds for any model, any prompt and any pattern, tried on many."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.circuits.attribution.logit_attribution import Target, attribute, attribution_taps
from engine.circuits.attribution.score_split import read_scores, score_taps, split_cell
from engine.circuits.attribution.stream import Stream
from engine.circuits.interventions.ablation import tap_for
from engine.circuits.interventions.edges import HeadInput
from engine.circuits.interventions.values import Ablate
from engine.circuits.patching.activations import Kind, patched, sites
from engine.circuits.patching.metrics import TokenLogit, measured
from engine.circuits.patching.paths import exact_paths
from engine.circuits.scores import patterns as scores
from engine.circuits.scores.losses import token_losses
from engine.circuits.scores.matcher import followed
from engine.circuits.scores.patterns import PatternScores, ScorePatterns, followers, mass_on, pattern_scores
from engine.circuits.scores.probes import random_repeat
from engine.circuits.weights.ovqk import copying_eigenvalues
from engine.model.config import HeadRef
from engine.model.taps import Capture
from tests.engine.change_of_basis import change_of_basis
from tests.engine.shapes import KINDS, random_model

MODELS = {kind: random_model(kind) for kind in KINDS}
kinds = st.sampled_from(sorted(KINDS))
prompts = st.lists(st.integers(0, 18), min_size=1, max_size=16).map(lambda ids: torch.tensor([ids]))
few = settings(max_examples=40, deadline=None)


def patterns_of(kind: str, tokens: Tensor) -> Tensor:
    kept = Capture(lambda name: name.endswith(".pattern"))
    MODELS[kind](tokens, kept)
    return torch.cat(list(kept.kept.values()), dim=1)


@few
@given(kinds, prompts)
def test_that_attention_is_a_causal_distribution(kind: str, tokens: Tensor) -> None:
    patterns = patterns_of(kind, tokens)
    assert (patterns.sum(-1) - 1).abs().max() < 1e-12
    assert patterns.triu(1).count_nonzero() == 0
    assert patterns.min() >= 0


@few
@given(kinds, prompts, st.integers(0, 18))
def test_that_what_follows_never_changes_what_stands(kind: str, tokens: Tensor, following: int) -> None:
    longer = torch.cat((tokens, torch.tensor([[following]])), dim=1)
    difference = MODELS[kind](longer)[:, :-1] - MODELS[kind](tokens)
    assert difference.abs().max() < 1e-11  # shapes differ, so sums may run in another order


@few
@given(kinds, prompts)
def test_that_scores_lie_between_zero_and_one_or_are_undefined(kind: str, tokens: Tensor) -> None:
    result = pattern_scores(patterns_of(kind, tokens), tokens, bos=0)
    for name in PatternScores.__dataclass_fields__:
        values = getattr(result, name)
        limit = torch.log(torch.tensor(float(tokens.shape[1]))) if name == "entropy" else 1.0
        assert ((values >= 0) & (values <= limit + 1e-12) | values.isnan()).all(), name
    assert result.previous_token.isnan().all() == (tokens.shape[1] == 1)


@few
@given(prompts)
def test_that_mask_and_matcher_name_the_same_sources(tokens: Tensor) -> None:
    ids = tokens[0].tolist()
    for place in range(len(ids)):
        sources = sorted(j for _, places in followed(ids[: place + 1], bos=0) for j in places)
        assert followers(tokens, bos=0)[0, place].nonzero().flatten().tolist() == sources


@few
@given(kinds, prompts)
def test_that_all_targets_together_hold_all_the_mass(kind: str, tokens: Tensor) -> None:
    patterns = patterns_of(kind, tokens)
    everywhere = torch.ones(1, tokens.shape[1], tokens.shape[1], dtype=torch.bool).tril()
    assert (mass_on(patterns, everywhere) - 1).abs().max() < 1e-12
    some = followers(tokens, bos=0)
    rows = some.any(-1, keepdim=True)
    split = mass_on(patterns, some) + mass_on(patterns, everywhere & rows & ~some).nan_to_num()
    assert ((split - 1).abs() < 1e-12).logical_or(split.isnan()).all()


@few
@given(kinds, prompts)
def test_that_losses_are_never_negative(kind: str, tokens: Tensor) -> None:
    assert (token_losses(MODELS[kind](tokens), tokens)[:, 1:] >= 0).all()


@few
@given(kinds, prompts)
def test_that_ablating_no_head_is_no_change_and_order_does_not_matter(kind: str, tokens: Tensor) -> None:
    model, one, two = MODELS[kind], Ablate((HeadRef(0, 1),)), Ablate((HeadRef(1, 0),))

    def logits(*interventions: Ablate) -> Tensor:
        return model(tokens, tap_for(model, tokens, interventions))

    assert torch.equal(logits(), model(tokens))
    both = logits(Ablate((HeadRef(1, 0), HeadRef(0, 1))))
    assert torch.equal(logits(one, two), both)
    assert torch.equal(logits(two, one), both)


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(["absolute-bare", "shortformer-bare"]), st.integers(0, 99))
def test_that_no_number_depends_on_the_basis(kind: str, seed: int) -> None:  # V28
    for changes in ({}, {"kv_heads": 2}):
        model = random_model(kind, seed=seed, **changes)
        other = change_of_basis(model, seed)
        tokens = random_repeat(range(1, 19), 9, samples=2, seed=seed, bos=0)
        first, second = (ScorePatterns(tokens, 0, 9) for _ in range(2))
        assert (model(tokens, first) - other(tokens, second)).abs().max() < 1e-9
        for name in PatternScores.__dataclass_fields__:
            assert (getattr(first.scores(), name) - getattr(second.scores(), name)).abs().max() < 1e-9
        for here, there in zip(copying_eigenvalues(model), copying_eigenvalues(other), strict=True):
            assert here is not None
            assert there is not None
            assert abs(here - there) < 1e-9


@few
@given(prompts)
def test_that_entropy_is_that_of_uniform_attention_at_most(tokens: Tensor) -> None:
    size = tokens.shape[1]
    uniform = torch.ones(size, size, dtype=torch.float64).tril() / torch.arange(1, size + 1)[:, None]
    highest = scores.entropy(uniform[None, None])
    assert (scores.entropy(patterns_of("gpt2-like", tokens)) <= highest + 1e-12).logical_or(highest.isnan()).all()


@few
@given(kinds, prompts)
def test_that_every_split_sums_to_the_whole(kind: str, tokens: Tensor) -> None:  # V6, V7
    model, last = MODELS[kind], tokens.shape[1] - 1
    head = HeadRef(1, 2)
    kept = Capture((attribution_taps(model) | score_taps(model, head)).__contains__)
    logits = model(tokens, kept)
    stream = Stream(model, kept.kept)
    found = attribute(stream, Target(3))
    assert (found.total - logits[0, :, 3]).abs().max() < 1e-9
    cell = split_cell(read_scores(stream, head), last, 0)
    assert abs(cell.total - float(kept.kept["1.scores"][0, 2, last, 0])) < 1e-9


@few
@given(kinds, prompts, st.sampled_from(["resid_pre", "attn_out", "z", "q", "k", "v", "pattern"]))
def test_that_patching_a_run_with_itself_changes_nothing(kind: str, tokens: Tensor, what: Kind) -> None:  # V22, V23
    model = MODELS[kind]
    metric = TokenLogit(model, torch.tensor([3]))
    base = measured(model, tokens, metric)
    for _, values in patched(model, tokens, tokens, sites(model.config, what), metric):
        assert (values - base).abs().max() < 1e-11
    for effects in exact_paths(model, tokens, tokens, [(HeadRef(0, 1),)], [HeadInput(HeadRef(1, 2), "k")], metric):
        assert (effects.values - base).abs().max() < 1e-11
