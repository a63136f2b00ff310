"""What becomes of the jump when the heads below are meddled with all through training: five seeds of the small recipe.

Each condition is the same runs with something done to every forward pass, also to those that are measured. Failures are
shown like the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from engine.training.disturbances import Disturbance, parse
from engine.training.phase import phase_change
from engine.training.recipes import RECIPES, Recipe
from engine.training.trainer import train

CONDITIONS: dict[str, tuple[str, ...]] = {
    "undisturbed": (),
    "one layer": (),
    "head 0.0 forced one back": ("force 0.0 previous",),
    "head 0.0 forced at random": ("force 0.0 random seed 1",),
    "layer 0 cannot look one back": ("forbid 0.0 0.1 offset 1",),
    "layer 0 cannot look two back": ("forbid 0.0 0.1 offset 2",),
    "layer 0 frozen": ("freeze layer 0",),
    "half of the rows chains": ("mix periodic 1 chain 1",),
}


@dataclass(frozen=True)
class Outcome:
    """One run: when the jump was (None: not within these steps), and the last measured copying and best scores."""

    condition: str
    seed: int
    steps: int
    jump: tuple[int, int] | None
    accuracy: float
    loss_second: float
    induction: float
    previous_token: float


def study(seeds: Sequence[int], steps: int, report: Callable[[Outcome], None]) -> tuple[Outcome, ...]:
    """Every condition with every seed; `report` gets each run as it ends."""
    found = []
    for condition, lines in CONDITIONS.items():
        recipe = RECIPES["instant"].cut(steps)
        if condition == "one layer":
            recipe = recipe.with_layers(1)
        for seed in seeds:
            found.append(_run(condition, replace(recipe, checkpoints=()), seed, lines))
            report(found[-1])
    return tuple(found)


def _run(condition: str, recipe: Recipe, seed: int, lines: Sequence[str]) -> Outcome:
    curves = train(recipe, seed, None, lambda _row: None, [Disturbance(parse(line)) for line in lines]).curves
    first, second = ([float(row[f"repeat_loss_{name}"]) for row in curves] for name in ("first", "second"))
    last = curves[-1]
    return Outcome(
        condition=condition,
        seed=seed,
        steps=int(last["step"]),
        jump=phase_change([int(row["step"]) for row in curves], first, second),
        accuracy=float(last["repeat_accuracy"]),
        loss_second=float(last["repeat_loss_second"]),
        induction=max(score for layer in last["induction"] for score in layer),
        previous_token=max(score for layer in last["previous_token"] for score in layer),
    )


def page(found: Sequence[Outcome], command: str) -> str:
    """The table of docs/emergence.md; `command` makes it anew."""
    lines = [
        "# Emergence under disturbance",
        "",
        f"Written by `{command}`, which trains every run anew.",
        "",
        "The small recipe (`instant`), its first steps, several seeds. In each condition the same thing is done to",
        "every forward pass of the training, and to the measuring ones too; or weights are frozen, or rows changed,",
        "from the first step. *Jump*: from the last measured step (of every 50) at which the second copy of a random",
        "repeat saves less than a tenth of the loss of the first, to the first after it at which it saves half; `–`:",
        "not within these steps. Copied: share of the second copy predicted right at the end. Scores are those of the",
        "best head at the end; a forced head scores what it is forced to. All runs are shown, also those that failed.",
        "",
        "| condition | seed | steps | jump | copied | loss of the second copy | best induction | best previous token |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in found:
        jump = "–" if one.jump is None else f"{one.jump[0]}–{one.jump[1]}"
        numbers = f"{one.accuracy:.2f} | {one.loss_second:.2f} | {one.induction:.2f} | {one.previous_token:.2f}"
        lines.append(f"| {one.condition} | {one.seed} | {one.steps} | {jump} | {numbers} |")
    lines += [
        "",
        "Over the seeds:",
        "",
        "| condition | jumped | earliest end | latest end | copied, mean |",
        "|---|---|---|---|---|",
    ]
    for condition in dict.fromkeys(one.condition for one in found):
        runs = [one for one in found if one.condition == condition]
        ends = [one.jump[1] for one in runs if one.jump is not None]
        span = f"{min(ends)} | {max(ends)}" if ends else "– | –"
        mean = sum(one.accuracy for one in runs) / len(runs)
        lines.append(f"| {condition} | {len(ends)} of {len(runs)} | {span} | {mean:.2f} |")
    return "\n".join([*lines, ""])
