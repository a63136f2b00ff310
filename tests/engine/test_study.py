"""The study of disturbed runs as a table, and a tiny recipe that shows what depth is for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.model.config import ModelConfig
from engine.training.disturbances import check, parse
from engine.training.recipes import RECIPES, Recipe, Stage
from engine.training.study import CONDITIONS, Outcome, page
from engine.training.trainer import train

TOY = Recipe(
    name="toy",
    config=ModelConfig(layers=2, heads=2, kv_heads=2, d_model=48, d_head=24, vocabulary=25, context=32),
    words=tuple(chr(97 + letter) for letter in range(24)),
    stages=(Stage(400, {"periodic": 1.0}, 4e-3, 4e-3, rows=48, row_length=32),),
    warm_up=50,
)


def best_induction(recipe: Recipe) -> tuple[float, float]:
    """The best head's score, and the share of the second copy that is predicted right, at the end."""
    last = train(recipe, 0, None, lambda _row: None).curves[-1]
    return max(score for layer in last["induction"] for score in layer), float(last["repeat_accuracy"])


def test_that_two_layers_come_to_copy_and_one_does_not() -> None:
    two, one = best_induction(TOY), best_induction(TOY.with_layers(1))
    assert two[0] > 0.3 and two[1] > 0.5
    assert one[0] < 0.15 and one[1] < 0.2


def test_that_every_condition_can_be_read_and_fits_the_small_recipe() -> None:
    for lines in CONDITIONS.values():
        for line in lines:
            check(parse(line), RECIPES["instant"])


def test_that_the_page_shows_failures_beside_the_rest() -> None:
    jumped = Outcome("undisturbed", 0, 600, (100, 250), 0.97, 0.12, 0.7, 0.5)
    runs = [jumped, replace(jumped, seed=1, jump=None, accuracy=0.03), replace(jumped, seed=2, jump=(150, 300))]
    text = page(runs, "main.py emergence")
    assert "| undisturbed | 0 | 600 | 100–250 | 0.97 | 0.12 | 0.70 | 0.50 |" in text
    assert "| undisturbed | 1 | 600 | – | 0.03 |" in text
    assert "| undisturbed | 2 of 3 | 250 | 300 | 0.66 |" in text
    assert "Written by `main.py emergence`" in text


@pytest.mark.parametrize("condition", CONDITIONS)
def test_that_conditions_are_named_for_what_they_do(condition: str) -> None:
    done = " ".join(CONDITIONS[condition])
    assert ("forced" in condition) == ("force" in done) and ("cannot" in condition) == ("forbid" in done)
