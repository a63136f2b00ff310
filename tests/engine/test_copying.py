"""Olsson's copying score from runs (V18)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from engine.circuits.scores.copying import WatchCopying
from engine.circuits.scores.probes import random_repeat
from engine.model.taps import Capture
from engine.model.transformer import Transformer
from tests.engine.shapes import random_model, random_tokens


def copying_model(ov: Tensor) -> Transformer:
    """One head over one-hot tokens that writes `ov` (V, V) straight into the logits."""
    size = len(ov)
    shape = {"layers": 1, "heads": 1, "kv_heads": 1, "d_model": 2 * size, "d_head": size, "vocabulary": size}
    model = random_model("absolute-bare", scale=0.0, **shape)
    model.W_E[:, :size] = torch.eye(size)
    model.W_U[size:] = torch.eye(size)
    attention = model.layers[0].attention
    attention.W_Q[:size] = 8 * torch.randn(size, size, generator=torch.Generator().manual_seed(0)).double()
    attention.W_K[:size] = torch.eye(size)
    attention.W_V[:size] = torch.eye(size)
    attention.W_O[:, size:] = ov
    return model


def copying_score(model: Transformer) -> Tensor:
    tokens = random_repeat(range(model.config.vocabulary), 10, samples=4, seed=0, bos=None, copies=1)
    watch = WatchCopying(model, tokens)
    model(tokens, watch)
    return watch.scores()


def test_that_raising_only_the_attended_token_scores_one_and_only_others_minus_one() -> None:  # V18
    identity = torch.eye(30, dtype=torch.float64)
    torch.testing.assert_close(copying_score(copying_model(identity)), torch.ones(4, 1).double())
    torch.testing.assert_close(copying_score(copying_model(1 - identity)), -torch.ones(4, 1).double())
    assert copying_score(copying_model(0 * identity)).isnan().all()


def test_that_raising_one_other_token_as_much_gives_a_third() -> None:
    """r = 1 / (1 + 2): the attended token and another one of the sample rise alike."""
    ov = torch.eye(10, dtype=torch.float64)
    ov = ov + ov.roll(1, dims=1)
    torch.testing.assert_close(copying_score(copying_model(ov)), torch.full((4, 1), 4 / 3 - 1).double())


def test_that_the_copying_score_is_that_of_contributions_written_out() -> None:
    model = random_model("llama-like")
    tokens = random_repeat(range(19), 8, samples=2, seed=0, bos=None, copies=1)
    watch, kept = WatchCopying(model, tokens), Capture(lambda name: name.endswith((".v", ".pattern")))
    model(tokens, watch)
    model(tokens, kept)
    for layer in range(2):
        for head in range(4):
            W_O = model.layers[layer].attention.W_O[head * 6 : head * 6 + 6]
            readers = model.norm_final.weight[:, None] * model.W_U  # (d, V)
            for row in range(2):
                logits = kept.kept[f"{layer}.v"][row, :, head] @ W_O @ readers  # (source, V)
                rise = (logits - logits.mean(-1, keepdim=True)).relu()[:, tokens[row]]  # (source, sample token)
                weight = kept.kept[f"{layer}.pattern"][row, head].sum(0)
                attended, everything = (weight * rise.diagonal()).sum(), (weight * rise.sum(1)).sum()
                expected = 4 * attended / (attended + everything) - 1
                assert float(watch.scores()[row, layer * 4 + head]) == pytest.approx(float(expected), abs=1e-10)


def test_that_measuring_copying_changes_nothing() -> None:
    model = random_model("gpt2-like")
    tokens = random_tokens(model)
    assert torch.equal(model(tokens), model(tokens, WatchCopying(model, tokens)))
