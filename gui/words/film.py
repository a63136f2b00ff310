"""The curves of a training run as charts with names, and what the timeline says. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.work.results import FilmCurves, ModelInfo
from gui.theme import Role
from gui.widgets.curve import Chart, Curve, View

NO_FILM = "This model has no film of its training. Default, Instant, Absolute and Markov have one."
DRAWN = 0.3  # of the score at the end: from there on a head's curve is drawn
KIND_ROLES: dict[str, Role] = {"k": "induction", "q": "accent", "v": "duplicate"}  # as in the diagram
NATS, SCORE, SHARE = "loss (nats)", "score of a head", "share"
ROLE_OF: dict[str, Role] = {"induction": "induction", "previous_token": "previous"}
Array = NDArray[np.float64]


def views(film: FilmCurves) -> list[View]:
    """Every pair of charts that this run has numbers for; what matters first."""
    found = [
        View(
            "Copying",
            "Losses of the two copies of a random repeat, of all rows and of text; induction and previous-token heads.",
            Chart(NATS, _losses(film)),
            Chart(SCORE, _heads(film)),
        )
    ]
    if film.divergence:
        above = _divergences(film)
        tip = "How far the model is from the exact predictors: KL(predictor || model) on chains it has never seen."
        found.insert(0, View("Counting", tip, Chart("KL (nats)", above), Chart(SCORE, _heads(film))))
    if np.isfinite(film.losses["in_context"]).any():
        tip = (
            "In-context score: loss in the later half of a row less that in the earlier; negative where context helps. "
            "Below, how far each head copies what it reads: eigenvalues of its full OV circuit, 1 copies."
        )
        found.append(
            View("Context", tip, Chart("late − early (nats)", _context(film)), Chart("copying", _copying(film)))
        )
    if "k" in film.pairs or "memory_copy" in film.heads:
        tip = (
            "By weights alone. Above, the strongest pair of heads of each kind of composition, as a share of its "
            "ceiling. "
            "Below, what is known by heart: place (one back comes first), match (a token finds its own note), copy."
        )
        found.append(View("Circuit", tip, Chart("of the ceiling", _composition(film)), Chart(SHARE, _memories(film))))
    if film.seeds:
        tip = "The same recipe with other seeds, all of them; dashed: their one-layer twins."
        found.append(View("Seeds", tip, *_seeds(film)))
    return found


def _steps(film: FilmCurves) -> Array:
    return np.array(film.measured, dtype=np.float64)


def _curve(film: FilmCurves, name: str, values: Array, role: Role = "none", **how: bool) -> Curve:
    return Curve(name, _steps(film), values, role, **how)


def _losses(film: FilmCurves) -> tuple[Curve, ...]:
    """Second copies of the runs beside it are dashed."""
    curves = [
        _curve(film, "first copy", film.losses["repeat_loss_first"]),
        _curve(film, "second copy", film.losses["repeat_loss_second"], "induction", wide=True),
        _curve(film, "all rows", film.losses["loss"], "duplicate"),
        _curve(film, "text", film.losses["text_loss"], "accent"),
    ]
    for other, words in ((film.twin, "one layer"), (film.text_only, "text only")):
        if other is not None:
            curves.append(_curve(other, f"second copy, {words}", other.losses["repeat_loss_second"], twin=True))
    return tuple(curve for curve in curves if np.isfinite(curve.values).any())


def _heads(film: FilmCurves) -> tuple[Curve, ...]:
    """Induction and previous-token scores of the heads that end with one; the best of either kind drawn wide."""
    curves = list[Curve]()
    for name, word in (("induction", "ind"), ("previous_token", "prev")):
        curves += _of_heads(film, film.heads[name], ROLE_OF[name], word, DRAWN)
    return tuple(curves)


def _of_heads(film: FilmCurves, scores: Array, role: Role, word: str, least: float) -> list[Curve]:
    """A curve for the best head at the end, with its name beside it, and for each other that ends at `least` or above:
    those have none, for they lie close."""
    last = np.nan_to_num(scores[-1], nan=-np.inf)
    best = np.unravel_index(int(last.argmax()), last.shape)
    curves = []
    for layer, head in np.argwhere((last >= least) | (last == last.max())):
        first = (int(layer), int(head)) == (int(best[0]), int(best[1]))
        values = scores[:, layer, head]
        curves.append(_curve(film, f"{layer}.{head} {word}".strip(), values, role, wide=first, named=first))
    return curves


def _context(film: FilmCurves) -> tuple[Curve, ...]:
    curves = [_curve(film, "in context", film.losses["in_context"], "induction", wide=True)]
    for other, words in ((film.twin, "one layer"), (film.text_only, "text only")):
        if other is not None and np.isfinite(other.losses["in_context"]).any():
            curves.append(_curve(other, words, other.losses["in_context"], twin=True))
    return tuple(curves)


def _copying(film: FilmCurves) -> tuple[Curve, ...]:
    scores = film.heads.get("copying")
    return () if scores is None else tuple(_of_heads(film, scores, "induction", "", -1.0))


def _composition(film: FilmCurves) -> tuple[Curve, ...]:
    """The pair of each kind that is strongest at the end."""
    layers, heads = film.heads["induction"].shape[1:]
    curves = []
    for kind, role in KIND_ROLES.items():
        scores = film.pairs.get(kind)
        if scores is not None and layers > 1:
            writer, reader = divmod(int(np.nan_to_num(scores[-1], nan=-1.0).argmax()), scores.shape[2])
            name = f"{kind.upper()} {_head(writer, heads)} → {_head(reader + heads, heads)}"
            curves.append(_curve(film, name, scores[:, writer, reader], role, wide=kind == "k"))
    return tuple(curves)


def _memories(film: FilmCurves) -> tuple[Curve, ...]:
    """The best head, or pair of heads, for each memory."""
    curves = []
    heads = film.heads["induction"].shape[2]
    place, copy, match = film.heads.get("memory_position"), film.heads.get("memory_copy"), film.pairs.get("match")
    if place is not None:
        curves.append(_best(film, place, "place", "previous", heads))
    if match is not None:
        writer, reader = divmod(int(np.nan_to_num(match[-1], nan=-1.0).argmax()), match.shape[2])
        name = f"match {_head(writer, heads)} → {_head(reader, heads)}"
        curves.append(_curve(film, name, match[:, writer, reader], "accent", wide=True))
    if copy is not None:
        curves.append(_best(film, copy, "copy", "induction", heads))
    return tuple(curves)


def _best(film: FilmCurves, scores: Array, word: str, role: Role, heads: int) -> Curve:
    place = int(np.nan_to_num(scores[-1], nan=-1.0).argmax())
    return _curve(film, f"{word} {_head(place, heads)}", scores.reshape(len(scores), -1)[:, place], role)


def _head(place: int, heads: int) -> str:
    return f"{place // heads}.{place % heads}"


def _divergences(film: FilmCurves) -> tuple[Curve, ...]:
    roles: dict[str, Role] = {"uniform": "none", "unigram": "previous", "bigram": "induction"}
    curves = [
        _curve(film, f"from {name}", values, roles[name], wide=name == "bigram")
        for name, values in film.divergence.items()
    ]
    if film.twin is not None and "bigram" in film.twin.divergence:
        curves.append(_curve(film.twin, "from bigram, one layer", film.twin.divergence["bigram"], twin=True))
    return tuple(curves)


def _seeds(film: FilmCurves) -> tuple[Chart, Chart]:
    """The second copy of every run and twin, and the best induction score of each at each step."""
    above, below = list[Curve](), list[Curve]()
    for number, run in enumerate((film, *film.seeds)):
        first = number == 0
        above.append(_curve(run, f"seed {number}", run.losses["repeat_loss_second"], "induction", named=first))
        below.append(_curve(run, f"seed {number}", run.heads["induction"].max((1, 2)), "induction", named=first))
        if run.twin is not None:
            name = f"seed {number}, one layer"
            above.append(_curve(run.twin, name, run.twin.losses["repeat_loss_second"], twin=True, named=first))
            below.append(_curve(run.twin, name, run.twin.heads["induction"].max((1, 2)), twin=True, named=first))
    return Chart("second copy (nats)", tuple(above)), Chart("best induction", tuple(below))


def jump_words(film: FilmCurves) -> str:
    """When the circuit formed, and by which rule; in all seeds where there are others."""
    if film.divergence:
        ends = {name: values[-1] for name, values in film.divergence.items()}
        nearest = min(ends, key=lambda name: ends[name])
        return f"ends {ends[nearest]:.3f} nats from the {nearest} predictor"
    if film.jump is None:
        return "no jump: the second copy never came to save half of the loss"
    words = f"jump at steps {film.jump[0]:,}–{film.jump[1]:,}"
    if not film.seeds:
        return words
    runs = (film, *film.seeds)
    return f"{words} · {sum(run.jump is not None for run in runs)} of {len(runs)} seeds jump"


JUMP_TIP = (
    "From the last measured step at which the second copy of a random repeat saves less than a tenth of the loss of "
    "the first, to the first step after it at which it saves half."
)


def step_of(model: ModelInfo) -> int:
    """The step that is shown; a finished model stands at the end of its film."""
    return model.step if model.step is not None else model.steps[-1] if model.steps else 0


def film_of_rows(rows: Sequence[dict[str, Any]]) -> FilmCurves:
    """The same from the rows that a run tells as it goes, with its twin's beside them."""
    twins = [row["twin"] for row in rows if row.get("twin")]
    film = FilmCurves.of_rows("", (), rows)
    if not twins:
        return film
    return replace(film, twin=FilmCurves.of_rows("", (), twins))
