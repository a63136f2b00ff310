"""Rows, recipes, trainer and film: what a card says of a run must be true of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

from engine.model.config import ModelConfig
from engine.training.data import BLOCK, RowMaker, read_blocks
from engine.training.recipes import RECIPES, Recipe, Stage
from engine.training.trainer import Trained, train

TINY = Recipe(
    name="instant",
    config=ModelConfig(layers=2, heads=2, kv_heads=2, d_model=16, d_head=8, vocabulary=9, context=16),
    words=tuple("abcdefgh"),
    stages=(
        Stage(3, {"periodic": 1.0}, 1e-2, 1e-2, rows=4, row_length=12, vocabulary=4),
        Stage(3, {"periodic": 0.5, "random": 0.5}, 1e-2, 1e-3, rows=4, row_length=16),
    ),
    checkpoints=(2,),
)


def maker(seed: int, text_length: int = 5000) -> RowMaker:
    text = np.random.default_rng(1).integers(100, 200, text_length)
    return RowMaker(text, range(1, 100), 0, np.random.default_rng(seed))


def run(recipe: Recipe, seed: int, out: Path) -> Trained:
    return train(recipe, seed, out, lambda _curve: None)


@pytest.mark.parametrize("kind", ["plain", "spliced", "random", "periodic"])
def test_that_every_marked_token_follows_as_it_followed_before(kind: str) -> None:
    for seed in range(40):
        row = getattr(maker(seed), kind)(128)
        assert len(row.tokens) == len(row.copied) == 128
        assert row.tokens[0] == 0 and not row.copied[0]
        pairs = set()
        for place in range(1, 128):
            pair = (row.tokens[place - 1], row.tokens[place])
            assert not row.copied[place] or pair in pairs
            pairs.add(pair)


def test_that_plain_rows_have_no_copies_and_the_other_kinds_do() -> None:
    share = {
        k: np.mean([getattr(maker(s), k)(128).copied.mean() for s in range(50)]) for k in ("plain", "spliced", "random")
    }
    assert share["plain"] == 0.0
    assert 0.1 < share["spliced"] < 0.5 and 0.1 < share["random"] < 0.5


def test_that_half_of_the_spliced_spans_are_the_rows_own_text() -> None:
    rows = [maker(seed).spliced(128) for seed in range(200)]
    copied = np.concatenate([row.tokens[row.copied] for row in rows])
    assert 0.35 < (copied >= 100).mean() < 0.65  # text tokens are 100 and over, random ones below


def test_that_held_out_text_is_never_trained_on() -> None:
    training, held_out = read_blocks("addresses", held_out=False), read_blocks("addresses", held_out=True)
    assert held_out and not set(training) & set(held_out)
    assert sum(map(len, training + held_out)) > 20 * BLOCK


def test_that_the_same_seed_gives_the_same_weights_and_another_seed_does_not(tmp_path: Path) -> None:  # V32
    one, two, other = (run(TINY, seed, tmp_path) for seed in (0, 0, 1))
    assert one.curves == two.curves
    assert all(torch.equal(a, b) for a, b in zip(one.model.parameters(), two.model.parameters(), strict=True))
    assert not torch.equal(one.model.W_E, other.model.W_E)


def test_that_a_small_vocabulary_leaves_the_other_tokens_untrained(tmp_path: Path) -> None:
    calm = replace(TINY, weight_decay=0.0, stages=TINY.stages[:1])
    before = run(calm.cut(1), 0, tmp_path).model.W_U
    after = run(calm, 0, tmp_path).model.W_U
    moved = (before != after).any(dim=0)  # (V)
    assert 1 <= int(moved.sum()) <= 4


def test_that_the_film_ends_with_the_model_itself(tmp_path: Path) -> None:
    model = run(TINY, 0, tmp_path).model
    with safe_open(tmp_path / "film.safetensors", "pt") as film:
        steps = sorted({name.split("/")[0] for name in film.keys()})  # noqa: SIM118 - a file, not a dict
        assert steps == ["000000", "000002", "000006"]
        assert torch.equal(film.get_tensor("000006/W_E"), model.W_E)
        assert json.loads(film.metadata()["curves"])[0]["step"] == 0


def test_that_a_cut_recipe_is_the_beginning_of_the_whole_one(tmp_path: Path) -> None:
    (tmp_path / "cut").mkdir()
    run(TINY.cut(2), 0, tmp_path / "cut")
    run(TINY, 0, tmp_path)
    with (
        safe_open(tmp_path / "cut" / "film.safetensors", "pt") as cut,
        safe_open(tmp_path / "film.safetensors", "pt") as whole,
    ):
        assert torch.equal(cut.get_tensor("000002/W_E"), whole.get_tensor("000002/W_E"))


@pytest.mark.parametrize("steps", [0, -1, 10_000_000])
def test_that_a_recipe_is_not_cut_to_nothing_or_stretched(steps: int) -> None:
    with pytest.raises(ValueError, match="cannot be run"):
        RECIPES["instant"].cut(steps)


def test_that_the_words_of_instant_are_64_and_distinct() -> None:
    words = RECIPES["instant"].words
    assert len(words) == len(set(words)) == 64 == RECIPES["instant"].config.vocabulary - 1
