"""Opens a model; the one that was open stays until the new one is ready."""

from __future__ import annotations

from dataclasses import replace

from engine.model import library
from engine.model.loaders import native
from engine.model.taps import Cancelled
from engine.work.requests import LoadModel
from engine.work.results import ModelInfo
from engine.work.state import EngineState, OpenModel
from engine.work.task import Task

STEPS = 3


def load_model(request: LoadModel, state: EngineState, task: Task) -> ModelInfo:
    """Raises ModelFileError, in one line, for whatever is wrong with the file."""
    path = library.resolve(request.model)
    info = library.describe(path)
    _step(task, 1, f"reading {info.name}")
    model, tokenizer = native.load(path)
    _step(task, 2, "checking")
    info = replace(info, hash=native.fingerprint(path))
    _step(task, STEPS, "ready")
    state.opened = OpenModel(info, model, tokenizer)
    return info


def _step(task: Task, done: int, what: str) -> None:
    if task.cancelled():
        raise Cancelled
    task.report(done, STEPS, what)
