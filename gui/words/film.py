"""The curves of a training run as lines with names, and what the timeline says. Pure."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.work.results import FilmCurves, ModelInfo
from gui.widgets.curve import Curve

NO_FILM = "This model has no film of its training. Default, Instant and Absolute have one."
NAMED = 0.3  # of the best score at the end: from there on a head's curve is drawn


def loss_curves(film: FilmCurves) -> list[Curve]:
    """Losses in nats; the twin's second copy beside it."""
    steps = np.array(film.measured, dtype=np.float64)
    curves = [
        Curve("first copy", steps, film.losses["repeat_loss_first"]),
        Curve("second copy", steps, film.losses["repeat_loss_second"], "induction", wide=True),
    ]
    if np.isfinite(film.losses["text_loss"]).any():
        curves.append(Curve("text", steps, film.losses["text_loss"], "accent"))
    if film.twin is not None:
        there = np.array(film.twin.measured, dtype=np.float64)
        curves.append(Curve("second copy, one layer", there, film.twin.losses["repeat_loss_second"], "none", twin=True))
    return curves


def head_curves(film: FilmCurves) -> list[Curve]:
    """Induction and previous-token scores of the heads that end with one; the best of either kind drawn wide."""
    steps, curves = np.array(film.measured, dtype=np.float64), list[Curve]()
    for scores, role, word in ((film.induction, "induction", "ind"), (film.previous_token, "previous", "prev")):
        last = scores[-1]
        best = np.unravel_index(int(last.argmax()), last.shape)
        for layer, head in np.argwhere(last >= NAMED):
            wide = (int(layer), int(head)) == (int(best[0]), int(best[1]))
            curves.append(Curve(f"{layer}.{head} {word}", steps, scores[:, layer, head], role, wide=wide))  # type: ignore[arg-type]  # two roles
    return curves


def jump_words(film: FilmCurves) -> str:
    """When the circuit formed, and by which rule."""
    if film.jump is None:
        return "no jump: the second copy never came to save half of the loss"
    return f"jump between steps {film.jump[0]:,} and {film.jump[1]:,}"


JUMP_TIP = (
    "From the last measured step at which the second copy of a random repeat saves less than a tenth of the loss of "
    "the first, to the first step at which it saves half."
)


def step_of(model: ModelInfo) -> int:
    """The step that is shown; a finished model stands at the end of its film."""
    return model.step if model.step is not None else model.steps[-1] if model.steps else 0


def curves_of_rows(rows: list[dict[str, Any]]) -> tuple[list[Curve], list[Curve]]:
    """The same curves from the rows that a run tells as it goes."""
    steps = tuple(int(row["step"]) for row in rows)
    names = ("repeat_loss_first", "repeat_loss_second", "repeat_accuracy", "text_loss")
    losses = {name: np.array([float(row.get(name, np.nan)) for row in rows]) for name in names}
    induction, previous = (np.array([row[name] for row in rows]) for name in ("induction", "previous_token"))
    film = FilmCurves("", (), steps, losses, induction, previous, None, None)
    return loss_curves(film), head_curves(film)
