"""Composition of every pair of heads and with the ends of the stream, as the matrices that the window draws."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from engine.circuits.weights.composition_edges import Edge
from engine.model.config import ModelConfig
from engine.work.circuit_results import EMBED, POSITIONS, UNEMBED, Composition, PairScores
from engine.work.jobs.composition import composition_of_pairs, composition_with_ends
from engine.work.jobs.remembering import remembered
from engine.work.requests import MeasureComposition, PairKind
from engine.work.state import EngineState
from engine.work.task import Task

FIELDS = ("score", "baseline", "z", "ceiling", "fraction", "rank")
KINDS: tuple[PairKind, ...] = ("q", "k", "v")


@remembered
def measure_composition(request: MeasureComposition, state: EngineState, task: Task) -> Composition:
    """A one-layer model has no pairs of heads; its ends are measured all the same."""
    opened = state.require()
    task.report(0, 2, "which heads could feed which")
    pairs = composition_of_pairs(state, task) if opened.model.config.layers > 1 else ()
    task.report(1, 2, "what heads read from tokens and write to logits")
    return _composition(opened.info.hash, opened.model.config, [*pairs, *composition_with_ends(state, task)])


def _composition(model: str, config: ModelConfig, edges: Sequence[Edge]) -> Composition:
    heads = tuple(map(str, config.all_heads))
    places = (POSITIONS,) if any(edge.writer == POSITIONS for edge in edges) else ()
    writers = (EMBED, *places, *heads)
    offsets = {edge.offset for edge in edges if edge.kind in ("q", "k")}
    return Composition(
        model_hash=model,
        writers=writers,
        readers=heads,
        kinds={kind: _table((edge for edge in edges if edge.kind == kind), writers, heads) for kind in KINDS},
        unembed=_table((edge for edge in edges if edge.kind == UNEMBED), writers, None),
        offset=next(iter(offsets), None),
    )


def _table(edges: Iterable[Edge], writers: Sequence[str], readers: Sequence[str] | None) -> PairScores:
    """(W, R), or (W,) without readers, with NaN where there is no pair."""
    rows = {name: place for place, name in enumerate(writers)}
    columns = {name: place for place, name in enumerate(readers or ())}
    shape = (len(rows), len(columns)) if readers is not None else (len(rows),)
    tables = {name: np.full(shape, np.nan) for name in FIELDS}
    for edge in edges:
        row = rows[str(edge.writer)]
        place = (row, columns[str(edge.reader)]) if readers is not None else (row,)
        for name in FIELDS:
            value = getattr(edge, name)
            tables[name][place] = math.nan if value is None else value
    for table in tables.values():
        table.flags.writeable = False
    return PairScores(**tables)
