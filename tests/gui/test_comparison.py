"""Two prompts side by side: turned on by a key, typed like the first, told in every panel, and turned off again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage

from engine.model.config import HeadRef
from engine.work.requests import Compare, ExamineHead, Prompt
from engine.work.results import Failure
from gui.actions import corrupted
from gui.theme import DARK, NEUTRAL
from gui.widgets.atlas_paint import atlas_image
from gui.widgets.pattern_paint import indexed
from gui.widgets.pictures import max_pooled, strongest
from tests.gui import canned
from tests.gui.conftest import Stage

CORRUPT = "The lantern hums Orla hums a tune. At dusk the lantern keeper"


def compared(stage: Stage) -> Stage:
    """The stage with Ctrl+K pressed, and a B that is a prompt of its own."""
    stage.key(Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    stage.window.prompt.other.set_prompt(CORRUPT)
    stage.settle()
    return stage


def test_that_a_key_puts_a_prompt_beside_the_first_in_which_nothing_repeats(stage: Stage) -> None:
    stage.key(Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    stage.settle()
    other = stage.window.prompt.other
    assert other.isVisible() and stage.window.prompt.other_strip.isVisible()
    assert other.prompt() != canned.SAMPLE and "keeper Orla" not in other.prompt()
    assert other.prompt().endswith("the lantern keeper")
    assert isinstance(stage.service.asked[-1], Compare) or any(isinstance(r, Compare) for r in stage.service.asked)


def test_that_every_panel_shows_a_minus_b(stage: Stage) -> None:
    window = compared(stage).window
    found = stage.state.findings.fitting_comparison
    assert found is not None and found.second.prompt.text == CORRUPT
    assert window.heads.numbers().rows  # still of prompt A
    gap = stage.state.findings.difference_of(HeadRef(1, 3))
    assert gap is not None and np.isfinite(gap).all()
    assert "A minus B" in window.head.view.caption()
    assert window.prediction.numbers().header[-1] == "probability on prompt B"
    assert window.prediction.numbers().rows[0][-1] == pytest.approx(
        found.second.chance_of(found.first.predictions[0].id)
    )
    assert window.roles.numbers().header[:2] == ("head", "moved")
    assert window.roles.table.shown_heads()[0] == HeadRef(
        *np.unravel_index(int(found.moved.argmax()), found.moved.shape)
    )
    assert "in A" in window.prompt.note() and "in B" in window.prompt.note()


def test_that_the_tokens_that_differ_are_marked_in_both_prompts(stage: Stage) -> None:
    prompt = compared(stage).window.prompt
    assert prompt.strip.apart == prompt.other_strip.apart == frozenset({3})


def test_that_the_same_key_goes_back_to_one_prompt(stage: Stage) -> None:
    compared(stage).key(Qt.Key.Key_K, Qt.KeyboardModifier.ControlModifier)
    stage.settle()
    assert not stage.window.prompt.other.isVisible()
    assert stage.state.findings.comparison is None
    assert "attends to" in stage.window.head.view.caption() and "minus" not in stage.window.head.view.caption()
    assert stage.window.roles.numbers().header[1] == "previous_token"
    assert stage.window.prompt.strip.apart == frozenset()


def test_that_what_is_wrong_with_b_is_said_below_it_and_takes_nothing_away(stage: Stage) -> None:
    stage.service.rules.refused["zzz"] = Failure("this model does not know “zzz”")
    compared(stage).window.prompt.other.set_prompt("zzz")
    stage.settle()
    assert stage.window.prompt.note().startswith("Prompt B: this model does not know")
    assert stage.state.findings.analysis is not None and stage.state.findings.problem is None
    stage.window.prompt.other.set_prompt(CORRUPT)
    stage.settle()
    assert stage.state.findings.fitting_comparison is not None


def test_that_a_removal_holds_in_both_prompts(stage: Stage) -> None:
    compared(stage).state.toggle_removal(HeadRef(1, 3))
    stage.settle()
    found = stage.state.findings.fitting_comparison
    assert found is not None and found.second.ablated == (HeadRef(1, 3),)


def test_that_long_prompts_ask_for_the_shown_head_on_both(stage: Stage) -> None:
    stage.service.rules.keeps_patterns = False
    stage.type("one two one")
    stage.settle()
    compared(stage)
    asked = {request.prompt.text for request in stage.service.asked if isinstance(request, ExamineHead)}
    assert asked == {"one two one", CORRUPT}


def test_that_a_corrupt_prompt_takes_another_word_of_the_same_text() -> None:
    prompt = Prompt(canned.SAMPLE)
    analysis, behaviour = canned.analysis_of(prompt), canned.behaviour_of(prompt, None)
    text = corrupted(canned.SAMPLE, analysis, behaviour)
    words = canned.SAMPLE.split()
    changed = [(old, new) for old, new in zip(words, text.split(), strict=True) if old != new]
    assert changed == [("keeper", "Orla")]
    assert corrupted("something else", analysis, behaviour) == "something else"
    assert corrupted(canned.SAMPLE, analysis, replace(behaviour, earlier=())) == canned.SAMPLE


def test_that_signed_pictures_shrink_to_the_strongest_of_either_sign() -> None:
    values = np.full((1, 1, 64, 64), NEUTRAL, np.uint8)
    values[0, 0, 3, 3], values[0, 0, 40, 20] = 1, 255
    image: QImage = atlas_image(values, 16, True, DARK)
    lut = DARK.signed_lut()
    low, high = (image.pixelColor(x, y) for x, y in ((0, 0), (5, 10)))
    assert (low.red(), low.green(), low.blue()) == tuple(lut[1])
    assert (high.red(), high.green(), high.blue()) == tuple(lut[255])


def test_that_nothing_gives_way_to_any_sign_and_stays_nothing_alone() -> None:
    values = np.array([[0, 100, 0, 0], [0, 0, 0, 0]], np.uint16)
    pooled = strongest(lambda cells: max_pooled(cells, 2), values, 129)
    assert pooled.tolist() == [[100, 0], [0, 0]]


def test_that_a_difference_is_drawn_on_a_fixed_scale() -> None:
    places = indexed(np.array([[0.5, 0.0], [-1.0, np.nan]], np.float32), "difference")
    assert places[1, 0] == NEUTRAL - 127 + 1
    assert NEUTRAL + 1 < places[0, 0] < NEUTRAL + 127
    assert places[1, 1] == places[0, 1] == 0
