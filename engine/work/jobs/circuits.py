"""What the weights of every head say by themselves: how near copying, which tokens, which positions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.circuits.weights.composition_edges import Edge
from engine.circuits.weights.factored import Factored, SingularDirections
from engine.circuits.weights.ovqk import full_ov, k_composed_qk, positional_pattern
from engine.model.config import HeadRef
from engine.work.jobs.composition import composition_of_pairs
from engine.work.state import EngineState
from engine.work.task import Task

DIRECTIONS = 3


@dataclass(frozen=True)
class HeadCircuits:
    """One head from weights alone; None where it is not defined, or the model has nothing of the kind.

    identity_cosine and its ceiling are of the full OV circuit. `positional_previous`: the mean attention that positions
    alone would give i - 1, over the context. `key_writer` is the head that K-composes best with this one, and
    `key_copying` the eigenvalue score of the QK circuit through it: 1 when a query matches the token its key was told.
    """

    head: HeadRef
    identity_cosine: float | None
    identity_ceiling: float
    directions: SingularDirections
    positional_previous: float | None
    key_writer: HeadRef | None
    key_copying: float | None


def circuits(state: EngineState, task: Task) -> Iterator[HeadCircuits]:
    """Every head of the open model, in layer order; memory of two factors, V h each."""
    opened = state.require()
    model, writers = opened.model, _best_writers(state, task)
    for head in model.config.all_heads:
        task.yield_point()
        ov, writer = full_ov(model, head), writers.get(head)
        yield HeadCircuits(
            head=head,
            identity_cosine=ov.identity_cosine(),
            identity_ceiling=ov.identity_ceiling,
            directions=ov.directions(DIRECTIONS),
            positional_previous=_positional_previous(state, head),
            key_writer=writer,
            key_copying=None if writer is None else _key_circuit(state, head, writer).eigenvalue_score(),
        )


def _best_writers(state: EngineState, task: Task) -> dict[HeadRef, HeadRef]:
    """For each head the one that K-composes best with it, by fraction of the ceiling; none in the first layer."""
    if state.require().model.config.layers < 2:
        return {}
    best: dict[HeadRef, Edge] = {}
    for edge in composition_of_pairs(state, task):
        reader = edge.reader
        if edge.kind != "k" or edge.fraction is None or not isinstance(reader, HeadRef):
            continue
        if reader not in best or edge.fraction > (best[reader].fraction or 0.0):
            best[reader] = edge
    return {reader: edge.writer for reader, edge in best.items() if isinstance(edge.writer, HeadRef)}


def _key_circuit(state: EngineState, reader: HeadRef, writer: HeadRef) -> Factored:
    model = state.require().model
    # a query right after the key's neighbour; only rotary circuits depend on it
    offset = 1 if model.config.positions == "rotary" else None
    return k_composed_qk(model, reader, writer, offset)


def _positional_previous(state: EngineState, head: HeadRef) -> float | None:
    model = state.require().model
    if model.config.positions not in ("absolute", "shortformer"):
        return None
    return float(positional_pattern(model, head).diagonal(-1).double().mean())
