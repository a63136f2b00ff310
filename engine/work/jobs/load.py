"""Opens a model; the one that was open stays until the new one is ready."""

from __future__ import annotations

from dataclasses import replace

from engine.model import checkpoints, library, memory
from engine.model.loaders import film
from engine.model.loaders.assemble import assemble
from engine.model.loaders.formats import fingerprint, format_of
from engine.model.loaders.header import ModelFileError
from engine.model.taps import Cancelled
from engine.work.requests import LoadModel
from engine.work.results import ModelInfo
from engine.work.state import EngineState, OpenModel
from engine.work.task import Task

STEP = ", step "  # in the title of a checkpoint


def load_model(request: LoadModel, state: EngineState, task: Task) -> ModelInfo:
    """Raises ModelFileError, in one line, for whatever is wrong with the files, or when memory will not do."""

    def report(done: int, total: int, what: str) -> None:
        if task.cancelled():
            raise Cancelled
        task.report(done, total, what)

    base, step = checkpoints.parted(request.model)
    if step is not None:
        return _load_checkpoint(base, step, state)
    path = library.resolve(request.model)
    info = library.describe(path)
    memory.require(info.memory, info.title)
    report(0, 1, f"reading {info.title}")
    model, tokenizer = format_of(path).load(path, report)
    report(0, 1, f"checking {info.title}")
    info = replace(info, hash=fingerprint(path), steps=_steps(info.name))
    state.opened = OpenModel(info, model, tokenizer)
    return info


def _steps(name: str) -> tuple[int, ...]:
    """The checkpoints of a model's film; none where it has no film, or a damaged one: the finished model needs none."""
    path = checkpoints.film_of(name)
    try:
        return () if path is None else film.opened(path).steps
    except ModelFileError:
        return ()


def _load_checkpoint(base: str, step: int, state: EngineState) -> ModelInfo:
    """One checkpoint of a run, with tokenizer and configuration of the model that is open, or of the shipped one."""
    path = checkpoints.film_of(base)
    assert path is not None  # parted() has seen it
    run = film.opened(path)
    weights, open_now = run.weights(step), state.opened
    if open_now is not None and open_now.info.run == base:
        tokenizer, described = open_now.tokenizer, open_now.info
    else:
        shipped = library.resolve(base)
        tokenizer, described = format_of(shipped).load(shipped)[1], library.describe(shipped)
    numbers = {name: value.float() for name, value in weights.items()}
    model = assemble(f"{path.name} at step {step}", described.config, numbers)
    info = replace(
        described,
        name=checkpoints.named(base, step),
        title=f"{described.title.partition(STEP)[0]}{STEP}{step}",
        path=str(path),
        hash=film.fingerprint(weights),
        steps=run.steps,
        step=step,
    )
    state.opened = OpenModel(info, model, tokenizer)
    return info
