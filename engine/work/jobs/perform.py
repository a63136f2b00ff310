"""From a request to the job that answers it: for the window's engine thread and for the command line
alike.
"""

from __future__ import annotations

import torch

from engine.work.jobs.analyze import analyze
from engine.work.jobs.compare import compare
from engine.work.jobs.examine_head import examine_head
from engine.work.jobs.experiment import run_experiment
from engine.work.jobs.judge import judged
from engine.work.jobs.load import load_model
from engine.work.jobs.observe_behaviour import observe_behaviour
from engine.work.jobs.score_heads import score_heads
from engine.work.jobs.walk_through import walk_through
from engine.work.requests import (
    Analyze,
    Compare,
    ExamineHead,
    Judge,
    LoadModel,
    ObserveBehaviour,
    Request,
    RunExperiment,
    ScoreHeads,
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
        case Judge():
            return judged(request, state, task)
        case RunExperiment():
            return run_experiment(request, state, task)
        case WalkThrough():
            return walk_through(request, state, task)
