"""Positions taken away, shuffled or shifted: everywhere, or in what single heads see of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from engine.circuits.attribution.stream import Parts, part_taps, split_parts
from engine.circuits.weights.view import Weights
from engine.model.config import HeadRef, ModelConfig
from engine.model.handbuilt import k_composition, q_composition
from engine.model.taps import Capture
from engine.model.transformer import Transformer
from tests.engine.intervened import MATCH, REST, ROWS, TOKENS, UNIFORM, L, differ, induction, kept, run
from tests.engine.shapes import random_model, random_tokens

OUTSIDE = ("shortformer-bare", "shortformer-layer-norm", "neox-like", "llama-like", "alibi-bare")  # not in the stream
CHANGES = ("remove", "shuffle seed 3", "shift 4")


def third(parts: Iterator[Parts]) -> Parts:
    """The stream before layer 2."""
    return next(itertools.islice(parts, 2, None))


def shuffled_induction(places: Tensor) -> Tensor:
    """Strict induction of the hand-built K-composition circuit at these positions (T), written out."""
    mask = torch.full((23, 23), -math.inf, dtype=torch.float64).triu(1)
    first = (25.0 * (places[None, :] == places[:, None] - 1) + mask).softmax(-1)  # (T, T)
    same = (TOKENS[:, :, None] == TOKENS[:, None, :]).double()  # (B, T, T)
    score = 25 * (first @ same).mT  # (B, i, j): how much of j's note is i's token
    score[:, :, 0] += 12
    pattern = (score + mask).softmax(-1)
    return torch.stack([pattern[:, i, i - L + 1] for i in ROWS]).mean(0)


def test_that_shuffled_positions_break_k_composition_as_calculated() -> None:
    model = k_composition().double()
    found = []
    for seed in range(40):
        order = torch.randperm(23, generator=torch.Generator().manual_seed(seed))
        found.append(induction(model, f"positions shuffle seed {seed}"))
        assert differ(found[-1], shuffled_induction(order)) < 1e-9
    assert induction(model).min() > 0.99999
    assert torch.stack(found).mean() < 0.05 and torch.stack(found).max() < 0.3
    # its values never read a position, so where it is removed everywhere is where it is removed in both heads
    assert differ(induction(model, "positions remove"), induction(model, "positions remove in 0.0 1.0")) < 1e-12


def test_that_k_composition_needs_positions_in_its_first_head_only() -> None:
    model = k_composition().double()
    expected = []
    for i in ROWS:  # an even note at j holds token k with 1/(j + 1) from k on, and twice that at i itself
        k = i - L
        notes = [0.0] * k + [1 / (j + 1) for j in range(k, i)] + [2 / (i + 1)]
        scores = [math.exp(25 * note) for note in notes]
        expected.append(scores[k + 1] / (sum(scores) - scores[0] + REST))
    dead = induction(model, "positions remove in 0.0")
    assert differ(dead, sum(expected) / L) < 1e-9
    assert dead.max() < 0.1
    # the resting place is read from the position embedding's constant, so it goes; the match stays
    alive = induction(model, "positions remove in 1.0")
    assert differ(alive, sum(MATCH / (MATCH + i) for i in ROWS) / L) < 1e-9


def test_that_the_pointer_circuit_needs_positions_in_its_second_head() -> None:
    model = q_composition().double()
    assert induction(model, "positions remove in 0.0").min() > 0.999
    assert differ(induction(model, "positions remove in 1.0"), UNIFORM) < 1e-9
    seen = kept(model, TOKENS, "positions remove in 1.0")
    assert seen["1.q"].abs().max() < 1e-9  # all that it asks with is the pointer, which 0.0 carried
    assert seen["1.k"].abs().max() < 1e-9
    assert torch.equal(seen["1.v"], kept(model, TOKENS)["1.v"])


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", OUTSIDE)
def test_that_outside_the_stream_every_head_is_everywhere(kind: str, change: str) -> None:
    model = random_model(kind, layers=3)
    tokens = random_tokens(model)
    everyone = " ".join(map(str, model.config.all_heads))
    everywhere, one_by_one = (run(model, tokens, f"positions {change}{heads}") for heads in ("", f" in {everyone}"))
    assert differ(everywhere, one_by_one) < 1e-9
    blind = not kind.startswith("shortformer") and change.startswith("shift")
    assert (differ(everywhere, model(tokens)) < 1e-9) == blind


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", ["absolute-bare", *OUTSIDE])
def test_that_one_head_is_changed_alone_and_as_it_is_everywhere(kind: str, change: str) -> None:
    model = random_model(kind)
    tokens = random_tokens(model)
    plain, everywhere, single = (
        kept(model, tokens, *lines) for lines in ((), (f"positions {change}",), (f"positions {change} in 0.2",))
    )
    others = [0, 1, 3]  # 3 shares its keys with 2 in one of the models
    assert torch.equal(single["0.pattern"][:, others], plain["0.pattern"][:, others])
    assert torch.equal(single["0.v"], plain["0.v"])
    assert differ(single["0.pattern"][:, 2], everywhere["0.pattern"][:, 2]) < 1e-9


@pytest.mark.parametrize("kind", ["absolute-bare", "shortformer-bare", "llama-like", "alibi-bare"])
def test_that_without_positions_only_order_in_time_is_left(kind: str) -> None:
    model = random_model(kind)
    tokens = random_tokens(model)
    bare = Transformer(ModelConfig(**(model.config.to_dict() | {"positions": "none"}))).double().requires_grad_(False)
    bare.load_state_dict({name: x for name, x in model.state_dict().items() if name != "W_pos"})
    assert differ(run(model, tokens, "positions remove"), bare(tokens)) < 1e-12
    with pytest.raises(ValueError, match="no positions"):
        run(bare, tokens, "positions remove in 0.1")


@pytest.mark.parametrize("kind", ["neox-like", "llama-like", "alibi-bare", "gpt2-like", "shortformer-bare"])
def test_that_only_relative_positions_may_be_shifted_for_nothing(kind: str) -> None:  # V27
    model = random_model(kind)
    tokens = random_tokens(model)
    moved = differ(run(model, tokens, "positions shift 9"), model(tokens))
    assert moved > 1e-3 if kind in ("gpt2-like", "shortformer-bare") else moved < 1e-9


@pytest.mark.parametrize("kind", ["absolute-bare", "gpt2-like"])
def test_that_the_position_part_of_a_later_heads_input_is_what_paths_from_positions_carry(kind: str) -> None:
    model, head = random_model(kind, layers=3), HeadRef(2, 1)
    tokens = random_tokens(model)
    capture = Capture((part_taps(model, 2) | {"2.q", "2.k", "2.norm_1.scale"}).__contains__)
    model(tokens, capture)
    reads, scale = Weights(model).head(head), capture.kept.get("2.norm_1.scale", torch.ones(2, 14, 1))
    order = torch.randperm(14, generator=torch.Generator().manual_seed(3))
    places = {
        "remove": torch.zeros(14, 24).double(),
        "shuffle seed 3": model.W_pos[order],
        "shift 4": model.W_pos[4:18],
    }
    for change, there in places.items():
        seen = kept(model, tokens, f"positions {change} in 2.1")
        old, new = (third(split_parts(model, capture.kept, x)).position for x in (None, there))  # (B, T, d)
        for part, weight in (("q", reads.W_Q), ("k", reads.W_K)):
            expected = capture.kept[f"2.{part}"][:, :, 1] + scale * (new - old) @ weight
            assert differ(seen[f"2.{part}"][:, :, 1], expected) < 1e-9
        # more than the positions that stand there themselves
        direct = capture.kept["2.q"][:, :, 1] + scale * (there - model.W_pos[:14]) @ reads.W_Q
        assert differ(seen["2.q"][:, :, 1], direct) > 1e-3


def test_that_removed_heads_carry_no_positions() -> None:
    model = random_model("absolute-bare")
    tokens = random_tokens(model)
    seen = kept(model, tokens, "zero 0.0 0.1 0.2 0.3", "positions remove in 1.2")
    attention = model.layers[1].attention
    assert differ(seen["1.q"][:, :, 2], model.W_E[tokens] @ attention.W_Q[:, 12:18]) < 1e-12
    assert differ(seen["1.k"][:, :, 2], model.W_E[tokens] @ attention.W_K[:, 12:18]) < 1e-12


@pytest.mark.parametrize("kind", ["shortformer-bare", "llama-like", "alibi-bare"])
def test_that_a_head_goes_on_from_where_it_was_put(kind: str) -> None:
    model = random_model(kind)
    tokens = random_tokens(model)
    first, everyone = "positions shuffle seed 1", " ".join(map(str, model.config.all_heads))
    one_by_one = run(model, tokens, first, f"positions shuffle seed 2 in {everyone}")
    assert differ(one_by_one, run(model, tokens, first, "positions shuffle seed 2")) < 1e-9
    assert differ(one_by_one, run(model, tokens, "positions shuffle seed 2")) > 1e-3


@pytest.mark.parametrize(
    ("lines", "answer"),
    [
        (["positions shift 19"], "14 tokens shifted by 19 do not fit this model's context of 32"),
        (["positions shift 10", "positions shift 9"], "shifted by 9 do not fit"),
        (["positions shift 19 in 0.1"], "do not fit"),
        (["positions remove in 4.1"], "no head 4.1"),
        (["positions remove in 0.1", "positions shuffle"], "everywhere first"),
        (["positions remove in 0.1 0.2", "positions shift 2 in 0.2"], "only once"),
    ],
)
@pytest.mark.parametrize("kind", ["gpt2-like", "shortformer-bare", "llama-like"])
def test_that_what_cannot_be_done_is_one_clear_line(kind: str, lines: list[str], answer: str) -> None:
    model = random_model(kind)
    with pytest.raises(ValueError, match=answer) as refused:
        run(model, random_tokens(model), *lines)
    assert "\n" not in str(refused.value)


def test_that_a_shift_may_use_the_whole_context() -> None:
    model = random_model("absolute-bare")
    tokens = random_tokens(model)
    assert torch.equal(kept(model, tokens, "positions shift 18")["pos"][0], model.W_pos[18:])
