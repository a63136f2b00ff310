"""The curves of a run from its film."""

from __future__ import annotations

import numpy as np

from engine.model import checkpoints
from engine.model.loaders.header import ModelFileError
from engine.training import film
from engine.training.phase import phase_change
from engine.work.requests import ReadFilm
from engine.work.results import FilmCurves

LOSSES = ("repeat_loss_first", "repeat_loss_second", "repeat_accuracy", "text_loss")
SCORES = ("induction", "previous_token")
TWIN = "-1-layer"


def read_film(request: ReadFilm) -> FilmCurves:
    """Raises ModelFileError where the model has no film, or one that is damaged."""
    found = _curves(request.name, with_twin=True)
    if found is None:
        raise ModelFileError(
            f"the model {request.name[:60]!r} has no film of its training; Default, Instant and Absolute have one"
        )
    return found


def _curves(name: str, with_twin: bool) -> FilmCurves | None:
    path = checkpoints.film_of(name)
    if path is None:
        return None
    run = film.opened(path)
    rows = run.curves
    try:
        losses = {key: np.array([float(row.get(key, np.nan)) for row in rows]) for key in LOSSES}
        induction, previous = (np.array([row[key] for row in rows], dtype=np.float64) for key in SCORES)
        if induction.ndim != 3 or induction.shape != previous.shape:
            raise ValueError("not one score for each head")
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path.name} is damaged: {type(error).__name__} in its curves") from None
    steps = tuple(int(row["step"]) for row in rows)
    jump = phase_change(steps, losses["repeat_loss_first"].tolist(), losses["repeat_loss_second"].tolist())
    twin = _curves(f"{name}{TWIN}", with_twin=False) if with_twin else None
    return FilmCurves(name, run.steps, steps, losses, induction, previous, jump, twin)
