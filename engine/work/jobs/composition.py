"""Composition of every pair of heads, and with the ends of the stream. From weights: measured once for a model."""

from __future__ import annotations

from collections.abc import Iterable

from engine.circuits.weights.composition import Block, scan, scan_ends
from engine.circuits.weights.composition_edges import CompositionScores, Edge, merged
from engine.circuits.weights.view import Weights
from engine.work.state import EngineState
from engine.work.task import Task


def composition_of_pairs(state: EngineState, task: Task) -> tuple[Edge, ...]:
    """Every ordered pair of heads, kinds q, k and v. Raises ValueError for a one-layer model."""
    opened = state.require()
    key = (opened.info.hash, "composition")
    known: tuple[Edge, ...] | None = state.recent.get(key)
    if known is None:
        known = _edges(scan(Weights(opened.model)), task)
        state.recent.put(key, known)
    return known


def composition_with_ends(state: EngineState, task: Task) -> tuple[Edge, ...]:
    """Embeddings into every head, and every head into the unembedding."""
    return _edges(scan_ends(Weights(state.require().model)), task)


def _edges(scanning: Iterable[Block], task: Task) -> tuple[Edge, ...]:
    blocks: list[CompositionScores] = []
    for block in scanning:
        task.yield_point()
        blocks += block
    return tuple(edge for scores in merged(blocks).values() for edge in scores.edges())
