"""Training here in words: what it costs, how far it is, what can be done to it, and what became of a guess. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from engine.training.spec import Spec
from engine.work.results import FilmCurves

Guess = Literal["sooner", "as usual", "later", "not at all", "it stays", "it is lost"]
BEFORE: tuple[Guess, ...] = ("sooner", "as usual", "later", "not at all")
AFTER: tuple[Guess, ...] = ("it stays", "it is lost")
USUAL_END = (200, 250)  # by which step the five seeds of the small recipe have jumped (docs/emergence.md)
HALF = 0.5  # of the loss, that the second copy saves: copying
SETTLES = 100  # steps after something was done to a model that copies

DISTURB_TIP = (
    "One line, from the next step on: force 0.0 previous, forbid 0.0 0.1 offset 1, zero 0.1, freeze W_K 1, "
    "freeze layer 0, mix plain 1. Empty: end it."
)
PRESETS: dict[str, str] = {
    "Give it a previous-token head: force 0.0 to look one back": "force 0.0 previous",
    "Give it an induction pattern: force 1.0 to look after the earlier copy": "force 1.0 induction",
    "Forbid 0.0 and 0.1 to look one back": "forbid 0.0 0.1 offset 1",
    "Ablate 0.0": "zero 0.0",
    "Ablate 1.0": "zero 1.0",
    "Freeze layer 0": "freeze layer 0",
    "Freeze the keys of layer 1": "freeze W_K 1",
    "Change the rows: Markov chains only": "mix chain 1",
    "Change the rows: bursty pairs only": "mix bursty 1",
    "End everything that is being done": "",
}


@dataclass(frozen=True)
class Guessed:
    """What a person expected of a disturbance that began at `step`; `copied` whether the model copied by then."""

    guess: Guess
    step: int
    copied: bool


def trouble_words(values: Mapping[str, Any]) -> str:
    """Why these choices cannot be trained; "" where they can."""
    try:
        Spec.of(values).recipe()
    except ValueError as error:
        return f"{str(error)[:1].upper()}{str(error)[1:]}."
    return ""


def estimate_words(values: Mapping[str, Any]) -> str:
    """Time and memory before the start, or why it cannot start."""
    trouble = trouble_words(values)
    if trouble:
        return trouble
    spec = Spec.of(values)
    twin = " with its one-layer twin" if spec.twin and spec.layers > 1 else ""
    where = f", from step {spec.fork_step:,} of {spec.fork_of}" if spec.fork_of else ""
    return (
        f"About {_time(spec.seconds())} and {spec.bytes() / 1e6:,.0f} MB{twin}{where}, in a process of low priority. "
        "The same choices go on where they were stopped."
    )


def status_words(step: int, steps: float, paused: bool, seconds_left: float | None) -> str:
    left = "" if paused or seconds_left is None else f", about {_time(seconds_left)} left"
    return f"{'Paused at' if paused else 'At'} step {step:,} of {steps:,.0f}{left}."


def _time(seconds: float) -> str:
    return f"{max(1, round(seconds)):,} s" if seconds < 120 else f"{seconds / 60:,.0f} min"


def copies(film: FilmCurves) -> bool:
    """Whether the second copy saved half of the loss when it was measured last."""
    first, second = film.losses["repeat_loss_first"][-1], film.losses["repeat_loss_second"][-1]
    return bool(1 - second / first >= HALF)


def question_words(copied: bool) -> str:
    """What is asked before something is done."""
    return "Guess first: the copying it has" if copied else "Guess first: the jump will come"


def outcome_words(guessed: Guessed, film: FilmCurves, spec: Spec, done: bool) -> str:
    """What became of it; "" while that is open."""
    last = film.measured[-1]
    if guessed.copied:
        if last < guessed.step + SETTLES and not done:
            return ""
        came: Guess = "it stays" if copies(film) else "it is lost"
        fact = "It still copies" if came == "it stays" else "It does not copy any more"
        return f"You guessed that {guessed.guess}. {fact} at step {last:,}: {_right(came == guessed.guess)}"
    if film.jump is None:
        if not done:
            return ""
        words = f"You guessed {guessed.guess}. It did not jump within {last:,} steps"
        return f"{words}: {_right(guessed.guess == 'not at all')}"
    low, high = USUAL_END
    end = film.jump[1]
    words = f"You guessed {guessed.guess}. The jump came between steps {film.jump[0]:,} and {end:,}"
    if not is_usual(spec):
        return f"{words}. There is no undisturbed run of these choices to compare with."
    came = "sooner" if end < low else "later" if end > high else "as usual"
    return f"{words}; undisturbed, five seeds jump by step {low} to {high}: {_right(came == guessed.guess)}"


def is_usual(spec: Spec) -> bool:
    """Whether the five undisturbed seeds are of the same recipe, whatever its length and seed."""
    usual = Spec()
    own = {"steps", "seed", "twin", "fork_of", "fork_step"}
    return all(value == getattr(usual, name) for name, value in spec.values().items() if name not in own)


def _right(guess: bool) -> str:
    return "as you said." if guess else "other than you said."


def run_words(name: str, step: int, steps: int) -> str:
    """A run that was put down, in a menu."""
    return f"{name} · {'finished' if step >= steps else f'step {step:,} of {steps:,}'}"
