"""Heads that attend as told, and heads whose values are scrambled."""

from __future__ import annotations

import itertools

import pytest
import torch

from engine.circuits.interventions.ablation import forced_pattern, rotation
from engine.circuits.interventions.lines import parse
from engine.circuits.interventions.values import ForcePattern
from engine.circuits.scores.patterns import followers
from engine.model.handbuilt import k_composition
from tests.engine.intervened import MATCH, REST, ROWS, TOKENS, L, differ, induction, kept, run
from tests.engine.shapes import random_model, random_tokens


def test_that_a_forced_previous_token_pattern_carries_induction() -> None:
    model = k_composition().double()
    strict = sum(MATCH / (MATCH + REST + i - 1) for i in ROWS) / L
    assert differ(induction(model, "force 0.0 previous"), strict) < 1e-9
    assert differ(run(model, TOKENS, "force 0.0 previous"), model(TOKENS)) < 1e-6


def test_that_a_note_two_places_on_moves_the_stripe_by_one() -> None:
    model = k_composition().double()
    pattern = kept(model, TOKENS, "force 0.0 offset 2")["1.pattern"][:, 0]  # (B, T, T)
    rows = torch.tensor(ROWS)
    # at row 2L the token k is L, and k + 2 is the first place of the second copy but one
    assert (pattern[:, rows, rows - L + 2] > 0.9999).all()
    assert pattern[:, rows, rows - L + 1].max() < 1e-5
    logits = run(model, TOKENS, "force 0.0 offset 2")
    assert torch.equal(logits[:, rows].argmax(-1), TOKENS[:, rows - L + 2])


def test_that_random_or_even_attention_of_the_first_head_ends_induction() -> None:
    model = k_composition().double()
    for seed in range(5):
        assert induction(model, f"force 0.0 random seed {seed}").max() < 0.2
    assert induction(model, "force 0.0 uniform").max() < 0.2


def test_that_the_second_head_predicts_when_its_pattern_is_painted_as_induction() -> None:
    model = k_composition().double()
    broken = run(model, TOKENS, "zero 0.0")
    mended = run(model, TOKENS, "zero 0.0", "force 1.0 induction")
    rows = torch.tensor(ROWS[:-1])
    assert (mended[:, rows].argmax(-1) == TOKENS[:, rows + 1]).all()
    assert (broken[:, rows].argmax(-1) == TOKENS[:, rows + 1]).double().mean() < 0.3


@pytest.mark.parametrize("shape", ["previous", "offset 3", "offset 0", "induction", "uniform", "random seed 2"])
def test_that_forced_patterns_are_causal_distributions_of_their_shape(shape: str) -> None:
    tokens = random_tokens(random_model(), rows=3, length=12)
    force = parse(f"force 0.0 {shape}")
    assert isinstance(force, ForcePattern)
    pattern = forced_pattern(force, tokens, bos=0).expand(3, 12, 12)
    assert pattern.triu(1).count_nonzero() == 0
    assert (pattern.sum(-1) - 1).abs().max() < 1e-12
    for row, i in itertools.product(range(3), range(12)):
        back = {"previous": 1, "offset 3": 3, "offset 0": 0}.get(shape)
        sources = [i - back] if back is not None else followers(tokens, 0)[row, i].nonzero().flatten().tolist()
        if shape == "uniform":
            sources = list(range(i + 1))
        if shape.startswith("random"):
            assert (pattern[row, i, : i + 1] > 0).all()
            continue
        sources = [j for j in sources if j >= 0] or [0]
        assert pattern[row, i].nonzero().flatten().tolist() == sources
        assert pattern[row, i, sources] == pytest.approx([1 / len(sources)] * len(sources))


def test_that_a_forced_pattern_is_that_of_the_head_and_of_no_other() -> None:
    model = random_model("llama-like")
    tokens = random_tokens(model, length=3)
    painted = kept(model, tokens, "force 1.2 painted 1,0,0/.25,.75,0/0,.5,.5")["1.pattern"]
    plain = kept(model, tokens)["1.pattern"]
    expected = torch.tensor([[1, 0, 0], [0.25, 0.75, 0], [0, 0.5, 0.5]], dtype=torch.float64)
    assert torch.equal(painted[:, 2], expected.expand(2, 3, 3))
    assert torch.equal(painted[:, [0, 1, 3]], plain[:, [0, 1, 3]])


def test_that_seeds_decide() -> None:
    model = random_model()
    tokens = random_tokens(model)
    for line in ("force 0.1 random seed", "scramble 0.1 seed", "positions shuffle seed"):
        assert torch.equal(run(model, tokens, f"{line} 3"), run(model, tokens, f"{line} 3"))
        assert differ(run(model, tokens, f"{line} 3"), run(model, tokens, f"{line} 4")) > 1e-3


def test_that_a_scrambled_head_still_looks_but_no_longer_copies() -> None:
    model = k_composition().double()
    right = []
    for seed in range(5):
        scrambled = kept(model, TOKENS, f"scramble 1.0 seed {seed}")
        plain = kept(model, TOKENS)
        assert torch.equal(scrambled["1.pattern"], plain["1.pattern"])
        assert differ(scrambled["1.z"].norm(dim=-1), plain["1.z"].norm(dim=-1)) < 1e-12
        rows = torch.tensor(ROWS[:-1])
        right.append((scrambled["logits"][:, rows].argmax(-1) == TOKENS[:, rows + 1]).double().mean())
    assert sum(right) / 5 < 0.3


@pytest.mark.parametrize("kind", ["gpt2-like", "llama-like"])
def test_that_scrambling_is_a_rotation_between_values_and_outputs(kind: str) -> None:
    model = random_model(kind)
    tokens = random_tokens(model)
    scrambled = run(model, tokens, "scramble 1.2 seed 4")
    turn = rotation(6, 4)
    assert differ(turn @ turn.T, torch.eye(6, dtype=torch.float64)) < 1e-12
    assert float(torch.linalg.det(turn)) == pytest.approx(1)
    model.layers[1].attention.W_O[12:18] = turn @ model.layers[1].attention.W_O[12:18]  # W_V R W_O
    assert differ(model(tokens), scrambled) < 1e-9


def test_that_rotations_are_drawn_evenly() -> None:
    drawn = torch.stack([rotation(3, seed) for seed in range(2000)])
    assert drawn.mean(0).abs().max() < 0.06  # 0 for Haar, standard error 0.013; the signs of bare QR leave 0.5
    assert (torch.linalg.det(drawn) - 1).abs().max() < 1e-9


def test_that_a_forbidden_place_gets_nothing_and_the_rest_share_it() -> None:
    model = random_model("alibi-bare").double()
    tokens = random_tokens(model, length=9)
    before, after = kept(model, tokens), kept(model, tokens, "forbid 0.1 1.3 offset 1")
    for layer, head in ((0, 1), (1, 3)):
        pattern = after[f"{layer}.pattern"][:, head]  # (B, T, T)
        assert float(pattern.diagonal(-1, -2, -1).abs().max()) == 0
        torch.testing.assert_close(pattern.sum(-1), torch.ones_like(pattern.sum(-1)))
    first = before["0.pattern"][:, 1].clone()
    first.diagonal(-1, -2, -1).zero_()
    torch.testing.assert_close(after["0.pattern"][:, 1], first / first.sum(-1, keepdim=True))
    torch.testing.assert_close(after["0.pattern"][:, 0], before["0.pattern"][:, 0], rtol=0, atol=0)
