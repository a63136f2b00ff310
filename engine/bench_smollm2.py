"""The timings and the memory of the one real model at hand; its peak is that of a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.bench_rows import Row, alternating, row, unmeasured

ROOT = Path(__file__).resolve().parent.parent
REOPEN_BUDGET, RERUN_BUDGET, MEMORY_BUDGET = 2.0, 1.2, 2.5e9
WORDS = "candle tractor violet seven anchor pepper window gravel tulip hammer cloud basket "
MISSING = "SmolLM2 is not on this computer: `make smollm2`"

# the peak of a process that opens the model and reads a prompt of 512 tokens, and how long its second opening takes
PEAK_CODE = """
import json, resource, sys, time
from engine.work.jobs.perform import perform
from engine.work.recent import RecentRuns
from engine.work.requests import Analyze, LoadModel, ObserveBehaviour, Prompt
from engine.work.state import EngineState
from engine.work.task import Task
import torch
torch.set_num_threads(max(1, torch.get_num_threads() - 1))
state, task = EngineState(None, RecentRuns()), Task()
perform(LoadModel("smollm2"), state, task)
words = sys.argv[1]
tokens = state.require().tokenizer
prompt = Prompt("".join(tokens.texts(tokens.encode(words * 60, bos=False)[:512])), bos=False)
length = len(perform(Analyze(prompt), state, task).tokens)
perform(ObserveBehaviour(prompt), state, task)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
start = time.perf_counter()
perform(LoadModel("smollm2"), state, task)
perform(Analyze(Prompt(words)), state, task)
print(json.dumps({"peak": peak, "length": length, "seconds": time.perf_counter() - start}))
"""


def _measured() -> dict[str, Any] | str:
    """What a fresh process found, or why it found nothing."""
    if _missing():
        return MISSING
    if sys.platform == "win32":
        return "Windows does not tell a process its peak memory this way"
    ended = subprocess.run(
        [sys.executable, "-c", PEAK_CODE, WORDS], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return dict(json.loads(ended.stdout)) if ended.returncode == 0 else ended.stderr.strip().splitlines()[-1]


def _missing() -> bool:
    from engine.model import smollm2

    return smollm2.find() is None


def smollm2_peak_memory() -> Row:
    """The most memory of the process while SmolLM2 is opened and 512 tokens are read. `ratio` is gigabytes."""
    name, found = "smollm2_peak_memory", _measured()
    if isinstance(found, str):
        return unmeasured(name, MEMORY_BUDGET / 1e9, found)
    peak = found["peak"]
    against = f"the budget in gigabytes, {found['length']} tokens"
    return row(name, None, None, against, peak / 1e9, MEMORY_BUDGET / 1e9, peak <= MEMORY_BUDGET, 1)


def smollm2_reopened() -> Row:
    """From opening SmolLM2 once more, its file in the disk's cache, to the answer about a short prompt."""
    name, found = "smollm2_reopened", _measured()
    if isinstance(found, str):
        return unmeasured(name, REOPEN_BUDGET, found)
    return row(name, found["seconds"], None, "the budget", None, REOPEN_BUDGET, found["seconds"] <= REOPEN_BUDGET, 1)


def smollm2_rerun_64() -> Row:
    """64 tokens read anew after each key press, with all pictures and predictions, against the bare forward pass."""
    import torch

    from engine.work.jobs.perform import perform
    from engine.work.recent import RecentRuns
    from engine.work.requests import Analyze, LoadModel, Prompt
    from engine.work.state import EngineState
    from engine.work.task import Task

    name = "smollm2_rerun_64"
    if _missing():
        return unmeasured(name, RERUN_BUDGET, MISSING)
    state = EngineState(None, RecentRuns())
    perform(LoadModel("smollm2"), state, Task())
    opened = state.require()
    ids = opened.tokenizer.encode(WORDS * 10)[:63]
    text = "".join(opened.tokenizer.texts(ids))
    other = iter(f" {letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    tokens = torch.tensor([[*ids, 0]])
    torch.set_num_threads(max(1, torch.get_num_threads() - 1))  # as in the window, which keeps a core

    def ours() -> object:
        return perform(Analyze(Prompt(text + next(other))), state, Task())

    def bare() -> object:
        with torch.inference_mode():
            return opened.model(tokens)

    ours(), bare()
    seconds, floor = alternating(ours, bare, runs := 15)
    ratio = seconds / floor
    against = "the bare forward pass of SmolLM2, 64 tokens"
    return row(name, seconds, floor, against, ratio, RERUN_BUDGET, ratio <= RERUN_BUDGET, runs)


ROWS: dict[str, Callable[[], Row]] = {
    "smollm2_reopened": smollm2_reopened,
    "smollm2_rerun_64": smollm2_rerun_64,
    "smollm2_peak_memory": smollm2_peak_memory,
}
