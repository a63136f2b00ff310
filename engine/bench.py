"""The timings that need no Qt, each beside its opponent or its floor in the same run. Never imported by tests.

transformers is an opponent here and nowhere else outside the tests; where it is not installed the row says so.
"""

from __future__ import annotations

from collections.abc import Callable

from engine.bench_circuits import ROWS as CIRCUIT_ROWS
from engine.bench_rows import Row, alternating, row, unmeasured
from engine.bench_smollm2 import ROWS as SMOLLM2_ROWS
from engine.bench_training import ROWS as TRAINING_ROWS

__all__ = ["ROWS", "Row", "row", "unmeasured"]  # what the window's own timings need

CAPTURE_BUDGET, ENGINE_PART_BUDGET = 1.15, 2.0


def forward_capture_gpt2s_128() -> Row:
    """GPT-2 small's shape, random weights, 128 tokens, every pattern kept, against the bare forward of transformers."""
    name = "forward_capture_gpt2s_128"
    import torch

    try:
        from transformers import GPT2Config, GPT2LMHeadModel
    except ImportError:
        return unmeasured(name, CAPTURE_BUDGET, "transformers is not installed (requirements-dev.lock)")
    from engine.model.loaders.huggingface.families import from_state_dict
    from engine.model.taps import Capture

    torch.manual_seed(0)
    theirs = GPT2LMHeadModel(GPT2Config()).train(False)
    ours = from_state_dict(theirs.config.to_dict(), theirs.state_dict())
    tokens = torch.randint(0, 50_257, (1, 128))

    def captured() -> object:
        return ours(tokens, Capture(lambda tap: tap.endswith(".pattern")))

    with torch.inference_mode():
        captured(), theirs(tokens)
        seconds, floor = alternating(captured, lambda: theirs(tokens), runs := 7)
    ratio = seconds / floor
    against = "transformers, plain forward of the same weights"
    return row(name, seconds, floor, against, ratio, CAPTURE_BUDGET, ratio <= CAPTURE_BUDGET, runs)


def engine_part_64() -> Row:
    """What the engine does for a key press (patterns, losses, ten best, thumbnails) against the bare forward."""
    import torch

    from engine.model.library import resolve
    from engine.work.jobs.perform import perform
    from engine.work.recent import RecentRuns
    from engine.work.requests import Analyze, LoadModel, Prompt
    from engine.work.state import EngineState
    from engine.work.task import Task

    name = "engine_part_64"
    try:
        resolve("default")
    except ValueError as error:
        return unmeasured(name, ENGINE_PART_BUDGET, str(error))
    state = EngineState(opened=None, recent=RecentRuns())
    perform(LoadModel("default"), state, Task())
    model = state.require().model
    tokens = torch.randint(1, model.config.vocabulary, (1, 64))
    ordinary = state.require().tokenizer.ordinary
    words = (state.require().tokenizer.token_text(number) for number in reversed(ordinary))
    other = (word for word in words if word.startswith(" ") and word[1:].isalpha())

    def ours() -> object:
        """Another last word each time, or the answer would come from the recent runs."""
        return perform(Analyze(Prompt("The" + " dog" * 61 + next(other))), state, Task())

    def bare() -> object:
        with torch.inference_mode():
            return model(tokens)

    ours(), bare()
    seconds, floor = alternating(ours, bare, runs := 50)
    ratio = seconds / floor
    against = "the bare forward pass of the default model, 64 tokens"
    return row(name, seconds, floor, against, ratio, ENGINE_PART_BUDGET, ratio <= ENGINE_PART_BUDGET, runs)


ROWS: dict[str, Callable[[], Row]] = {
    "forward_capture_gpt2s_128": forward_capture_gpt2s_128,
    "engine_part_64": engine_part_64,
    **TRAINING_ROWS,
    **SMOLLM2_ROWS,
    **CIRCUIT_ROWS,  # last: their opponent takes minutes and gigabytes
}
