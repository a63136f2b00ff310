"""Trains a recipe from a seed to its end: steps (run.py), curves (monitor.py) and a film on the way.

Knows nothing of windows or of command lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.model.checkpoints import FILM
from engine.model.tokenizer import Tokenizer
from engine.model.transformer import Transformer
from engine.training.disturbances import Disturbance
from engine.training.film import FilmWriter
from engine.training.monitor import Monitor
from engine.training.recipes import Recipe
from engine.training.run import Run, encoded

Curve = dict[str, Any]
MEASURE_EVERY = 50


@dataclass(frozen=True)
class Trained:
    model: Transformer
    tokenizer: Tokenizer
    curves: list[Curve]


def train(
    recipe: Recipe,
    seed: int,
    out: Path | None,
    report: Callable[[Curve], None],
    disturbances: Sequence[Disturbance] = (),
) -> Trained:
    """Run every stage of `recipe`; `report` gets each row of the curves as it is measured. Writes `out`/film; None: no
    film. Raises Diverged where the loss is no number any more."""
    run = Run(recipe, seed, disturbances)
    monitor = Monitor(run.tokenizer, encoded(run.tokenizer, recipe, held_out=True), recipe.config.context)
    film = None if out is None else FilmWriter(out / FILM, recipe.film, run.tokenizer)
    curves: list[Curve] = []
    while not run.done:
        keeps = run.step == 0 or run.step in recipe.checkpoints
        if keeps or run.step % MEASURE_EVERY == 0:
            curves.append({"step": run.step, **monitor.measure(run.model, run.stage[0], run.known, run.acting())})
            report(curves[-1])
        if film is not None and keeps:
            film.add(run.step, run.model, curves)
        run.advance()
    curves.append({"step": run.step, **monitor.measure(run.model, run.stage[0], np.sort(run.order), run.acting())})
    report(curves[-1])
    if film is not None:
        film.add(run.step, run.model, curves)
    return Trained(run.model.eval(), run.tokenizer, curves)
