"""From the name of a recipe to a folder with model.safetensors, card.json and film: what `main.py train` does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.model import handbuilt
from engine.model.loaders import native
from engine.training import card
from engine.training.evaluation import evaluate
from engine.training.recipes import RECIPES, Recipe
from engine.training.run import encoded
from engine.training.trainer import train

NAMES = (*RECIPES, *handbuilt.NAMES)


def produce(
    name: str, seed: int, layers: int | None, steps: int | None, out: Path, report: Callable[[dict[str, Any]], None]
) -> None:
    """Train or build `name` into `out`. Raises ValueError in one line on what cannot be made."""
    if name in handbuilt.NAMES:
        if layers is not None or steps is not None:
            raise ValueError(f"{name} is built by hand: it takes neither --layers nor --steps")
        out.mkdir(parents=True, exist_ok=True)
        native.save(out / "model.safetensors", *handbuilt.build(name))
        card.write(out, card.handbuilt_card(name))
        return
    recipe = _chosen(name, layers, steps)
    run = train(recipe, seed, out, report)
    held_out = encoded(run.tokenizer, recipe, held_out=True)
    native.save(out / "model.safetensors", run.model, run.tokenizer)
    card.write(out, card.card(recipe, seed, run.curves, evaluate(run.model, run.tokenizer, held_out, seed=0)))


def _chosen(name: str, layers: int | None, steps: int | None) -> Recipe:
    if name not in RECIPES:
        raise ValueError(f"there is no recipe {name!r}; there are {', '.join(NAMES)}")
    recipe = RECIPES[name]
    if layers is not None:
        recipe = recipe.with_layers(layers)
    return recipe if steps is None else recipe.cut(steps)
