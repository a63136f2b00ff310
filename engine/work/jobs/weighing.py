"""What a verdict's job shares between its two scopes: a trial run to its end, and what the weights say of its heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from engine.circuits.trial import Named, Roles, Trial
from engine.circuits.verdict import Measured, Number
from engine.circuits.weights.composition_edges import Edge
from engine.circuits.weights.ovqk import full_ov, rates_of_heads
from engine.model.config import HeadRef
from engine.work.jobs.composition import composition_of_pairs
from engine.work.state import EngineState, OpenModel
from engine.work.task import Task

FEEDS = 0.15  # a head may feed the circuit from this score on: naming it is no evidence, it only says what is tested
MANY_HEADS = 64
DRAWS = 8  # sets of other heads to compare with, half as many in a large model
ABOVE_RANDOM = 1.15  # times the fraction of random heads; the best pairs of 300 random models stay below 1.12
BEST_SHARE = 0.05  # of all pairs of a kind may stand before the best one of the circuit
ONE_LAYER = (
    "This model has one layer: its heads work side by side and cannot compose, so there is no circuit of two heads."
)
FEW_TOKENS = "There are too few other tokens in this vocabulary to replace the earlier copies: no path could be tested."


def compared(named: Roles, opened: OpenModel) -> Roles:
    """With how much they are compared to others: of a large model less, for every run takes most of a second."""
    large = len(opened.model.config.all_heads) > MANY_HEADS
    return replace(named, draws=DRAWS // 2 if large else DRAWS, brief=large)


def run(trial: Trial, task: Task) -> dict[str, Number]:
    found: dict[str, Number] = {}
    for name, number in trial.numbers():
        task.yield_point()
        found[name] = number
    return found


def weighed(measured: Measured, state: EngineState, task: Task) -> Measured:
    """With what the weights say of the named heads: copying, and composition of every pair of a writer and a reader."""
    opened = state.require()
    numbers, limits, pairs = dict(measured.numbers), dict(measured.limits), dict(measured.pairs)
    numbers |= _copying(opened, measured.induction)
    edges = composition_of_pairs(state, task)
    for part, writers in (("k", measured.previous), ("q", measured.duplicate)):
        mine = [edge for edge in edges if edge.kind == part and edge.fraction is not None]
        own = [edge for edge in mine if edge.writer in writers and edge.reader in measured.induction]
        if own:
            best = max(own, key=lambda edge: edge.fraction or 0.0)
            numbers |= dict(_of_edge(part, best))
            limits[f"{part}_fraction"] = min(1.0, ABOVE_RANDOM * best.baseline / (best.ceiling or 1.0))
            limits[f"{part}_rank"] = float(max(len(own), round(BEST_SHARE * len(mine))))
            if isinstance(best.writer, HeadRef) and isinstance(best.reader, HeadRef):
                pairs[part] = (best.writer, best.reader)
    return replace(measured, numbers=numbers, limits=limits, pairs=pairs)


def _of_edge(part: str, edge: Edge) -> list[Named]:
    values = {"fraction": edge.fraction, "rank": edge.rank, "z": edge.z}
    return [(f"{part}_{name}", Number(float(value))) for name, value in values.items() if value is not None]


def _copying(opened: OpenModel, heads: tuple[HeadRef, ...]) -> Mapping[str, Number]:
    """The best of the induction heads: where several share the job, one that copies is enough to copy."""
    eigenvalues = [full_ov(opened.model, head).eigenvalue_score() for head in heads]
    rates = [rate.top1 for rate in rates_of_heads(opened.model, heads) if rate is not None]
    found = {"copy_eigenvalues": [value for value in eigenvalues if value is not None], "copy_top1": rates}
    return {name: Number(max(values)) for name, values in found.items() if values}
