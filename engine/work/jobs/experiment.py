"""One experiment of the gallery on the open model."""

from __future__ import annotations

from collections.abc import Callable

from engine.work.experiments import circuit, language, literal
from engine.work.experiments.bench import Bench, NotPossible
from engine.work.experiments.catalogue import BY_NAME, Report
from engine.work.experiments.literal import Outcome
from engine.work.requests import RunExperiment
from engine.work.state import EngineState
from engine.work.task import Task

RUNS: dict[str, Callable[[Bench], Outcome]] = {
    "canonical": literal.canonical,
    "prefix": literal.prefix,
    "recency": literal.recency,
    "gap": literal.gap,
    "positions": circuit.positions,
    "scrambled": circuit.scrambled,
    "fuzzy": language.fuzzy,
    "few-shot": language.few_shot,
    "analogy": language.analogy,
}


def run_experiment(request: RunExperiment, state: EngineState, task: Task) -> Report:
    """Raises ValueError for a name that is not in the gallery. Of a model that cannot be asked the answer says why."""
    if request.name not in BY_NAME:
        raise ValueError(f"there is no experiment {request.name[:40]!r}; there are {', '.join(BY_NAME)}")
    opened = state.require()
    key = (opened.info.hash, request)
    known: Report | None = state.recent.get(key)
    if known is None:
        known = _report(request, state, task)
        state.recent.put(key, known)
    return known


def _report(request: RunExperiment, state: EngineState, task: Task) -> Report:
    bench, experiment = Bench(state, task, request.samples, request.seed), BY_NAME[request.name]
    name = state.require().info.name
    try:
        heads = bench.heads
        measures, held, finding = RUNS[request.name](bench)
    except NotPossible as reason:
        return Report(experiment, name, request.seed, (), (), None, f"Not measured: {reason}.")
    return Report(experiment, name, request.seed, heads, tuple(measures), held, finding)
