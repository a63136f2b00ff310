"""Training here in words: what can be chosen, how long it will take, how far it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SECONDS_A_STEP = 0.013  # of the usual run, measured on two cores
PROCESS_MEGABYTES = 350  # what the process takes before any weight


@dataclass(frozen=True)
class Choice:
    title: str
    usual: int | float
    least: float
    most: float


CHOICES: dict[str, Choice] = {
    "layers": Choice("Layers", 2, 1, 2),
    "heads": Choice("Heads in a layer", 2, 1, 8),
    "width": Choice("Width", 64, 8, 512),
    "steps": Choice("Steps", 600, 25, 3000),
    "rate": Choice("Learning rate", 0.003, 0.0001, 0.1),
    "seed": Choice("Seed", 0, 0, 999_999),
}


def estimate_words(spec: Mapping[str, float]) -> str:
    """Time and memory before the start, or why it cannot start."""
    if spec["width"] % spec["heads"]:
        return f"A width of {spec['width']} is not divisible by {spec['heads']} heads: choose another."
    share = spec["layers"] / 2 * (0.5 + 0.5 * (spec["width"] / 64) ** 1.3)
    seconds = max(2, round(spec["steps"] * SECONDS_A_STEP * share))
    weights = 16 * spec["width"] * (2 * 65 + 64 + 4 * spec["width"] * spec["layers"]) / 1e6
    return (
        f"About {seconds:,} s and {PROCESS_MEGABYTES + round(weights):,} MB, in a process of low priority. "
        "The same choices go on where they were stopped."
    )


def status_words(step: int, steps: float, paused: bool) -> str:
    return f"{'Paused at' if paused else 'At'} step {step:,} of {steps:,.0f}."
