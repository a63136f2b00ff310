"""From the numbers of a walk to the marks of its picture. Pure; every number in it is one of the walk's."""

from __future__ import annotations

from collections.abc import Callable

from engine.circuits.walk_steps import Step, listed, two
from engine.work.results import Walk
from gui.theme import Role
from gui.widgets.token_text import visible
from gui.widgets.walk_scene import Column, Level, Mark, Place, Scene

LEAST = 0.05  # attention that is drawn


def scene_of(walk: Walk, told: tuple[Step, ...]) -> Scene:
    """The marks of the steps that were told; a step that does not hold is marked so, and nothing follows it."""
    marks: list[Mark] = []
    for step in told:
        if step.holds is False:
            at: Level = "tokens" if step.name == "repeat" else "writer" if step.name in LOW else "reader"
            place = (step.places[-1] if step.places else walk.query, at)
            marks.append(Mark(step.name, "ring", place, place, "negative", words="does not hold on this prompt"))
        else:
            marks += MAKERS[step.name](walk)
    writers = sorted({note.head.layer for note in walk.notes})
    readers = sorted({one.head.layer for one in walk.readers})
    return Scene(
        columns=tuple(Column(visible(text), _role(walk, place)) for place, text in enumerate(walk.tokens)),
        marks=tuple(marks),
        steps=tuple(step.name for step in told),
        layers=(_layers(writers), _layers(readers)),
        prediction=_prediction(walk, told),
        query=walk.query,
    )


LOW = ("previous", "duplicate", "write", "says")


def _layers(numbers: list[int]) -> str:
    return "" if not numbers else f"layer {listed([str(number) for number in numbers])}"


def _role(walk: Walk, place: int) -> Role:
    if place == walk.query:
        return "accent"
    if not walk.copies:
        return "none"
    if place == walk.k + 1:
        return "induction"
    return "previous" if place in walk.copies else "none"


def _prediction(walk: Walk, told: tuple[Step, ...]) -> str:
    """What is expected next, once the walk has come there."""
    outcome = walk.outcome
    if outcome is None or told[-1].name != "output":
        return ""
    return f"{walk.right.strip('“”')} {two(outcome.probability)}" if told[-1].holds else f"{outcome.best.strip()} ?"


def _written_at(walk: Walk) -> Place:
    return (walk.k + 1 if walk.route == "k" else walk.query, "writer")


def _read_at(walk: Walk) -> tuple[Place, Place]:
    """From what is looked at to who looks."""
    return (walk.k + 1, "reader"), (walk.query, "reader")


def _repeat(walk: Walk) -> list[Mark]:
    ends: tuple[Place, Place] = ((walk.k, "tokens"), (walk.query, "tokens"))
    return [Mark("repeat", "line", *ends, "previous", 0.2, 0.09, True, "the same token", "above")]


def _finder(walk: Walk) -> list[Mark]:
    name, at = "previous" if walk.route == "k" else "duplicate", _written_at(walk)
    loud = [note for note in walk.notes if note.looked >= LEAST]
    most = max(loud, key=lambda note: note.looked)
    heads = listed([str(note.head) for note in loud])
    verb = "looks" if len(loud) == 1 else "look"
    where = "one back" if walk.route == "k" else "at the earlier copy"
    words = f"{heads} {verb} {where}, {two(most.looked)}"
    flow = Mark(name, "flow", (walk.k, "tokens"), at, "previous", most.looked, 0.05)
    return [flow, Mark(name, "ring", at, at, "previous", words=words, row=-1)]


def _write(walk: Walk) -> list[Mark]:
    note, at = max(walk.notes, key=lambda one: one.looked * one.norm), _written_at(walk)
    words = f"{note.head} writes {two(note.norm)} on a stream of {two(note.norm_before)}"
    return [Mark("write", "dot", at, at, "previous", words=words)]


def _says(walk: Walk) -> list[Mark]:
    at, text = _written_at(walk), walk.text.strip("“”")
    words = f"“the token before me was {text}”" if walk.route == "k" else f"“it stood at {walk.k}”"
    return [Mark("says", "dot", at, at, "previous", words=words, row=1)]


def _query(walk: Walk) -> list[Mark]:
    here: Place = (walk.query, "reader")
    ask = f"query: what came after {walk.text}?"
    return [
        Mark("query", "flow", (walk.query, "tokens"), here, "accent", 0.3, dashed=True),
        Mark("query", "line", here, (walk.k + 1, "key"), "accent", 0.2, -0.12, True, ask, "below"),
    ]


def _keys(walk: Walk) -> list[Mark]:
    names = [str(note.head) for note in walk.notes] + ([] if walk.route == "k" else ["pos"])
    share = 0.0 if walk.score is None else sum(part.value for part in walk.score.keys if part.name in names)
    what = "the note" if walk.route == "k" else "the position"
    low: Place = (walk.k + 1, "writer" if walk.route == "k" else "tokens")
    at: Place = (walk.k + 1, "key")
    words = f"key: {what} gives {two(share)} of the score"
    return [
        Mark("keys", "flow", low, at, "previous", 0.3),
        Mark("keys", "ring", at, at, "previous", words=words, row=-1),
    ]


def _pattern(walk: Walk) -> list[Mark]:
    most = max(walk.readers, key=lambda one: one.direct)
    heads, ends = listed([f"{one.head} {two(one.on_follower)}" for one in walk.readers]), _read_at(walk)
    words = f"attention: {heads}"
    arc = Mark("pattern", "line", *ends, "induction", most.on_follower, 0.16, words=words, side="above")
    return [arc, Mark("pattern", "ring", ends[1], ends[1], "induction")]


def _moved(walk: Walk) -> list[Mark]:
    moved = walk.moved
    if moved is None:
        return []
    what = "note" if walk.route == "k" else "pointer"
    words = f"{what} moved on: {two(moved.after[2])} goes to {visible(walk.tokens[walk.k + 2])}"
    ends: tuple[Place, Place] = ((walk.query, "reader"), (walk.k + 2, "reader"))
    return [Mark("moved", "line", *ends, "duplicate", 0.3, 0.07, True, words, "below")]


def _value(walk: Walk) -> list[Mark]:
    return [Mark("value", "flow", *_read_at(walk), "induction", max(one.on_follower for one in walk.readers), 0.16)]


def _effect(walk: Walk) -> list[Mark]:
    direct = sum(one.direct for one in walk.readers)
    words = f"{walk.right} {direct:+.2f}".replace("-", "−")
    here = _read_at(walk)[1]
    return [Mark("effect", "flow", here, (walk.query, "prediction"), "induction", 0.6, words=words, side="left")]


def _output(walk: Walk) -> list[Mark]:
    return [Mark("output", "box", (walk.query, "prediction"), (walk.query, "prediction"), "induction")]


MAKERS: dict[str, Callable[[Walk], list[Mark]]] = {
    "repeat": _repeat,
    "previous": _finder,
    "duplicate": _finder,
    "write": _write,
    "says": _says,
    "query": _query,
    "keys": _keys,
    "pattern": _pattern,
    "moved": _moved,
    "value": _value,
    "effect": _effect,
    "output": _output,
}
