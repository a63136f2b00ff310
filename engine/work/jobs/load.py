"""Opens a model; the one that was open stays until the new one is ready."""

from __future__ import annotations

from dataclasses import replace

from engine.model import library, memory
from engine.model.loaders.formats import fingerprint, format_of
from engine.model.taps import Cancelled
from engine.work.requests import LoadModel
from engine.work.results import ModelInfo
from engine.work.state import EngineState, OpenModel
from engine.work.task import Task


def load_model(request: LoadModel, state: EngineState, task: Task) -> ModelInfo:
    """Raises ModelFileError, in one line, for whatever is wrong with the files, or when memory will not do."""

    def report(done: int, total: int, what: str) -> None:
        if task.cancelled():
            raise Cancelled
        task.report(done, total, what)

    path = library.resolve(request.model)
    info = library.describe(path)
    memory.require(info.memory, info.title)
    report(0, 1, f"reading {info.title}")
    model, tokenizer = format_of(path).load(path, report)
    report(0, 1, f"checking {info.title}")
    info = replace(info, hash=fingerprint(path))
    state.opened = OpenModel(info, model, tokenizer)
    return info
