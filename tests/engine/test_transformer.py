"""What must hold of the decoder whatever its weights are: V1 to V5, V27 and V33 of the validation plan."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from engine.model.handbuilt import tokenizer
from engine.model.loaders import native
from engine.model.taps import Capture
from engine.model.transformer import Transformer
from tests.engine.shapes import KINDS, heads_apart, random_model, random_tokens


def everything(model: Transformer, tokens: Tensor) -> dict[str, Tensor]:
    kept = Capture(lambda _name: True)
    model(tokens, kept)
    return kept.kept


@pytest.mark.parametrize("kind", KINDS)
def test_that_a_changed_token_changes_nothing_before_it(kind: str) -> None:  # V1
    model = random_model(kind)
    tokens = random_tokens(model)
    other = tokens.clone()
    other[:, 9] = (other[:, 9] + 1) % model.config.vocabulary
    before, after = everything(model, tokens), everything(model, other)
    changed = 0
    for name, x in before.items():
        rows = -2 if name.endswith((".scores", ".pattern")) else 1
        assert torch.equal(x.narrow(rows, 0, 9), after[name].narrow(rows, 0, 9)), name
        changed += not torch.equal(x, after[name])
    assert changed > 10


@pytest.mark.parametrize("kind", KINDS)
def test_that_pattern_rows_sum_to_one_and_never_look_ahead(kind: str) -> None:  # V2
    model = random_model(kind)
    kept = everything(model, random_tokens(model))
    for layer in range(model.config.layers):
        pattern, scores = kept[f"{layer}.pattern"], kept[f"{layer}.scores"]
        assert torch.allclose(pattern.sum(-1), torch.ones(1, dtype=torch.float64), rtol=0, atol=1e-12)
        assert pattern.triu(1).count_nonzero() == 0
        assert (pattern[..., 0, 0] == 1).all()
        assert pattern.isfinite().all()
        future = torch.ones(14, 14, dtype=torch.bool).triu(1)
        assert (scores[..., future] == -math.inf).all()
        assert scores[..., ~future].isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_that_the_stream_is_the_sum_of_what_is_written_and_heads_add(kind: str) -> None:  # V3, V4
    model = random_model(kind)
    kept = everything(model, random_tokens(model))
    config = model.config
    stream = kept["embed"] + (kept["pos"] if config.positions == "absolute" else 0)
    for layer in range(config.layers):
        heads = heads_apart(model, kept[f"{layer}.z"], layer).sum(2)
        bias = model.layers[layer].attention.b_O if config.output_bias else 0.0
        torch.testing.assert_close(heads + bias, kept[f"{layer}.attn_out"], rtol=0, atol=1e-10)
        stream = stream + heads + bias + (kept[f"{layer}.mlp_out"] if config.d_mlp else 0.0)
        torch.testing.assert_close(stream, kept[f"{layer}.resid_post"], rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", ["absolute-bare", "shortformer-bare"])
def test_that_paths_sum_to_the_logits(kind: str) -> None:  # V5
    """Direct path + heads + virtual heads, from weights and true patterns alone (Elhage et al. 2021)."""
    model = random_model(kind)
    tokens = random_tokens(model)
    kept = everything(model, tokens)
    x = model.W_E[tokens] + (model.W_pos[: tokens.shape[1]] if kind == "absolute-bare" else 0.0)  # (B, T, d)

    def patterned_ov(layer: int, y: Tensor) -> list[Tensor]:
        attention = model.layers[layer].attention
        W_V, W_O = attention.W_V.chunk(4, dim=1), attention.W_O.chunk(4, dim=0)
        return [kept[f"{layer}.pattern"][:, h] @ y @ (W_V[h] @ W_O[h]) for h in range(4)]

    first = patterned_ov(0, x)
    virtual = [path for written in first for path in patterned_ov(1, written)]
    assert len(virtual) == 16
    logits = sum(path @ model.W_U for path in [x, *first, *patterned_ov(1, x), *virtual])
    torch.testing.assert_close(logits, kept["logits"], rtol=0, atol=1e-9)


def test_that_shortformer_positions_never_enter_the_stream_or_the_values() -> None:
    model = random_model("shortformer-bare", layers=1)
    tokens = torch.full((1, 10), 3)
    kept = everything(model, tokens)
    assert (kept["0.resid_post"] - kept["0.resid_post"][:, :1]).abs().max() < 1e-14
    assert kept["0.v"].unique(dim=1).shape[1] == 1
    assert kept["0.q"].unique(dim=1).shape[1] == 10


def moved_scores(kind: str, **changes: object) -> tuple[Tensor, Tensor]:
    """Raw scores of one prompt at the start and 7 places later, behind other tokens; one layer, so contents agree."""
    model = random_model(kind, layers=1, **changes)
    part, lead = random_tokens(model, rows=1, length=12), random_tokens(model, rows=1, length=7, seed=5)
    here = everything(model, part)["0.scores"]
    there = everything(model, torch.cat((lead, part), dim=1))["0.scores"][..., 7:, 7:]
    return here, there


@pytest.mark.parametrize("kind", ["neox-like", "llama-like"])
def test_that_rotary_scores_depend_on_the_distance_alone(kind: str) -> None:  # V27
    here, there = moved_scores(kind)
    torch.testing.assert_close(here, there, rtol=0, atol=1e-9)
    assert here.tril().abs().max() > 0.1


@pytest.mark.parametrize("kind", ["gpt2-like", "shortformer-bare"])
def test_that_scores_with_absolute_positions_change_when_the_prompt_moves(kind: str) -> None:  # V27
    here, there = moved_scores(kind)
    assert (here - there).nan_to_num(neginf=0.0).abs().max() > 0.01


def test_that_rotary_positions_do_turn() -> None:
    still, turning = random_model("llama-like", positions="none"), random_model("llama-like")
    tokens = random_tokens(still)
    assert (
        everything(still, tokens)["0.scores"] - everything(turning, tokens)["0.scores"]
    ).nan_to_num().abs().max() > 0.1


@pytest.mark.parametrize("rotary_dim", [6, 4])
def test_that_interleaved_pairing_is_half_pairing_with_the_dimensions_in_another_order(rotary_dim: int) -> None:
    neighbours = random_model("llama-like", rotary_dim=rotary_dim)
    halves = random_model("llama-like", rotary_dim=rotary_dim, rotary_pairing="half")
    order = [*range(0, rotary_dim, 2), *range(1, rotary_dim, 2), *range(rotary_dim, 6)]
    for layer in halves.layers:
        for weight in (layer.attention.W_Q, layer.attention.W_K):
            weight.copy_(weight.unflatten(1, (-1, 6))[..., order].flatten(1))
    tokens = random_tokens(halves)
    torch.testing.assert_close(neighbours(tokens), halves(tokens), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_that_a_saved_model_computes_the_same_bits(kind: str, tmp_path: Path) -> None:  # V33
    model = random_model(kind, dtype=torch.float32, vocabulary=12)
    native.save(tmp_path / "model.safetensors", model, tokenizer())
    again, _ = native.load(tmp_path / "model.safetensors")
    tokens = random_tokens(model)
    assert again.config == model.config
    assert torch.equal(model(tokens), again(tokens))


def test_that_a_prompt_over_the_context_is_refused_with_both_numbers() -> None:
    model = random_model()
    model(random_tokens(model, length=32))
    with pytest.raises(ValueError, match=r"33 tokens .* 32"):
        model(random_tokens(model, length=33))


def test_that_gradients_reach_every_weight() -> None:
    """Scores are masked in place; training must not notice."""
    model = random_model("llama-like").requires_grad_(True)
    model(random_tokens(model)).square().mean().backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in model.parameters())


def test_that_alibi_lowers_scores_by_distance_and_head() -> None:
    model = random_model("alibi-bare")
    tokens = random_tokens(model)
    kept = everything(model, tokens)
    bare = torch.einsum("bihd,bjhd->bhij", kept["0.q"], kept["0.k"]) / 6**0.5
    gap = (kept["0.scores"] - bare)[0, :, 9, 4]  # five places apart, four heads: slopes 1/4, 1/16, 1/64, 1/256
    torch.testing.assert_close(gap, torch.tensor([-5 / 4, -5 / 16, -5 / 64, -5 / 256]).double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_that_a_run_resumed_in_the_middle_ends_the_same(kind: str) -> None:
    model = random_model(kind)
    tokens = random_tokens(model)
    kept = everything(model, tokens)
    _, frame = model.begin(tokens)
    assert torch.equal(model.resume(kept["1.resid_pre"], frame, 1), model.residual(tokens))
