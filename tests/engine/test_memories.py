"""What weights have learned by heart: known in the hand-built models, and against the monitor's other numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from engine.circuits.weights.ovqk import copying_eigenvalues, full_ov, k_composed_qk, positional_pattern
from engine.model import handbuilt, library
from engine.model.config import HeadRef
from engine.model.loaders import native
from engine.model.transformer import Transformer
from engine.training import memories
from engine.training.monitor import Monitor
from engine.training.recipes import RECIPES


@pytest.fixture(scope="module")
def instant() -> tuple[Transformer, torch.Tensor]:
    model, tokenizer = native.load(library.resolve("instant"))
    return model, torch.tensor(tokenizer.ordinary)


def test_that_the_hand_built_circuit_is_known_by_heart() -> None:
    model, tokenizer = handbuilt.build("handbuilt-k")
    tokens = torch.tensor(tokenizer.ordinary)
    places, matches, copied = memories.positions(model), memories.matches(model, tokens), memories.copies(model, tokens)
    assert places is not None and places[0][0] == 1.0
    assert matches is not None and matches[0][1] == 1.0  # one head a layer
    assert matches[1][0] is None and matches[0][0] is None
    assert copied[1][0] == 1.0


@torch.inference_mode()
def test_that_each_share_is_what_a_loop_counts(instant: tuple[Transformer, torch.Tensor]) -> None:
    model, tokens = instant
    places, matches, copied = memories.positions(model), memories.matches(model, tokens), memories.copies(model, tokens)
    assert places is not None and matches is not None
    pattern = positional_pattern(model, HeadRef(0, 1)).tolist()
    hits = [max(range(i + 1), key=pattern[i].__getitem__) == i - 1 for i in range(1, len(pattern))]
    assert places[0][1] == pytest.approx(np.mean(hits))
    n = torch.arange(len(tokens))
    ov = full_ov(model, HeadRef(1, 1)).block(tokens, tokens)
    assert copied[1][1] == pytest.approx(float((ov.argmax(-1) == n).double().mean()))
    qk = k_composed_qk(model, HeadRef(1, 0), HeadRef(0, 1)).block(tokens, tokens)
    assert matches[1][2] == pytest.approx(float((qk.argmax(-1) == n).double().mean()))


def test_that_what_is_not_defined_is_none() -> None:
    one_layer = Transformer(RECIPES["instant"].with_layers(1).config)
    assert memories.matches(one_layer, torch.arange(1, 5)) is None
    turning = Transformer(replace(RECIPES["instant"].config, positions="rotary", rotary_dim=32))
    assert memories.positions(turning) is None and memories.matches(turning, torch.arange(1, 5)) is None


def test_that_the_monitor_tells_the_same_as_the_circuits(instant: tuple[Transformer, torch.Tensor]) -> None:
    model, tokens = instant
    _, tokenizer = native.load(library.resolve("instant"))
    recipe = RECIPES["instant"]
    monitor = Monitor(tokenizer, np.empty(0, dtype=np.int64), recipe.config.context)
    row = monitor.measure(model, recipe.stages[0], tokens.numpy())
    flat = [score for layer in row["copying"] for score in layer]
    assert flat == pytest.approx(copying_eigenvalues(model), abs=1e-4)
    assert row["in_context"] < -2.0  # negative where context helps
    assert row["repeat_loss_second"] < 0.1 < row["loss"]
    assert max(max(pairs) for pairs in row["composition"]["k"]) > 0.7
    assert "divergence" not in row and "text_loss" not in row


def test_that_a_counting_model_is_near_the_bigram_predictor_and_its_twin_stays_with_the_unigram() -> None:
    found = {}
    for name in ("markov", "markov-1-layer"):
        model, tokenizer = native.load(library.resolve(name))
        recipe = RECIPES["markov"]
        monitor = Monitor(tokenizer, np.empty(0, dtype=np.int64), recipe.config.context)
        found[name] = monitor.measure(model, recipe.stages[-1], np.sort(np.array(tokenizer.ordinary)))["divergence"]
    two, one = found["markov"], found["markov-1-layer"]
    assert two["bigram"] < 0.02 < 0.08 < two["unigram"] < two["uniform"]
    assert one["unigram"] < 0.02 < 0.08 < one["bigram"]
