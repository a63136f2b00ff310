"""From a request to the job that answers it: for the window's engine thread and for the command line
alike.
"""

from __future__ import annotations

import torch

from engine.work.jobs.analyze import analyze
from engine.work.jobs.compare import compare
from engine.work.jobs.examine_head import examine_head
from engine.work.jobs.experiment import run_experiment
from engine.work.jobs.explain import explain_attention, explain_prediction
from engine.work.jobs.find_firings import find_firings
from engine.work.jobs.judge import judged
from engine.work.jobs.load import load_model
from engine.work.jobs.measure_composition import measure_composition
from engine.work.jobs.observe_behaviour import observe_behaviour
from engine.work.jobs.patch_pair import patch_pair
from engine.work.jobs.read_film import read_film
from engine.work.jobs.score_heads import score_heads
from engine.work.jobs.study_head import study_head
from engine.work.jobs.sweep_heads import sweep_heads
from engine.work.jobs.trace_circuit import trace_circuit
from engine.work.jobs.virtual_head import examine_virtual_head
from engine.work.jobs.walk_through import walk_through
from engine.work.requests import (
    Analyze,
    Compare,
    ExamineHead,
    ExamineVirtualHead,
    ExplainAttention,
    ExplainPrediction,
    FindFirings,
    Judge,
    LoadModel,
    MeasureComposition,
    ObserveBehaviour,
    PatchPair,
    ReadFilm,
    Request,
    RunExperiment,
    ScoreHeads,
    StudyHead,
    SweepHeads,
    TraceCircuit,
    WalkThrough,
)
from engine.work.results import Answer
from engine.work.state import EngineState
from engine.work.task import Task


@torch.inference_mode()
def perform(request: Request, state: EngineState, task: Task) -> Answer:
    """Raises Cancelled when nobody waits any more, ValueError with one line when the request cannot be answered."""
    match request:
        case LoadModel():
            return load_model(request, state, task)
        case Analyze():
            return analyze(request, state, task)
        case ExamineHead():
            return examine_head(request, state, task)
        case Compare():
            return compare(request, state, task)
        case ObserveBehaviour():
            return observe_behaviour(request, state, task)
        case ScoreHeads():
            return score_heads(request, state, task)
        case MeasureComposition():
            return measure_composition(request, state, task)
        case TraceCircuit():
            return trace_circuit(request, state, task)
        case StudyHead():
            return study_head(request, state, task)
        case FindFirings():
            return find_firings(request, state, task)
        case ExplainAttention():
            return explain_attention(request, state, task)
        case ExplainPrediction():
            return explain_prediction(request, state, task)
        case ExamineVirtualHead():
            return examine_virtual_head(request, state, task)
        case PatchPair():
            return patch_pair(request, state, task)
        case SweepHeads():
            return sweep_heads(request, state, task)
        case Judge():
            return judged(request, state, task)
        case ReadFilm():
            return read_film(request)
        case RunExperiment():
            return run_experiment(request, state, task)
        case WalkThrough():
            return walk_through(request, state, task)
