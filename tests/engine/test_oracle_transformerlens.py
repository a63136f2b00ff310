"""Our model, weights and scores against TransformerLens's on the same random weights, in float64.

docs/oracles.md tells where the two differ in what they define.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from transformer_lens import FactoredMatrix, TransformerBridge
from transformer_lens.head_detector import (
    compute_head_attention_similarity_score,
    get_duplicate_token_head_detection_pattern,
    get_induction_head_detection_pattern,
    get_previous_token_head_detection_pattern,
)
from transformer_lens.model_bridge.sources._bridge_builder import build_bridge_from_module
from transformer_lens.utilities import composition_scores

from engine.circuits.scores import patterns as scores
from engine.circuits.weights.composition import scan
from engine.circuits.weights.composition_edges import CompositionScores, merged
from engine.circuits.weights.ovqk import copying_eigenvalues
from engine.circuits.weights.view import Weights
from engine.model.config import HeadRef
from engine.model.taps import Capture
from engine.model.transformer import Transformer
from tests.engine.oracle_bridges import HUGGING_FACE, LAYER_NORMED, NATIVE, assert_same, cached, pair
from tests.engine.oracle_models import V, gpt2, shaken, widened

T = 24


def captured(ours: Transformer, tokens: Tensor) -> tuple[Tensor, list[Tensor]]:
    patterns = Capture(lambda name: name.endswith(".pattern"))
    return ours(tokens, patterns), list(patterns.kept.values())


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(0, V, (2, T), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", [*HUGGING_FACE, *NATIVE])
def test_that_logits_and_patterns_are_theirs(name: str, tokens: Tensor) -> None:
    ours, theirs = pair(name)
    logits, patterns = captured(ours, tokens)
    their_logits, cache = cached(theirs, tokens)
    assert_same(logits, their_logits)
    for number, pattern in enumerate(patterns):
        assert_same(pattern, cache["pattern", number])


@pytest.mark.parametrize("name", LAYER_NORMED)
def test_that_the_folded_view_of_the_weights_is_theirs(name: str) -> None:
    """V9"""
    ours, theirs = pair(name, processed=True, center_unembed=False)
    weights = Weights(ours)
    for number in range(ours.config.layers):
        layer = weights.layer(number)
        for part in ("W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V"):
            assert_same(getattr(layer, part), getattr(theirs, part)[number])
        assert_same(weights.output_bias(number), theirs.b_O[number])
    assert_same(weights.embedding, theirs.W_E)
    assert_same(weights.unembedding, theirs.W_U)
    assert_same(weights.unembedding_bias, theirs.b_U)


def test_that_they_round_processed_weights_to_float32() -> None:
    ours, _ = pair("gpt2")
    make, config = gpt2()
    theirs = build_bridge_from_module(shaken(make, config, torch.float64), make.__name__, hf_config=config)
    theirs.enable_compatibility_mode(disable_warnings=True)
    exact, rounded = Weights(ours).layer(0).W_Q, theirs.W_Q[0]
    assert rounded.dtype == torch.float64
    assert_same(rounded, rounded.float().double(), tolerance=0)
    assert 1e-9 < (exact - rounded).abs().max() < 1e-6


def their_copying_scores(theirs: TransformerBridge) -> Tensor:
    with widened():
        value, output = theirs.OV.pair  # (L, H, d, h), (L, H, h, d)
        full = FactoredMatrix(theirs.W_E @ value, output @ theirs.W_U)
        eigenvalues = full.eigenvalues  # (L, H, h)
    return (eigenvalues.sum(-1).real / eigenvalues.abs().sum(-1)).flatten()


@pytest.mark.parametrize("name", [*LAYER_NORMED, "attention-only"])
def test_that_the_eigenvalue_copying_score_is_theirs(name: str) -> None:
    """V17"""
    ours, theirs = pair(name, processed=name in LAYER_NORMED, center_unembed=False)
    assert_same(torch.tensor(copying_eigenvalues(ours), dtype=torch.float64), their_copying_scores(theirs))


def test_that_their_default_centring_of_the_unembedding_changes_the_copying_score() -> None:
    ours, theirs = pair("gpt2", processed=True)
    difference = torch.tensor(copying_eigenvalues(ours), dtype=torch.float64) - their_copying_scores(theirs)
    assert difference.abs().max() == pytest.approx(0.031, abs=0.001)


def test_that_the_detector_score_for_induction_is_theirs(tokens: Tensor) -> None:
    """Without BOS both count every earlier copy; our measure of the same mass has eligible rows below it."""
    ours, theirs = pair("gpt2")
    _, cache = cached(theirs, tokens)
    patterns = torch.cat(captured(ours, tokens)[1], dim=1)  # (B, N, T, T)
    for sample, row in enumerate(tokens):
        wanted = get_induction_head_detection_pattern(row[None])
        theirs_mul = detector_scores(cache, sample, wanted)
        assert_same(scores.tl_mul(patterns, tokens, bos=None)[sample], theirs_mul)
        rows = wanted.any(-1).sum()
        assert_same(scores.induction(patterns, tokens, bos=None)[sample], theirs_mul * T / rows)


def detector_scores(cache: Any, sample: int, wanted: Tensor) -> Tensor:
    options: dict[str, Any] = {"exclude_bos": False, "exclude_current_token": False, "error_measure": "mul"}
    heads = [head for number in range(3) for head in cache["pattern", number][sample]]
    return torch.tensor(
        [compute_head_attention_similarity_score(head, wanted, **options) for head in heads], dtype=torch.float64
    )


def test_that_their_other_detectors_divide_by_all_rows_and_ours_by_the_eligible(tokens: Tensor) -> None:
    ours, theirs = pair("gpt2")
    _, cache = cached(theirs, tokens)
    patterns = torch.cat(captured(ours, tokens)[1], dim=1)
    for sample, row in enumerate(tokens):
        previous = get_previous_token_head_detection_pattern(row[None])
        assert_same(scores.previous_token(patterns)[sample], detector_scores(cache, sample, previous) * T / (T - 1))
        duplicate = get_duplicate_token_head_detection_pattern(row[None])
        rows = duplicate.any(-1).sum()
        ours_duplicate = scores.duplicate_token(patterns, tokens, bos=None)[sample]
        assert_same(ours_duplicate, detector_scores(cache, sample, duplicate) * T / rows)


def test_that_their_detector_counts_what_follows_an_earlier_bos_and_ours_does_not() -> None:
    """BOS between two texts: its copy at the start is where heads rest, not something to continue."""
    tokens = torch.tensor([[0, 5, 7, 0, 9, 5]])
    theirs, ours = get_induction_head_detection_pattern(tokens) > 0, scores.followers(tokens, bos=0)[0]
    assert (theirs != ours).nonzero().tolist() == [[3, 1]]
    assert theirs[3, 1] and ours[5, 2]


def test_that_their_detector_leaves_the_pattern_alone(tokens: Tensor) -> None:
    """Earlier releases wrote zeros into it; what was computed from the same cache afterwards was wrong."""
    pattern = captured(pair("gpt2")[0], tokens)[1][0][0, 0]  # (T, T)
    before, wanted = pattern.clone(), get_induction_head_detection_pattern(tokens[:1])
    for measure in ("mul", "abs"):
        compute_head_attention_similarity_score(
            pattern, wanted, exclude_bos=True, exclude_current_token=True, error_measure=measure
        )
    assert torch.equal(pattern, before)


def our_composition(weights: Weights, offset: int | None) -> dict[str, CompositionScores]:
    return merged([part for block in scan(weights, offset) for part in block])


def their_composition(theirs: TransformerBridge, kind: str) -> Tensor:
    """(N, M): writers are all layers but the last, readers all but the first; 0 out of order."""
    with widened():
        scores = theirs.all_composition_scores(kind.upper())[:-1, :, 1:]  # (L - 1, H, L - 1, H)
    return scores.flatten(2).flatten(0, 1)


@pytest.mark.parametrize("processed", [False, True], ids=["raw", "folded"])
@pytest.mark.parametrize("name", [*HUGGING_FACE, *NATIVE])
def test_that_composition_scores_are_theirs(name: str, processed: bool) -> None:
    """V10. They leave rotary positions out, which is our score for the same place, 0 positions back."""
    ours, theirs = pair(name, processed)
    rotary = ours.config.positions == "rotary"
    found = our_composition(Weights(ours, folded=processed), offset=0 if rotary else None)
    for kind in ("q", "k", "v"):
        score, their_score = found[kind].score, their_composition(theirs, kind)
        inner = torch.tensor([[w.layer < r.layer for r in found[kind].readers] for w in found[kind].writers])
        assert_same(score[inner], their_score[inner])
        assert score[~inner].isnan().all(), "a pair out of order has no score"
        assert (their_score[~inner] == 0).all()


def test_that_our_default_for_rotary_heads_is_another_score_than_theirs() -> None:
    """Reading scores take W_Q or W_K alone; theirs take W_Q W_K^T, which holds for one offset only."""
    ours, theirs = pair("neox-parallel", processed=True)
    found = our_composition(Weights(ours), offset=None)
    for kind, most in (("q", 0.0215), ("k", 0.0101)):
        difference = (found[kind].score - their_composition(theirs, kind)).abs()
        assert difference.nan_to_num(0.0).max() == pytest.approx(most, abs=1e-4)
    assert_same(found["v"].score.nan_to_num(0.0), their_composition(theirs, "v"))


def test_that_a_head_that_writes_nothing_has_no_score_on_either_side() -> None:
    ours, _ = pair("gpt2")
    ours.layers[0].attention.W_O[:8] = 0.0
    weights = Weights(ours)
    found = our_composition(weights, None)
    silent, later = weights.head(HeadRef(0, 0)), weights.head(HeadRef(1, 0))
    ov, qk = FactoredMatrix(silent.W_V, silent.W_O), FactoredMatrix(later.W_Q, later.W_K.T)
    assert composition_scores(ov, qk.T).isnan()
    assert all(found[kind].score[0].isnan().all() for kind in ("q", "k", "v"))
    assert copying_eigenvalues(ours)[0] is None
    full = FactoredMatrix(ours.W_E @ silent.W_V, silent.W_O @ weights.unembedding)
    assert full.eigenvalues.abs().sum() == 0
