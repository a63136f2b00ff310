"""Rows, recipes, trainer and film: what a card says of a run must be true of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError, safe_open

from engine.model import checkpoints
from engine.model.config import ModelConfig
from engine.model.loaders.film import Film
from engine.model.loaders.header import ModelFileError
from engine.training.data import BLOCK, KINDS, RowMaker, read_blocks
from engine.training.disturbances import Disturbance, Freeze, parse
from engine.training.recipes import RECIPES, Recipe, Stage
from engine.training.run import Diverged, Run
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


@pytest.mark.parametrize("kind", KINDS)
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


# ---------------------------------------------------------------- stopped, gone on with, disturbed
def weights(run: Run) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in run.model.state_dict().items()}


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_that_a_run_paused_anywhere_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    whole = Run(TINY, 3)
    whole.advance(6)
    for pause in range(6):
        first = Run(TINY, 3)
        first.advance(pause)
        first.save(tmp_path / "run.safetensors")
        torch.manual_seed(99)  # what happens meanwhile must not matter
        second = Run.resumed(TINY, tmp_path / "run.safetensors")
        assert second.step == pause and not second.done
        second.advance(6)
        assert_same(weights(whole), weights(second))


def test_that_a_fork_shares_the_past_and_not_the_future(tmp_path: Path) -> None:
    trunk = Run(TINY, 0)
    trunk.advance(3)
    trunk.save(tmp_path / "run.safetensors")
    forced = Disturbance(parse("force 0.0 previous"), start=3)
    fork = Run.resumed(TINY, tmp_path / "run.safetensors", [forced])
    assert_same(weights(trunk), weights(fork))
    trunk.advance(2)
    fork.advance(2)
    assert not torch.equal(trunk.model.W_E, fork.model.W_E)
    again = Run(TINY, 0, [forced])  # the same from the start, as it acts from step 3 on only
    again.advance(5)
    assert_same(weights(fork), weights(again))
    fork.save(tmp_path / "fork.safetensors")
    assert Run.resumed(TINY, tmp_path / "fork.safetensors").disturbances == (forced,)


def test_that_a_disturbance_acts_in_its_time_only() -> None:
    one = Disturbance(parse("zero 0.1"), start=2, end=4)
    assert [one.acts(step) for step in range(6)] == [False, False, True, True, False, False]
    with pytest.raises(ValueError, match="no head 7"):
        Run(TINY, 0, [Disturbance(parse("zero 7.0"))])


def test_that_a_head_that_is_gone_is_not_trained() -> None:
    calm = replace(TINY, weight_decay=0.0)
    run = Run(calm, 0, [Disturbance(parse("zero 0.1"))])
    before = weights(run)
    run.advance(3)
    after, half = weights(run), TINY.config.d_head
    name = "layers.0.attention.W_O"
    assert torch.equal(before[name][half:], after[name][half:])  # nothing came from its loss
    assert not torch.equal(before[name][:half], after[name][:half])


@pytest.mark.parametrize("part", ["embedding", "positions", "unembedding", "layer 1", "W_K 0"])
def test_that_frozen_weights_stay_and_go_on_as_if_no_time_had_passed(part: str) -> None:
    frozen = Freeze(part)
    run = Run(TINY, 0, [Disturbance(frozen, start=2, end=5)])
    run.advance(2)
    before = weights(run)
    moments = {name: run.optimizer.state[weight]["exp_avg"].clone() for name, weight in run.model.named_parameters()}
    run.advance(3)
    for name, weight in run.model.named_parameters():
        same = torch.equal(before[name], weight)
        assert same == frozen.holds(name)
        assert torch.equal(moments[name], run.optimizer.state[weight]["exp_avg"]) == frozen.holds(name)
    run.advance(1)
    assert not any(torch.equal(before[name], value) for name, value in weights(run).items())


def test_that_another_mix_gives_other_rows_while_it_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[dict[str, float]] = []
    rows = RowMaker.rows

    def watched(self: RowMaker, mix: dict[str, float], count: int, length: int) -> object:
        drawn.append(dict(mix))
        return rows(self, mix, count, length)

    monkeypatch.setattr(RowMaker, "rows", watched)
    run = Run(TINY, 0, [Disturbance(parse("mix chain 1"), start=1, end=3)])
    run.advance(4)
    usual = [stage.mix for stage in TINY.stages]
    assert drawn == [usual[0], {"chain": 1.0}, {"chain": 1.0}, usual[1]]


def test_that_bursty_rows_hold_their_pairs_so_often() -> None:
    for burst in (2, 5):
        row = RowMaker(np.empty(0), range(1, 1000), 0, np.random.default_rng(0), burst).bursty(61)
        kinds = 60 // (2 * burst)
        assert row.copied.sum() == kinds * (burst - 1)  # a thousand tokens: no pair is drawn twice


def test_that_a_chain_row_uses_few_symbols_of_the_vocabulary() -> None:
    used = [set(maker(seed).chain(128).tokens[1:].tolist()) for seed in range(20)]
    assert all(len(one) <= 3 for one in used) and len(set().union(*used)) > 20


def test_that_a_loss_that_is_no_number_stops_the_run_before_that_step() -> None:
    run = Run(TINY, 0)
    run.advance(2)
    with torch.no_grad():
        run.model.W_E[1:] = torch.inf
    kept = weights(run)
    with pytest.raises(Diverged, match="no number at step 2"):
        run.advance(3)
    assert run.step == 2
    assert_same(kept, weights(run))


def test_that_a_full_disk_leaves_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, path = Run(TINY, 0), tmp_path / "run.safetensors"
    run.save(path)
    old = path.read_bytes()
    run.advance(1)

    def full(*_arguments: object, **_named: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr("engine.training.run.save_file", full)
    with pytest.raises(OSError, match="No space left"):
        run.save(path)
    assert path.read_bytes() == old and list(tmp_path.iterdir()) == [path]


def test_that_what_is_no_run_of_this_recipe_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "run.safetensors"
    path.write_bytes(b"nonsense")
    with pytest.raises(ModelFileError, match="cannot be read"):
        Run.resumed(TINY, path)
    Run(TINY, 0).save(path)
    with pytest.raises(ModelFileError, match="of another recipe"):
        Run.resumed(TINY.with_layers(1), path)
    with pytest.raises(ModelFileError, match="cannot be read"):
        Run.resumed(TINY, tmp_path / "gone.safetensors")


def test_that_the_film_that_ships_is_made_again_bit_for_bit() -> None:
    """The first steps of the instant run from its seed."""
    film = checkpoints.film_of("instant")
    assert film is not None
    run = Run(RECIPES["instant"], 0)
    run.advance(30)
    shipped = Film(film).weights(30)
    for name, value in run.model.state_dict().items():
        torch.testing.assert_close(value, shipped[name], rtol=1e-4, atol=1e-5)  # other machines add up otherwise
