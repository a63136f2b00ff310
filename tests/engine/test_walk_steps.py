"""Every sentence of the walk is made of numbers: a wrong number changes it, and a step that fails ends the walk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from engine.circuits.walk import Moved, Note, Outcome, Reader, Score, Share, Value, Walk, Weights
from engine.circuits.walk_steps import Step, steps
from engine.model.config import HeadRef

H1, H2, OTHER = HeadRef(0, 1), HeadRef(1, 0), HeadRef(0, 0)
TOKENS = ("<bos>", "A", "B", "C", "D", "A")

NOTE = Note(
    H1,
    0.98,
    2.0,
    4.0,
    5.0,
    0.5,
    token=0.9,
    position=0.1,
    among=12,
    rank=1,
    likeness=0.97,
    rank_likeness=1,
    positional=0.9,
)
READER = Reader(H2, on_copy=0.01, on_follower=0.95, on_first=0.03, direct=7.5)
K = Walk(
    tokens=TOKENS,
    query=5,
    vocabulary=12,
    copies=(1,),
    k=1,
    notes=(NOTE,),
    readers=(READER,),
    strongest=READER,
    score=Score(
        at_follower=12.0,
        at_copy=-1.5,
        queries=(Share("embed", 0.93), Share("0.1", 0.07)),
        keys=(Share("0.1", 0.81), Share("embed", 0.19)),
    ),
    weights=Weights(H1, H2, 0.79, 0.4, rank=1, pairs=16, directions=(0.5, 0.2, 0.1)),
    moved=Moved((0.01, 0.95, 0.02), (0.03, 0.04, 0.88), "B", "C", "C", (OTHER,), 0.94, 0.86),
    value=Value((Share("embed", 0.85), Share("0.1", 0.15)), 1, ("B", "C", "D"), 0.99, 0.06, 0.1),
    outcome=Outcome(lead=9.0, lost=8.25, probability=0.91, without=0.05, rank=1, best="B"),
)
POINTING = replace(
    NOTE, head=OTHER, token=0.0, position=1.0, rank=None, likeness=None, rank_likeness=None, positional=None
)
assert K.score is not None and K.moved is not None and K.value is not None and K.outcome is not None
Q = replace(
    K,
    route="q",
    notes=(POINTING,),
    score=replace(
        K.score, queries=(Share("0.0", 0.77), Share("embed", 0.23)), keys=(Share("pos", 0.9), Share("embed", 0.1))
    ),
)
NAMES = {
    "k": "repeat previous write says query keys pattern moved value effect output".split(),
    "q": "repeat duplicate write says query keys pattern moved value effect output".split(),
}


def told(walk: Walk, name: str) -> Step:
    return next(step for step in steps(walk) if step.name == name)


@pytest.mark.parametrize("walk", [K, Q], ids=["k", "q"])
def test_that_a_whole_circuit_is_told_to_the_end(walk: Walk) -> None:
    assert [step.name for step in steps(walk)] == NAMES[walk.route]
    assert all(step.holds for step in steps(walk))
    assert all(step.evidence for step in steps(walk))


Change = Callable[[Walk], Walk]


def note(**values: object) -> Change:
    return lambda walk: replace(walk, notes=(replace(walk.notes[0], **values),))  # type: ignore[arg-type]


def reader(**values: object) -> Change:
    return lambda walk: replace(walk, readers=(replace(walk.readers[0], **values),))  # type: ignore[arg-type]


def part(name: str, **values: object) -> Change:
    return lambda walk: replace(walk, **{name: replace(getattr(walk, name), **values)})


# a number, the step that rests on it, a little wrong (the sentence says the new number), very wrong (the step fails)
CASES: list[tuple[str, str, Change, str, Change]] = [
    ("k", "previous", note(looked=0.77), "0.77", note(looked=0.11)),
    ("q", "duplicate", note(looked=0.77), "0.77", note(looked=0.11)),
    ("k", "write", note(norm=2.34), "2.34", note(norm=0.01)),
    ("k", "says", note(rank=3), "place 3", note(rank=9)),
    ("q", "says", note(position=0.66), "0.66", note(position=0.2)),
    (
        "k",
        "query",
        part("score", queries=(Share("embed", 0.71), Share("0.1", 0.29))),
        "0.29",
        part("score", queries=(Share("embed", 0.3), Share("0.1", 0.7))),
    ),
    (
        "q",
        "query",
        part("score", queries=(Share("0.0", 0.44), Share("embed", 0.56))),
        "0.44",
        part("score", queries=(Share("0.0", 0.1), Share("embed", 0.9))),
    ),
    (
        "k",
        "keys",
        part("score", keys=(Share("0.1", 0.62), Share("embed", 0.38))),
        "0.62",
        part("score", keys=(Share("0.1", 0.1), Share("embed", 0.9))),
    ),
    ("k", "keys", part("score", at_copy=3.21), "3.21", part("score", at_copy=13.0)),
    ("q", "keys", part("score", keys=(Share("pos", 0.55),)), "0.55", part("score", keys=(Share("embed", 0.9),))),
    ("k", "pattern", reader(on_follower=0.67), "0.67", reader(on_follower=0.2)),
    ("k", "moved", part("moved", after=(0.0, 0.1, 0.72)), "0.72", part("moved", after=(0.0, 0.9, 0.05))),
    ("q", "moved", part("moved", after=(0.0, 0.1, 0.72)), "0.72", part("moved", after=(0.0, 0.9, 0.05))),
    ("k", "value", part("value", rank=2, best=("C", "B")), "place 2", part("value", rank=40, best=("Z",))),
    ("k", "effect", reader(direct=6.54), "6.54", reader(direct=-0.4)),
    ("k", "output", part("outcome", probability=0.52), "0.52", part("outcome", rank=4, best="Z")),
]


@pytest.mark.parametrize(
    ("route", "name", "little", "says", "much"), CASES, ids=[f"{case[0]}-{case[1]}-{case[3]}" for case in CASES]
)
def test_that_a_wrong_number_changes_the_sentence_and_a_very_wrong_one_ends_the_walk(
    route: str, name: str, little: Change, says: str, much: Change
) -> None:
    walk = K if route == "k" else Q
    before = told(walk, name)
    assert before.holds and says not in before.sentence
    assert told(little(walk), name).holds and says in told(little(walk), name).sentence
    failed = steps(much(walk))[-1]
    assert (failed.name, failed.holds) == (name, False)
    assert failed.sentence != before.sentence


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("write", note(norm_before=4.56), "4.56"),
        ("write", note(norm_after=5.67), "5.67"),
        ("write", note(projection=-0.61), "against what was there by 0.61"),
        ("write", note(token=0.43), "0.43 of it comes from tokens"),
        ("write", note(mlp=0.21), "0.21 from what MLPs"),
        ("says", note(likeness=0.55), "0.55"),
        ("keys", part("score", at_follower=10.5), "10.50"),
        ("pattern", reader(on_copy=0.17), "0.17"),
        ("moved", part("moved", token_after="D"), "“D”, not to “C”"),
        ("moved", part("moved", before=(0.0, 0.93, 0.0)), "0.93"),
        ("value", part("value", cosine=0.033), "0.033"),
        ("value", part("value", ceiling=0.222), "0.222"),
        ("value", part("value", sources=(Share("embed", 0.61),)), "0.61 the token itself"),
        ("effect", part("outcome", lost=6.25), "costs 6.25, 1.25 less"),
        ("effect", part("outcome", lead=8.75), "8.75"),
        ("output", part("outcome", without=0.33), "0.33"),
    ],
)
def test_that_every_other_number_of_a_sentence_is_the_measured_one(name: str, change: Change, says: str) -> None:
    assert says not in told(K, name).sentence
    assert says in told(change(K), name).sentence


def test_that_the_weights_stand_in_the_evidence() -> None:
    rows = {row.what: row.value for row in told(K, "keys").evidence}
    assert rows["composition of 0.1 with 1.0"] == 0.79
    assert rows["direction 1"] == 0.5
    changed = told(part("weights", fraction=0.31)(K), "keys").evidence
    assert {row.what: row.value for row in changed}["composition of 0.1 with 1.0"] == 0.31


def test_that_heads_that_share_the_job_are_shown_with_their_shares() -> None:
    second = replace(NOTE, head=HeadRef(0, 2), looked=0.64)
    both = replace(
        K, notes=(NOTE, second), together=2, readers=(READER, replace(READER, head=HeadRef(1, 3), direct=2.0))
    )
    assert "0.1 (0.98) and 0.2 (0.64) look" in told(both, "previous").sentence
    assert "The notes together say" in told(both, "says").sentence and "place 2" in told(both, "says").sentence
    assert "1.0 (0.95) and 1.3 (0.95) land" in told(both, "pattern").sentence
    assert "9.50" in told(both, "effect").sentence


def test_that_a_prompt_without_repetition_has_one_step_and_an_offer() -> None:
    walk = Walk(TOKENS, 4, 12, reason="There is no earlier copy.", offer="A B A")
    assert [(step.name, step.holds, step.sentence, step.offer) for step in steps(walk)] == [
        ("repeat", False, "There is no earlier copy.", "A B A")
    ]


def test_that_many_copies_are_counted_and_not_listed() -> None:
    sentence = told(replace(K, copies=tuple(range(1, 25, 2)), k=23, tokens=TOKENS * 6, query=30), "repeat").sentence
    assert "19, 21, 23 and 9 more" in sentence


def test_that_nobody_who_matches_nobody_below_and_nobody_in_an_earlier_layer_are_three_sentences() -> None:
    nobody = steps(replace(K, readers=(), strongest=replace(READER, on_follower=0.12)))[-1]
    assert "No head finds the match" in nobody.sentence and "0.12" in nobody.sentence
    alone = steps(replace(K, notes=()))[-1]
    assert (alone.name, alone.holds) == ("previous", False) and "no note about the token before" in alone.sentence
    beside = steps(replace(K, notes=(), bystanders=(HeadRef(1, 3),)))[-1]
    assert "1.3" in beside.sentence and "one layer work side by side" in beside.sentence
    one_layer = steps(replace(K, readers=(), reason="This model has one layer."))[-1]
    assert one_layer.sentence == "This model has one layer."


def test_that_what_was_not_measured_is_said_and_stops_nothing() -> None:
    walk = replace(K, moved=None, score=None, value=None, outcome=None)
    assert [(step.name, step.holds) for step in steps(walk)][-7:] == [
        ("query", None),
        ("keys", None),
        ("pattern", True),
        ("moved", None),
        ("value", None),
        ("effect", None),
        ("output", None),
    ]
    assert "no room" in told(walk, "moved").sentence
