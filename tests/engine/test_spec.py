"""What may be chosen of a run that is trained here: refused in one line, or a recipe that can be run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engine.training.data import KINDS, NEEDS_TEXT
from engine.training.disturbances import Freeze, Mix, check, parse
from engine.training.recipes import RECIPES
from engine.training.run import Run
from engine.training.spec import POSITIONS, RANGES, Spec, some_words, spec_of_shipped


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"width": 65}, "a width of 65 is not divisible by 2 heads"),
        ({"width": 1024}, "width: 8 to 512, not 1024"),
        ({"heads": 0}, "heads in a layer: 1 to 8, not 0"),
        ({"layers": 3}, "layers: 1 to 2, not 3"),
        ({"steps": 5}, "steps: 10 to 3000, not 5"),
        ({"rate": 0.0}, "learning rate: 0.0001 to 0.1, not 0"),
        ({"context": 8}, r"context: 16 to 256, not 8 \(a repeat would not fit\)"),
        ({"positions": "learned"}, "positions are shortformer, absolute, rotary, alibi, not 'learned'"),
        ({"positions": "rotary", "width": 10}, "an even width of a head, not 5"),
        ({"mix": "periodic"}, None),
        ({"mix": "periodic 1 chain"}, "it is written mix periodic 0.7 chain 0.3"),
        ({"mix": "periodic -1 chain 3"}, "are no shares"),
        ({"mix": "periodic nan"}, "are no shares"),
        ({"mix": "waltz 1"}, "no rows of the kind 'waltz'"),
        ({"mix": ""}, "it is written mix"),
        ({"mix": "plain 1"}, "a vocabulary of at least 257"),
        ({"mix": "bursty 1", "burst": 10, "context": 16}, "does not fit in a context of 16"),
        ({"fork_of": "instant", "fork_step": 600}, "no steps left of 600"),
    ],
)
def test_that_what_cannot_be_trained_is_one_line(values: dict[str, Any], said: str | None) -> None:
    spec = Spec.of(values)
    if said is None:
        spec.recipe()
        return
    with pytest.raises(ValueError, match=said) as refused:
        spec.recipe()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("values", [{"colour": 1}, {"width": 2.5}, {"layers": True}, {"mix": 3}, {"twin": 1}])
def test_that_other_names_and_kinds_of_value_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"a run has no|cannot be"):
        Spec.of(values)


def test_that_values_come_back() -> None:
    spec = Spec(heads=4, positions="rotary", mix="random 0.5 chain 0.5", fork_of="instant", fork_step=10)
    assert Spec.of(spec.values()) == spec


def test_that_the_usual_choices_are_the_small_recipe() -> None:
    """So that what ships can be forked: the same rows, weights and steps."""
    ours, theirs = Spec().recipe(), RECIPES["instant"]
    assert ours.config == theirs.config and ours.words == theirs.words
    assert replace(ours.stages[0], steps=0) == replace(theirs.stages[0], steps=0)
    absolute = spec_of_shipped("absolute")
    assert absolute is not None and absolute.recipe().config == RECIPES["absolute"].config
    assert spec_of_shipped("default") is None


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("mix", [*(kind for kind in KINDS if kind not in NEEDS_TEXT), "random 0.5 chain 0.5"])
def test_that_every_choice_makes_steps(positions: Any, mix: str) -> None:
    spec = Spec(width=16, rows=4, context=32, vocabulary=90, positions=positions, mix=mix)
    run = Run(spec.recipe(), 0)
    run.advance(2)
    assert run.step == 2 and len(set(some_words(89))) == 89


def test_that_text_is_read_where_the_mix_has_some() -> None:
    run = Run(Spec(width=16, rows=4, context=32, vocabulary=300, mix="spliced 0.5 plain 0.5").recipe(), 0)
    run.advance(1)
    assert run.tokenizer.encode("the cat", bos=False) and len(run.text) > 100_000


def test_that_the_cost_grows_with_what_is_chosen() -> None:
    small = Spec()
    for name, value in {"width": 128, "context": 128, "rows": 128, "vocabulary": 1000}.items():
        more = replace(small, **{name: value})  # type: ignore[arg-type]
        assert more.seconds() > small.seconds() and more.bytes() > small.bytes()
    assert replace(small, steps=1200).seconds() == pytest.approx(2 * small.seconds())
    assert replace(small, twin=False).seconds() < small.seconds()
    assert set(RANGES) < set(small.values())


# ---------------------------------------------------------------- what can be done to a run
@pytest.mark.parametrize(
    "line",
    ["freeze embedding", "freeze layer 0", "freeze W_K 1", "mix chain 0.25 plain 0.75", "force 0.0 previous"],
)
def test_that_lines_are_read_back(line: str) -> None:
    assert str(parse(line)) == line


def test_that_a_mix_is_shares_that_add_up() -> None:
    assert parse("mix random 3 chain 1") == Mix((("random", 0.75), ("chain", 0.25)))
    assert parse("mix chain") == Mix((("chain", 1.0),))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("freeze", "it is written freeze"),
        ("freeze W_K", "it is written freeze"),
        ("freeze head 0.1", "it is written freeze"),
        ("mix", "it is written mix"),
        ("mix 1 2", "no rows of the kind '1'"),
        ("dance", "there is no intervention"),
    ],
)
def test_that_lines_that_mean_nothing_are_one_line(line: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(line)


def test_that_what_a_run_does_not_have_cannot_be_frozen() -> None:
    recipe = Spec(positions="alibi").recipe()
    with pytest.raises(ValueError, match="there is no layer 2"):
        check(Freeze("W_Q 2"), recipe)
    with pytest.raises(ValueError, match="positions are alibi"):
        check(Freeze("positions"), recipe)
    with pytest.raises(ValueError, match="need text"):
        check(parse("mix spliced"), recipe)


def test_that_frozen_weights_name_what_they_hold() -> None:
    names = ["W_E", "W_pos", "W_U", "layers.0.attention.W_Q", "layers.1.attention.W_Q", "layers.1.attention.W_K"]
    held = {part: [name for name in names if Freeze(part).holds(name)] for part in ("embedding", "layer 1", "W_Q 1")}
    assert held == {"embedding": names[:1], "layer 1": names[4:], "W_Q 1": names[4:5]}
