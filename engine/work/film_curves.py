"""The curves of a training run as arrays, from the rows that were measured while it went on. No torch, no Qt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.training.chains import PREDICTORS
from engine.training.phase import phase_change

Array = NDArray[np.float64]
LOSSES = ("loss", "repeat_loss_first", "repeat_loss_second", "repeat_accuracy", "text_loss", "in_context")
HEADS = ("induction", "previous_token", "copying", "memory_copy", "memory_position")


@dataclass(frozen=True, eq=False)
class FilmCurves:
    """What was measured while a model was trained, at `measured` (M,) steps; `steps` are those with a checkpoint.

    `losses` by name, (M,), NaN where a run did not measure it: in nats the loss of rows as it learns from, of the first
    and the second copy of a random repeat and of held-out text, and the loss of the later half of a row less that of
    the earlier (negative where context helps); the share of the second copy that is predicted right. `divergence` (M,)
    in nats from each exact predictor of a Markov chain. `heads` by name, (M, L, H): scores on that repeat, copying by
    eigenvalues, and memories by weights alone. `pairs` by name: composition of kind q, k, v as a share of its ceiling,
    (M, writers, readers) with all heads but the last layer's writing and all but the first's reading, and `match`
    (M, N, N) over all heads. What a run did not measure is not in these.

    `jump`: when the second copy came to be predicted, by the rule of training/phase.py; None: it never did. `marks`:
    steps at which something was done to the run, and what. `twin`: the same run with one layer; `seeds`: the same with
    other seeds; `text_only`: the run beside it that saw nothing but running text.
    """

    name: str
    steps: tuple[int, ...]
    measured: tuple[int, ...]
    losses: Mapping[str, Array]
    divergence: Mapping[str, Array]
    heads: Mapping[str, Array]
    pairs: Mapping[str, Array]
    jump: tuple[int, int] | None
    marks: tuple[tuple[int, str], ...] = ()
    twin: FilmCurves | None = None
    seeds: tuple[FilmCurves, ...] = ()
    text_only: FilmCurves | None = None

    @classmethod
    def of_rows(cls, name: str, steps: tuple[int, ...], rows: Sequence[Mapping[str, Any]]) -> FilmCurves:
        """Raises KeyError, TypeError or ValueError for rows that no run has written."""
        measured = tuple(int(row["step"]) for row in rows)
        losses = {key: np.array([_number(row.get(key)) for row in rows]) for key in LOSSES}
        heads = {key: _array(rows, 3, key) for key in HEADS if _has(rows, key)}
        shape = heads["induction"].shape
        if heads["previous_token"].shape != shape or any(one.shape != shape for one in heads.values()):
            raise ValueError("not one score for each head")
        divergence = {str(key): _array(rows, 1, "divergence", key) for key in PREDICTORS if _has(rows, "divergence")}
        pairs = {kind: _array(rows, 3, "composition", kind) for kind in "qkv" if _has(rows, "composition")}
        if _has(rows, "memory_match"):
            pairs["match"] = _array(rows, 3, "memory_match")
        jump = phase_change(measured, losses["repeat_loss_first"].tolist(), losses["repeat_loss_second"].tolist())
        marks = tuple((int(step), str(line)) for row in rows for step, line in row.get("disturbed", ()))
        return cls(name, steps, measured, losses, divergence, heads, pairs, jump, marks)


def _has(rows: Sequence[Mapping[str, Any]], key: str) -> bool:
    """Rows of a film may have been measured at some steps only."""
    return any(key in row for row in rows)


def _array(rows: Sequence[Mapping[str, Any]], dimensions: int, *keys: str) -> Array:
    """(M, ...) values, NaN for rows that lack them and for values that are not defined."""
    found = []
    for row in rows:
        value: Any = row
        for key in keys:
            value = value.get(key) if value is not None else None
        found.append(None if value is None else np.array(value, dtype=np.float64))
    shape = next((one.shape for one in found if one is not None), None)
    if shape is None or len(shape) != dimensions - 1:
        raise ValueError(f"{keys[0]} is of no known shape")
    return np.stack([np.full(shape, np.nan) if one is None else one for one in found])


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)
