"""How often the verdict errs: `python -m tests.verdict_rates` measures it and writes the tables of docs/verdict.md.

Half a minute of one core. What it counts is held by the long test in tests/protocol/test_verdict_rates.py.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import torch

from engine.circuits.verdict import Mechanism, judge
from engine.model import library
from engine.model.config import HeadRef
from engine.model.handbuilt import build
from engine.training.recipes import RECIPES
from engine.training.run import initial_model, make_tokenizer
from engine.work.jobs.judge import judged
from engine.work.jobs.load import load_model
from engine.work.recent import RecentRuns
from engine.work.requests import Judge, LoadModel
from engine.work.state import EngineState
from engine.work.task import Task
from tests.engine import hard_negatives
from tests.engine.change_of_basis import change_of_basis

PAGE = Path(__file__).parents[1] / "docs" / "verdict.md"
MARK = re.compile(r"(?<=<!-- measured -->\n).*(?=<!-- end -->)", re.DOTALL)
JUMP = 0.1  # of a repeat is copied: checkpoints that copy less stand before the jump


def mechanism(state: EngineState) -> Mechanism:
    return judged(Judge(), state, Task()).mechanism


def random_models(count: int) -> Counter[Mechanism]:
    """Models with random weights as training starts from them, learned positions of both kinds in turn."""
    recipes = [RECIPES["instant"], RECIPES["absolute"]]
    words, found = make_tokenizer(recipes[0]), Counter[Mechanism]()
    for seed in range(count):
        torch.manual_seed(seed)
        model = initial_model(recipes[seed % 2]).requires_grad_(False)
        found[mechanism(hard_negatives.opened(model, words))] += 1
    return found


def rebased(name: str, count: int) -> Counter[Mechanism]:
    model, words = build(name)
    return Counter(mechanism(hard_negatives.opened(change_of_basis(model, seed), words)) for seed in range(count))


def opened(name: str) -> EngineState:
    state = EngineState(None, RecentRuns())
    load_model(LoadModel(name), state, Task())
    return state


def before_the_jump() -> Iterator[tuple[str, Mechanism]]:
    """Every checkpoint of the films in which less than a tenth of a repeat is copied, measured as the verdict does."""
    for film in ("instant", "default"):
        loaded = opened(film).require()
        for step, model in hard_negatives.frames(film, loaded.model.config).items():
            verdict = judged(Judge(), hard_negatives.opened(model, loaded.tokenizer), Task())
            gain = verdict.criterion("copy_gain").value or 0.0
            if gain < JUMP:
                yield f"{film}, step {step}", verdict.mechanism


def hard() -> Iterator[tuple[str, Mechanism]]:
    """What must be none."""
    default = opened("default").require()
    for seed in range(5):
        turned = hard_negatives.rotated_values(default.model, (HeadRef(0, 2), HeadRef(0, 3)), seed)
        yield "default, OV of 0.2 and 0.3 rotated", mechanism(hard_negatives.opened(turned, default.tokenizer))
    yield "hand-built, aligned writer at rest", mechanism(hard_negatives.opened(hard_negatives.resting_writer()))
    yield "hand-built, reader that asks for nothing", mechanism(hard_negatives.opened(hard_negatives.blind_reader()))
    pointer = hard_negatives.opened(hard_negatives.pointer_with_idle_notes())
    for name, state in (("handbuilt-q", opened("handbuilt-q")), ("pointer with idle notes in the keys", pointer)):
        yield f"{name}, asked about K", judge(judged(Judge(), state, Task()).measured, "k").mechanism
    yield "handbuilt-v", mechanism(opened("handbuilt-v"))
    for info in library.listing():
        if info.ships and info.layers == 1:
            yield "one-layer twins", mechanism(opened(info.name))


def told(counts: Counter[Mechanism]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.most_common())


def tables(random: int = 1000, bases: int = 100) -> str:
    groups: dict[str, Counter[Mechanism]] = {}
    for name, found in [
        *hard(),
        *((name.split(",")[0] + ", before the jump", found) for name, found in before_the_jump()),
    ]:
        groups.setdefault(name, Counter())[found] += 1
    rows = [("random weights", random_models(random)), *groups.items()]
    rows += [(f"{name}, in random bases", rebased(name, bases)) for name in ("handbuilt-k", "handbuilt-q")]
    names = [info.name for info in library.listing() if info.ships and info.layers == 2]
    lines = ["| models | n | verdicts |", "|---|---|---|"]
    lines += [f"| {name} | {sum(found.values()):,} | {told(found)} |" for name, found in rows]
    lines += ["", "| model that ships | verdict |", "|---|---|"]
    lines += [f"| {name} | {mechanism(opened(name))} |" for name in names if not name.startswith("handbuilt-v")]
    return "\n".join([*lines, ""])


@torch.inference_mode()
def main() -> None:
    torch.set_num_threads(1)
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(MARK.sub(lambda _found: tables(), page), encoding="utf-8")


if __name__ == "__main__":
    main()
