"""Interventions are values that can be written down, read back, and checked against a model."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.circuits.interventions.lines import parse
from engine.circuits.interventions.values import (
    Ablate,
    ChangePositions,
    Forbid,
    ForcePattern,
    Intervention,
    KeepOnly,
    MoveNote,
    PatchPath,
    ScrambleOV,
    Swap,
)
from engine.model.config import HeadRef, ModelConfig

A, B = HeadRef(1, 2), HeadRef(0, 3)
CONFIG = ModelConfig(layers=2, heads=4, kv_heads=4, d_model=8, d_head=2, vocabulary=5, context=10)
WITH_MLP = ModelConfig(
    layers=2, heads=4, kv_heads=4, d_model=8, d_head=2, vocabulary=5, context=10, d_mlp=8, activation="gelu"
)

WRITTEN: list[tuple[str, Intervention]] = [
    ("zero 1.2 0.3", Ablate((A, B))),
    ("mean mlp.4 @3,5-7", Ablate(mlps=(4,), positions=(3, 5, 6, 7), kind="mean")),
    ("resample 1.2 mlp.0", Ablate((A,), (0,), kind="resample")),
    ("zero 0.3 keep-pattern", Ablate((B,), preserve="pattern")),
    ("mean 0.3 @0 keep-value", Ablate((B,), positions=(0,), kind="mean", preserve="value")),
    ("keep 0.3 1.2", KeepOnly((B, A))),
    ("keep none", KeepOnly()),
    ("keep 0.3 else mean", KeepOnly((B,), "mean")),
    ("scramble 1.2 seed 4", ScrambleOV(A, 4)),
    ("force 0.3 previous", ForcePattern(B, "previous")),
    ("force 0.3 offset 2", ForcePattern(B, "offset", offset=2)),
    ("force 0.3 induction", ForcePattern(B, "induction")),
    ("force 0.3 uniform", ForcePattern(B, "uniform")),
    ("force 0.3 random seed 7", ForcePattern(B, "random", seed=7)),
    ("force 0.3 painted 1.0,0.0/0.1,0.9", ForcePattern(B, "painted", painted=((1.0, 0.0), (0.1, 0.9)))),
    ("forbid 0.3 1.2 offset 1", Forbid((B, A), 1)),
    ("positions remove", ChangePositions("remove")),
    ("positions shuffle seed 3", ChangePositions("shuffle", seed=3)),
    ("positions shift 5", ChangePositions("shift", by=5)),
    ("positions shuffle seed 0 in 0.3 1.2", ChangePositions("shuffle", heads=(B, A))),
    ('swap z 0.3 1.2 from "a b"', Swap("z", (B, A), "a b")),
    (
        'swap pattern 1.2 @4-6 from " say \\"no\\"\\nor from \\"x"',
        Swap("pattern", (A,), ' say "no"\nor from "x', (4, 5, 6)),
    ),
    ('path 0.3 > 1.2.k from "a"', PatchPath((B,), A, "k", "a")),
    ('path 0.3 1.2 > logits @7 from "a"', PatchPath((B, A), None, "v", "a", (7,))),
    ("move-note 0.3 > 1.2 @5 to 6", MoveNote((B,), (A,), 5, 6)),
]


@pytest.mark.parametrize(("text", "value"), WRITTEN)
def test_that_each_is_written_and_read_alike(text: str, value: Intervention) -> None:
    assert str(value) == text
    assert parse(text) == value
    assert hash(parse(text)) == hash(value)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=12).map(tuple))
def test_that_any_positions_come_back_in_their_order(positions: tuple[int, ...]) -> None:
    value = Ablate((A,), positions=positions)
    assert parse(str(value)) == value


def test_that_what_may_be_left_out_has_a_default() -> None:
    assert parse("  scramble   1.2 ") == ScrambleOV(A, 0)
    assert parse("force 0.3 random") == ForcePattern(B, "random", seed=0)
    assert parse("positions shuffle in 0.3") == ChangePositions("shuffle", seed=0, heads=(B,))
    assert parse("zero 0.3 @1 1.2 @4") == Ablate((B, A), positions=(1, 4))
    assert parse("force 0.3 painted 1,0/.5,.5") == ForcePattern(B, "painted", painted=((1, 0), (0.5, 0.5)))


BAD = """zero
zero @3
zero 1
zero 1.2 @
zero 1.2 @7-5
zero 1.2 @-1
zero 1.2 @1-9999999999
zero 1.2 keep-pattern keep-value
zero 1.2 keep-scores
mean mlp.x
keep
keep none 1.2
keep 0.3 else
keep 0.3 else nothing
scramble
scramble 1.3 0.2
scramble 1.3 seed
scramble 1.3 seed -1
force 0.3
force 0.3 next
force 0.3 offset
force 0.3 offset -2
force 0.3 painted
force 0.3 painted 1,a
force 0.3 previous 2
positions
positions scatter
positions shift
positions remove 0.3
positions remove in
forbid 0.3
forbid offset 1
forbid 0.3 offset x
swap z 0.3
swap attention 0.3 from "a"
swap z from "a"
swap z 0.3 from "a
swap z 0.3 from "a" and
path 0.3 1.2.k from "a"
path 0.3 > 1.2 from "a"
path 0.3 > 1.2.z from "a"
path > 1.2.k from "a"
move-note 0.3 1.2 @5 to 6
move-note 0.3 > 1.2 5 to 6
move-note 0.3 > 1.2 @5 at 6
move-note 0.3 > @5 to 6"""


@pytest.mark.parametrize("text", BAD.splitlines())
def test_that_bad_text_is_answered_with_the_form_of_its_verb(text: str) -> None:
    with pytest.raises(ValueError, match="it is written") as refused:
        parse(text)
    line = str(refused.value)
    assert repr(text) in line and text.split()[0] in line.split("it is written")[1]
    assert "\n" not in line


@pytest.mark.parametrize("text", ["", "remove 1.2", "Zero 1.2"])
def test_that_an_unknown_verb_is_answered_with_all_that_there_is(text: str) -> None:
    with pytest.raises(ValueError, match="there is no intervention") as refused:
        parse(text)
    for verb in ("zero|mean|resample", "keep", "scramble", "force", "forbid", "positions", "swap", "path", "move-note"):
        assert str(refused.value).count(f"{verb} ") == 1


UNFIT = [
    (Swap("z", (HeadRef(2, 0),), "a"), "no head 2.0"),
    (Forbid(()), "at least one head"),
    (Forbid((A,), 0), "1 to 9 places back, not 0"),
    (Swap("z", (), "a"), "at least one head"),
    (Swap("z", (A,), " "), "from another prompt: give one"),
    (Swap("z", (A,), "a", (10,)), "no position 10"),
    (PatchPath((B,), HeadRef(0, 0), "k", "a"), "0.3 writes too late for 0.0"),
    (PatchPath((HeadRef(4, 0),), None, "v", "a"), "no head 4.0"),
    (PatchPath((B,), None, "v", ""), "from another prompt"),
    (MoveNote((B,), (A, HeadRef(0, 1)), 1, 2), "writes too late|heads of one layer"),
    (MoveNote((B,), (A,), 3, 3), "must move to another position"),
    (MoveNote((B,), (A,), 3, 12), "no position 12"),
    (Ablate((HeadRef(2, 0),)), "no head 2.0: this model has layers 0 to 1 with heads 0 to 3"),
    (Ablate((HeadRef(0, 4),)), "no head 0.4"),
    (Ablate((HeadRef(0, -1),)), "no head 0.-1"),
    (KeepOnly((HeadRef(0, 9),)), "no head 0.9"),
    (ScrambleOV(HeadRef(7, 0)), "no head 7.0"),
    (ForcePattern(HeadRef(7, 0), "uniform"), "no head 7.0"),
    (ChangePositions("remove", heads=(HeadRef(7, 0),)), "no head 7.0"),
    (Ablate(mlps=(0,)), "no mlp.0: it has attention only"),
    (Ablate((A,), positions=(3, 10)), "no position 10: this model's are 0 to 9"),
    (Ablate((A,), positions=(-1,)), "no position -1"),
    (Ablate((A,), positions=()), "at least one"),
    (Ablate(), "at least one"),
    (ForcePattern(B, "offset", offset=-1), "0 to 9 positions back in this model, not -1"),
    (ForcePattern(B, "offset", offset=10), "0 to 9 positions back in this model, not 10"),
    (ForcePattern(B, "painted"), "needs its rows"),
    (ForcePattern(B, "painted", painted=((1.0, 0.0), (1.0,))), "row 1 .* has 1 entries and needs 2"),
    (ForcePattern(B, "painted", painted=((0.5, 0.5), (0.5, 0.5))), "row 0 .* attends to what comes after"),
    (ForcePattern(B, "painted", painted=((1.0, 0.0), (0.5, 0.6))), "row 1 .* sum to 1"),
    (ForcePattern(B, "painted", painted=((1.0, 0.0), (1.5, -0.5))), "row 1 .* sum to 1"),
    (ForcePattern(B, "painted", painted=((1.0, 0.0), (float("nan"), 1.0))), "row 1 .* sum to 1"),
    (ChangePositions("shift", by=0), "by 1 to 9 places, not by 0"),
    (ChangePositions("shift", by=10), "by 1 to 9 places, not by 10"),
    (ChangePositions("remove", heads=()), "at least one head"),
]


@pytest.mark.parametrize(("value", "line"), UNFIT)
def test_that_what_a_model_does_not_have_is_one_clear_line(value: Intervention, line: str) -> None:
    with pytest.raises(ValueError, match=line) as refused:
        value.check(CONFIG)
    assert "\n" not in str(refused.value)


def test_that_layers_without_such_an_mlp_are_named() -> None:
    Ablate(mlps=(1,)).check(WITH_MLP)
    with pytest.raises(ValueError, match=r"no mlp.2: they are mlp.0 to mlp.1"):
        Ablate(mlps=(2,)).check(WITH_MLP)


def test_that_models_without_positions_or_room_to_turn_say_so() -> None:
    bare = ModelConfig(**(CONFIG.to_dict() | {"positions": "none", "d_head": 1}))
    with pytest.raises(ValueError, match="no positions"):
        ChangePositions("remove").check(bare)
    with pytest.raises(ValueError, match="one dimension"):
        ScrambleOV(A).check(bare)


def test_that_keeping_some_is_ablating_the_others() -> None:
    assert KeepOnly((B, A), "mean").ablation(CONFIG) == Ablate(
        tuple(HeadRef.parse(text) for text in "0.0 0.1 0.2 1.0 1.1 1.3".split()), kind="mean"
    )


def test_that_the_values_are_read_without_torch() -> None:
    code = "import sys, engine.circuits.interventions; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
