"""The timings that need no Qt, each beside its opponent or its floor in the same run. Never imported by tests.

transformers is an opponent here and nowhere else outside the tests; where it is not installed the row says so.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

Row = dict[str, Any]

CAPTURE_BUDGET, TOY_BUDGET, ENGINE_PART_BUDGET = 1.15, 5.0, 2.0


def row(
    name: str,
    ours: float | None,
    theirs: float | None,
    against: str,
    ratio: float | None,
    budget: float,
    met: bool | None,
    runs: int,
) -> Row:
    """One measurement. ratio: theirs / ours, or ours / floor where the budget is a multiple of a floor."""
    return {
        "name": name,
        "ours_s": ours,
        "theirs_s": theirs,
        "against": against,
        "ratio": ratio,
        "budget": budget,
        "met": met,
        "runs": runs,
    }


def unmeasured(name: str, budget: float, why: str, ours: float | None = None, runs: int = 0) -> Row:
    return row(name, ours, None, f"not measured: {why}", None, budget, None, runs)


def alternating(ours: Callable[[], object], theirs: Callable[[], object], runs: int) -> tuple[float, float]:
    """Median seconds of both, run in turn, so that a busy moment hits both."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(runs):
        for action, taken in zip((ours, theirs), times, strict=True):
            start = time.perf_counter()
            action()
            taken.append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def forward_capture_gpt2s_128() -> Row:
    """GPT-2 small's shape, random weights, 128 tokens, every pattern kept, against the bare forward of transformers."""
    name = "forward_capture_gpt2s_128"
    import torch

    try:
        from transformers import GPT2Config, GPT2LMHeadModel
    except ImportError:
        return unmeasured(name, CAPTURE_BUDGET, "transformers is not installed (requirements-dev.lock)")
    from engine.model.loaders.huggingface import from_state_dict

    torch.manual_seed(0)
    theirs = GPT2LMHeadModel(GPT2Config()).train(False)
    ours = from_state_dict(theirs.config.to_dict(), theirs.state_dict())
    tokens = torch.randint(0, 50_257, (1, 128))
    with torch.inference_mode():
        run = _captured(ours, tokens)
        run(), theirs(tokens)
        seconds, floor = alternating(run, lambda: theirs(tokens), runs := 7)
    ratio = seconds / floor
    against = "transformers, plain forward of the same weights"
    return row(name, seconds, floor, against, ratio, CAPTURE_BUDGET, ratio <= CAPTURE_BUDGET, runs)


def forward_capture_toy_32() -> Row:
    """2 layers, 8 heads, width 256, 32 tokens, every pattern kept. The opponent is not among the locked packages."""
    import torch

    from engine.model.config import ModelConfig
    from engine.model.transformer import Transformer

    torch.manual_seed(0)
    model = Transformer(ModelConfig(layers=2, heads=8, kv_heads=8, d_model=256, d_head=32, vocabulary=512, context=64))
    with torch.inference_mode():
        for weight in model.parameters():
            weight.normal_(0.0, 0.02)
        run = _captured(model, torch.randint(0, 512, (1, 32)))
        seconds, _ = alternating(run, run, runs := 50)
    return unmeasured("forward_capture_toy_32", TOY_BUDGET, "TransformerLens is not installed", seconds, runs)


def _captured(model: Any, tokens: Any) -> Callable[[], object]:
    from engine.model.taps import Capture

    return lambda: model(tokens, Capture(lambda name: name.endswith(".pattern")))


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
    "forward_capture_toy_32": forward_capture_toy_32,
    "engine_part_64": engine_part_64,
}
