"""The token strip: what a chip says, and what pointing, clicking and keys do."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QLineEdit, QToolTip, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from engine.work.results import Prediction, Token
from gui.theme import DARK, LIGHT
from gui.widgets.token_strip import TokenStrip
from gui.widgets.token_text import spoken, visible
from tests.gui.mouse import ask_for_tip, click, move
from tests.gui.painted import Painted

WORDS = (
    "⟨bos⟩",
    " The",
    " lantern",
    " keeper",
    " Orla",
    " hums",
    " a",
    " tune",
    ".",
    " At",
    " dusk",
    " the",
    " keeper",
)
GUESS = Prediction(7, " Orla", 0.88, 9.0)


def tokens(words: tuple[str, ...] = WORDS) -> tuple[Token, ...]:
    return tuple(Token(at, 100 + at, word) for at, word in enumerate(words))


@pytest.fixture
def strip(qtbot: QtBot) -> Iterator[TokenStrip]:
    strip = TokenStrip()
    qtbot.addWidget(strip)
    strip.resize(900, 60)
    losses = np.linspace(0, 9, len(WORDS), dtype=np.float32)
    losses[0] = np.nan
    strip.set_tokens(tokens(), losses)
    strip.show()
    return strip


def middle(strip: TokenStrip, position: int) -> QPointF:
    return strip.chip_rect(position).center()


def colours_in(strip: TokenStrip, position: int) -> set[str]:
    image, box = strip.viewport().grab().toImage(), strip.chip_rect(position).toRect()
    return {
        image.pixelColor(x, y).name()
        for x in range(box.left() - 1, box.right() + 2)
        for y in range(box.top() - 1, box.bottom() + 2)
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (" Orla", "·Orla"),
        ("\n", "↵"),
        ("\t", "⇥"),
        ("  x", "··x"),
        ("\x00", "\\x00"),
        ("", "⋯"),
        ("🙂", "🙂"),
        ("\u200b", "‹200B›"),
        ("a\u200db", "a‹200D›b"),
        ("\ufeff", "‹FEFF›"),
        ("\u200fx", "‹200F›x"),
        ("\u2028", "‹2028›"),
        ("\ufe0f", "‹FE0F›"),
        ("\u3164", "‹3164›"),
        (" שלום", "·שלום"),
    ],
)
def test_that_blanks_and_control_characters_are_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_that_a_token_is_spoken_without_its_space_and_a_broken_one_is_explained() -> None:
    assert spoken(" Orla") == "“Orla”"
    assert spoken("\n") == "“line break”"
    assert "character before" in spoken("")
    assert spoken("\u200d") == "“‹200D›”"
    assert spoken("\ufe0f") == "“‹FE0F›”"


def test_that_moving_over_chips_tells_each_position_once_and_none_on_leaving(qtbot: QtBot, strip: TokenStrip) -> None:
    told: list[int | None] = []
    strip.hovered.connect(told.append)
    move(qtbot, strip.viewport(), middle(strip, 3))
    move(qtbot, strip.viewport(), middle(strip, 3) + QPointF(2, 2))
    move(qtbot, strip.viewport(), middle(strip, 4))
    move(qtbot, strip.viewport(), QPointF(880, 2))
    assert told == [3, 4, None]


def test_that_a_click_tells_the_position_and_a_click_on_the_guess_accepts_it(qtbot: QtBot, strip: TokenStrip) -> None:
    strip.set_prediction(GUESS, True)
    with qtbot.waitSignal(strip.clicked) as told:
        click(qtbot, strip.viewport(), middle(strip, 4))
    assert told.args == [4]
    with qtbot.assertNotEmitted(strip.clicked), qtbot.waitSignal(strip.predictionAccepted):
        click(qtbot, strip.viewport(), middle(strip, len(WORDS)))


def test_that_arrow_keys_walk_over_the_tokens_and_enter_chooses(qtbot: QtBot, strip: TokenStrip) -> None:
    strip.set_prediction(GUESS, True)
    told: list[int | None] = []
    strip.hovered.connect(told.append)
    strip.set_hovered(10)
    for _ in range(4):
        qtbot.keyClick(strip, Qt.Key.Key_Right)
    assert told == [11, 12, None]  # then the guess, which is no token of the prompt
    with qtbot.waitSignal(strip.predictionAccepted):
        qtbot.keyClick(strip, Qt.Key.Key_Return)
    qtbot.keyClick(strip, Qt.Key.Key_Home)
    with qtbot.waitSignal(strip.clicked) as chosen:
        qtbot.keyClick(strip, Qt.Key.Key_Return)
    assert chosen.args == [0]


def test_that_tab_accepts_on_the_guess_and_moves_on_elsewhere(qtbot: QtBot) -> None:
    host = QWidget()
    qtbot.addWidget(host)
    column = QVBoxLayout(host)
    strip, after = TokenStrip(), QLineEdit()
    column.addWidget(strip)
    column.addWidget(after)
    strip.set_tokens(tokens(), None)
    strip.set_prediction(GUESS, False)
    host.show()
    strip.setFocus()
    qtbot.keyClick(strip, Qt.Key.Key_End)
    with qtbot.waitSignal(strip.predictionAccepted):
        qtbot.keyClick(strip, Qt.Key.Key_Tab)
    assert host.focusWidget() is strip
    qtbot.keyClick(strip, Qt.Key.Key_Left)
    qtbot.keyClick(strip, Qt.Key.Key_Tab)
    assert host.focusWidget() is after


def test_that_each_place_wears_its_own_colour(strip: TokenStrip) -> None:
    strip.set_marks(12, 4, 3)
    assert DARK.accent in colours_in(strip, 12)
    assert DARK.induction in colours_in(strip, 4)
    assert DARK.previous in colours_in(strip, 3)
    assert not {DARK.accent, DARK.induction, DARK.previous} & colours_in(strip, 7)


def test_that_a_pin_shows_and_goes(strip: TokenStrip) -> None:
    plain = strip.grab().toImage()
    strip.set_pinned(6)
    assert DARK.accent in colours_in(strip, 6)
    strip.set_pinned(None)
    assert strip.grab().toImage() == plain


def test_that_a_greater_surprise_is_a_stronger_red(strip: TokenStrip) -> None:
    image = strip.viewport().grab().toImage()

    def red(position: int) -> int:
        box = strip.chip_rect(position).toRect()
        return image.pixelColor(box.center().x(), box.bottom() - 1).red()

    assert red(2) < red(6) < red(11)


def test_that_a_tip_says_position_id_surprise_and_probability(strip: TokenStrip) -> None:
    tip = strip.tip(4)
    assert "position 4" in tip
    assert "id 104" in tip
    assert "3.00 nats" in tip
    assert "P 5 %" in tip
    assert "never predicted" in strip.tip(0)
    assert strip.accessibleDescription() == f"{len(WORDS)} tokens"
    ask_for_tip(strip.viewport(), middle(strip, 4))
    assert QToolTip.text() == tip
    QToolTip.hideText()


def test_that_chips_wrap_when_it_narrows_and_a_long_prompt_scrolls_in_a_bounded_height(
    qtbot: QtBot, strip: TokenStrip
) -> None:
    one_row = strip.height()
    strip.resize(420, one_row)
    assert strip.chip_rect(12).top() > strip.chip_rect(0).top()
    assert strip.height() > one_row
    strip.set_tokens(tokens(tuple(f" word{n}" for n in range(256))), None)
    bounded = strip.height()
    strip.set_tokens(tokens(tuple(f" word{n}" for n in range(1024))), None)
    assert strip.height() == bounded
    assert strip.verticalScrollBar().maximum() > 0
    qtbot.keyClick(strip, Qt.Key.Key_End)
    assert strip.viewport().rect().contains(middle(strip, 1023).toPoint())


def test_that_chips_never_overlap_nor_leave_the_strip_at_any_scale(strip: TokenStrip) -> None:
    words = ("⟨bos⟩", " " + "x" * 300, " a", "\n\n", "🙂", " antidisestablishmentarianism")
    strip.set_tokens(tokens(words), None)
    for scale in (1.0, 1.25, 1.6):
        strip.set_theme(replace(LIGHT, scale=scale))
        for width in (200, 500, 1280):
            strip.resize(width, strip.height())
            boxes = [strip.chip_rect(at) for at in range(len(words))]
            assert all(box.left() >= 0 and box.right() <= strip.viewport().width() for box in boxes)
            assert not any(one.intersects(two) for at, one in enumerate(boxes) for two in boxes[:at])


def test_that_new_tokens_of_another_number_forget_old_marks(strip: TokenStrip) -> None:
    strip.set_marks(12, 4, 3)
    strip.set_pinned(12)
    strip.set_tokens(tokens(WORDS[:5]), None)
    assert not {DARK.accent, DARK.induction, DARK.previous} & colours_in(strip, 4)
    assert strip.chip_rect(12).isEmpty()


def test_that_a_chance_is_written_as_in_the_list_of_predictions(strip: TokenStrip) -> None:
    strip.set_prediction(replace(GUESS, probability=0.9997), in_role_colour=True)
    assert "> 99.9 %" in strip.tip(len(WORDS))
    wide = strip.chip_rect(len(WORDS)).width()
    strip.set_prediction(replace(GUESS, probability=0.5), in_role_colour=True)
    assert strip.chip_rect(len(WORDS)).width() < wide


def test_that_only_the_chips_that_changed_are_painted_anew(qtbot: QtBot, strip: TokenStrip) -> None:
    painted = Painted(strip.viewport(), qtbot)
    strip.set_tokens(tokens((*WORDS[:-1], " lantern")), None)
    strip.set_tokens(tokens((*WORDS[:-1], " lantern")), None)
    assert painted.region().contains(middle(strip, 12).toPoint())
    strip.set_tokens(tokens((*WORDS[:-1], " lanterns")), None)
    other = Painted(strip.viewport(), qtbot)
    strip.set_tokens(tokens((*WORDS[:-1], " lamps")), None)
    strip.set_marks(12, 4, None)
    strip.set_pinned(None)
    assert [at for at in range(13) if other.region().contains(middle(strip, at).toPoint())] == [4, 12]


def test_that_saying_the_same_again_paints_nothing(qtbot: QtBot, strip: TokenStrip) -> None:
    strip.set_marks(12, 4, 3)
    strip.set_prediction(GUESS, in_role_colour=True)
    painted = Painted(strip.viewport(), qtbot)
    strip.set_tokens(tokens(), np.linspace(0, 9, len(WORDS), dtype=np.float32))  # the first had no loss before
    strip.set_marks(12, 4, 3)
    strip.set_pinned(None)
    strip.set_hovered(None)
    strip.set_prediction(GUESS, in_role_colour=True)
    assert painted.region().boundingRect().right() <= strip.chip_rect(1).left()
