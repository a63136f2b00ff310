"""The curves of a run from its film, with those of the runs beside it."""

from __future__ import annotations

from dataclasses import replace
from itertools import count, takewhile
from typing import Any

from engine.model import checkpoints, library
from engine.model.checkpoints import TWIN
from engine.model.loaders import film
from engine.model.loaders.header import ModelFileError
from engine.work.film_curves import FilmCurves
from engine.work.requests import ReadFilm

TEXT_ONLY = "-text-only"


def read_film(request: ReadFilm) -> FilmCurves:
    """Raises ModelFileError where the model has no film, or one that is damaged."""
    found = _curves(request.name)
    if found is None:
        raise ModelFileError(
            f"the model {request.name[:60]!r} has no film of its training; "
            "Default, Instant, Absolute and Markov have one"
        )
    seeds = takewhile(bool, (_of_card(f"{request.name}-seed-{seed}") for seed in count(1)))
    return replace(
        found,
        twin=_curves(f"{request.name}{TWIN}"),
        text_only=_curves(f"{request.name}{TEXT_ONLY}"),
        seeds=tuple(one for one in seeds if one is not None),
    )


def _curves(name: str) -> FilmCurves | None:
    path = checkpoints.film_of(name)
    if path is None:
        return None
    run = film.opened(path)
    return _from(name, path.name, run.steps, run.curves)


def _of_card(name: str) -> FilmCurves | None:
    """A run that ships without its film, with its twin; its card has the curves."""
    found = _rows_of_card(name)
    if found is None:
        return None
    base, _, seed = name.rpartition("-seed-")
    return replace(found, twin=_rows_of_card(f"{base}{TWIN}-seed-{seed}"))


def _rows_of_card(name: str) -> FilmCurves | None:
    weights = library.SHIPPED / name / library.WEIGHTS
    rows = library.read_card(weights).get("curves") if weights.is_file() else None
    return _from(name, f"the card of {name}", (), rows) if rows else None


def _from(name: str, place: str, steps: tuple[int, ...], rows: Any) -> FilmCurves:
    try:
        return FilmCurves.of_rows(name, steps, rows)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{place} is damaged: {type(error).__name__} in its curves") from None
