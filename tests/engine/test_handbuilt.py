"""The hand-built circuits give the numbers that follow from how they are built, in any basis (V15, V19, V25, V28)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import pytest
import torch
from torch import Tensor

from engine.circuits.interventions.ablation import tap_for
from engine.circuits.interventions.values import Ablate
from engine.circuits.scores.losses import copy_losses, token_losses
from engine.circuits.scores.patterns import PatternScores, ScorePatterns, WatchMass, control_stripe, followers
from engine.circuits.scores.probes import control, random_repeat
from engine.circuits.weights.ovqk import copying_eigenvalues, diagonal_rates
from engine.model.config import HeadRef, ModelConfig
from engine.model.handbuilt import LETTERS, VOCABULARY, build, k_composition, q_composition, v_composition
from engine.model.taps import Capture, chain
from engine.model.tokenizer import PromptError
from engine.model.transformer import Transformer
from tests.engine.change_of_basis import change_of_basis

L = 11
MATCH, REST = math.exp(25), math.exp(12)
ROWS = range(L + 1, 2 * L + 1)  # the strict rows of BOS + L + L
TOKENS = random_repeat(range(1, VOCABULARY), L, samples=3, seed=4, bos=0)  # (3, 23)


def mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed)


@pytest.fixture(params=["float32", "float64", "float32-rebased", "float64-rebased"])
def form(request: pytest.FixtureRequest) -> tuple[Callable[[Transformer], Transformer], float]:
    """How to hold the model, and how near its numbers must then come."""
    precision, _, rebased = str(request.param).partition("-")

    def prepare(model: Transformer) -> Transformer:
        held = model.double() if precision == "float64" else model
        return change_of_basis(held, seed=3) if rebased else held

    return prepare, 1e-9 if precision == "float64" else 1e-6


Form = tuple[Callable[[Transformer], Transformer], float]


def scored(model: Transformer, without: HeadRef | None = None, tokens: Tensor = TOKENS) -> tuple[PatternScores, Tensor]:
    watch = ScorePatterns(tokens, 0, L)
    logits = model(tokens, chain(tap_for(model, tokens, [Ablate((without,))] if without else []), watch))
    return watch.scores(), logits


def close(value: Tensor | float | None, expected: float, tolerance: float) -> None:
    """Every sample alike."""
    assert value is not None
    torch.testing.assert_close(
        torch.as_tensor(value, dtype=torch.float64),
        torch.full_like(torch.as_tensor(value), expected, dtype=torch.float64),
        rtol=0,
        atol=tolerance,
    )


def test_that_k_composition_gives_the_exact_scores_when_it_rests(form: Form) -> None:
    prepare, tolerance = form
    scores, logits = scored(prepare(k_composition()))
    previous = mean(MATCH / (MATCH + i) for i in range(1, 2 * L + 1))
    strict = mean(MATCH / (MATCH + REST + i - 1) for i in ROWS)
    assert previous == pytest.approx(0.99999999984, abs=1e-11)
    assert strict == pytest.approx(0.9999977, abs=1e-7)
    close(scores.previous_token[:, 0], previous, tolerance)
    close(scores.induction[:, 1], strict, tolerance)
    resting = REST / (REST + L - 1) + 1 / (REST + L)  # on BOS at the end of the first copy, one row before ROWS
    close(scores.tl_diagonal[:, 1], (L * strict + resting) / (L + 2), tolerance)
    close(scores.tl_mul[:, 1], L * strict / (2 * L + 1), tolerance)
    _, second = copy_losses(token_losses(logits, TOKENS), L)
    assert second == pytest.approx(math.log1p(11 * math.exp(-12)), abs=max(1e-8, tolerance))
    right = logits[:, L + 1 : -1].gather(-1, TOKENS[:, L + 2 :, None])
    close(right[..., 0], 12 * strict, 1e-4)
    assert logits[:, L + 1 : -1].sort(-1).values[..., -2].abs().max() < 1e-4


def test_that_k_composition_gives_the_exact_scores_when_it_does_not_rest(form: Form) -> None:
    prepare, tolerance = form
    scores, _ = scored(prepare(k_composition(rest=False)))
    strict = mean(MATCH / (MATCH + i) for i in ROWS)
    assert 1 - strict == pytest.approx(2.4e-10, abs=1e-11)
    close(scores.induction[:, 1], strict, tolerance)
    close(scores.tl_diagonal[:, 1], (L * strict + 1 / L + 1 / (L + 1)) / (L + 2), tolerance)
    close(scores.tl_diagonal[:, 1], 0.859557, 1e-6)


def test_that_without_the_previous_token_head_induction_is_gone(form: Form) -> None:  # V19
    prepare, tolerance = form
    first = HeadRef(0, 0)
    uniform, _ = scored(prepare(k_composition(rest=False)), without=first)
    resting, _ = scored(prepare(k_composition()), without=first)
    close(uniform.induction[:, 1], mean(1 / (i + 1) for i in ROWS), tolerance)
    close(uniform.induction[:, 1], 0.0573710, 1e-6)
    close(resting.induction[:, 1], mean(1 / (REST + i) for i in ROWS), tolerance)


def test_that_without_the_induction_head_nothing_is_predicted(form: Form) -> None:  # V19
    prepare, tolerance = form
    _, logits = scored(prepare(k_composition()), without=HeadRef(1, 0))
    assert logits.abs().max() < tolerance * 10
    losses = token_losses(logits, TOKENS)
    close(losses[:, 1:], math.log(VOCABULARY), tolerance * 10)


def test_that_logits_are_exactly_zero_without_the_induction_head() -> None:  # V19
    _, logits = scored(k_composition(), without=HeadRef(1, 0))
    assert logits.count_nonzero() == 0


def test_that_prefix_matching_over_four_copies_is_counted_by_query(form: Form) -> None:
    prepare, tolerance = form
    tokens = random_repeat(range(1, VOCABULARY), 7, samples=10, seed=0, bos=0, copies=4)  # (10, 29)
    watch = WatchMass(followers(tokens, 0))
    prepare(k_composition())(tokens, watch)
    # in the c-th copy there are c - 1 matches; a query's mass is their sum, so it stays 1 however many they are
    rows = [(i, (i - 1) // 7) for i in range(8, 29)]
    close(watch.mass()[:, 1], mean(n * MATCH / (n * MATCH + REST + i - n) for i, n in rows), tolerance)
    assert watch.mass()[:, 1].min() > 0.99999


def test_that_the_control_shows_no_induction(form: Form) -> None:
    prepare, _ = form
    tokens = control(TOKENS, L, seed=0)
    watch = WatchMass(control_stripe(tokens, L))
    prepare(k_composition())(tokens, watch)
    assert watch.mass()[:, 1].max() < 1e-9


def test_that_the_weights_alone_show_what_is_copied(form: Form) -> None:
    prepare, tolerance = form
    model = prepare(k_composition())
    first, second = copying_eigenvalues(model)
    assert first is None
    close(second, 1.0, tolerance)
    assert diagonal_rates(model, HeadRef(0, 0)) is None
    rates = diagonal_rates(model, HeadRef(1, 0))
    assert rates is not None
    assert (rates.top1, rates.top5, rates.sources) == (1.0, 1.0, VOCABULARY)


def test_that_q_composition_has_the_same_stripe_from_a_duplicate_token_head(form: Form) -> None:
    prepare, tolerance = form
    model = prepare(q_composition())
    scores, logits = scored(model)
    # the copy; BOS; itself at -25; every other token
    found = mean(MATCH / (MATCH + REST + 1 / MATCH + i - 2) for i in ROWS)
    close(scores.duplicate_token[:, 0], found, tolerance)
    # only token 1 has BOS before it, where it rests; later, position i - 1 is one of many
    close(scores.previous_token[:, 0], 1 / 22, 1e-5)
    close(scores.induction[:, 0], 0.0, 1e-6)
    close(scores.induction[:, 1], 1.0, max(tolerance, 3e-10 * 25))
    _, second = copy_losses(token_losses(logits, TOKENS), L)
    assert second == pytest.approx(math.log1p(11 * math.exp(-12)), abs=max(1e-8, tolerance))
    undefined, copies = copying_eigenvalues(model)
    assert undefined is None
    close(copies, 1.0, tolerance)


def test_that_the_pointer_heads_scores_are_those_that_were_written() -> None:
    """A copy 25, BOS 12, itself 25 - 50, any other token 0."""
    kept = Capture(lambda name: name == "0.scores")
    q_composition().double()(torch.tensor([[0, 3, 4, 3]]), kept)
    torch.testing.assert_close(
        kept.kept["0.scores"][0, 0, 3], torch.tensor([12.0, 25.0, 0.0, -25.0]).double(), rtol=0, atol=1e-5
    )


def test_that_v_composition_moves_the_token_two_places(form: Form) -> None:
    prepare, tolerance = form
    model, kept = prepare(v_composition()), Capture(lambda name: name.endswith("pattern"))
    logits = model(TOKENS, kept)
    virtual = kept.kept["1.pattern"][:, 0] @ kept.kept["0.pattern"][:, 0]  # (B, T, T)
    stripe = mean(MATCH / (MATCH + i) * MATCH / (MATCH + i - 1) for i in range(2, 2 * L + 1))
    close(virtual.diagonal(-2, 1, 2).mean(-1), stripe, tolerance)
    assert torch.equal(logits[:, 2:].argmax(-1), TOKENS[:, :-2])
    assert copying_eigenvalues(model) == [None, None]


def one_layer(model: Transformer) -> Transformer:
    """Both heads in layer 0, weights unchanged."""
    config = model.config
    shape = ModelConfig(**(config.to_dict() | {"layers": 1, "heads": 2, "kv_heads": 2}))
    twin = Transformer(shape).requires_grad_(False).to(model.W_E.dtype)
    for name in ("W_E", "W_pos", "W_U"):
        getattr(twin, name).copy_(getattr(model, name))
    for part, axis in {"W_Q": 1, "W_K": 1, "W_V": 1, "W_O": 0}.items():
        both = [getattr(layer.attention, part) for layer in model.layers]
        getattr(twin.layers[0].attention, part).copy_(torch.cat(both, dim=axis))
    return twin


def test_that_in_one_layer_the_same_heads_do_no_better_than_chance(form: Form) -> None:  # V25
    prepare, tolerance = form
    scores, logits = scored(one_layer(prepare(k_composition(rest=False))))
    close(scores.previous_token[:, 0], mean(MATCH / (MATCH + i) for i in range(1, 2 * L + 1)), tolerance)
    close(scores.induction[:, 1], mean(1 / (i + 1) for i in ROWS), tolerance)
    assert copy_losses(token_losses(logits, TOKENS), L)[1] > 2.0


@pytest.mark.parametrize("name", ["handbuilt-k", "handbuilt-q", "handbuilt-v"])
def test_that_a_built_model_reads_letters_with_and_without_spaces(name: str) -> None:
    model, tokenizer = build(name)
    assert tokenizer.encode("A B C A B") == tokenizer.encode("ABCAB") == [0, 1, 2, 3, 1, 2]
    assert tokenizer.texts([0, 1, 11]) == ["⟨bos⟩", "A", "K"]
    assert tokenizer.ordinary == tuple(range(1, 12))
    assert tokenizer.size == model.config.vocabulary == VOCABULARY
    assert model.W_E.dtype == torch.float32


@pytest.mark.parametrize("text", ["A B L", "ABX", "a b", "A, B", "⟨bos⟩", "A 😀"])
def test_that_unknown_letters_are_one_clear_line(text: str) -> None:
    with pytest.raises(PromptError, match="A B C D E F G H I J K") as refused:
        build("handbuilt-k")[1].encode(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["handbuilt-k", "handbuilt-q"])
def test_that_the_demonstration_prompt_is_continued(name: str) -> None:
    model, tokenizer = build(name)
    logits = model(torch.tensor([tokenizer.encode("D A B C E A B")]))
    assert LETTERS[logits[0, -1].argmax() - 1] == "C"


def test_that_an_unknown_name_is_refused() -> None:
    with pytest.raises(ValueError, match="handbuilt-q"):
        build("handbuilt-z")
