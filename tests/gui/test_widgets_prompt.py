"""The prompt: when it tells its text, what Tab does, and what becomes of hostile pastes."""

import time
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtWidgets import QLineEdit, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from gui.widgets.prompt_edit import LONGEST, PromptEdit, cleaned


@pytest.fixture
def edit(qtbot: QtBot) -> Iterator[PromptEdit]:
    edit = PromptEdit()
    qtbot.addWidget(edit)
    edit.resize(500, edit.height())
    edit.show()
    edit.setFocus()
    return edit


def paste(edit: PromptEdit, text: str) -> None:
    data = QMimeData()
    data.setText(text)
    edit.insertFromMimeData(data)


def test_that_typing_tells_the_text_once_after_a_pause(qtbot: QtBot, edit: PromptEdit) -> None:
    told: list[str] = []
    edit.promptChanged.connect(told.append)
    qtbot.keyClicks(edit, "the keeper")
    assert told == []
    qtbot.waitUntil(lambda: told == ["the keeper"], timeout=2000)
    qtbot.wait(120)
    assert told == ["the keeper"]


def test_that_undone_typing_tells_nothing(qtbot: QtBot, edit: PromptEdit) -> None:
    told: list[str] = []
    edit.promptChanged.connect(told.append)
    qtbot.keyClicks(edit, "a")
    qtbot.waitUntil(lambda: told == ["a"], timeout=2000)
    qtbot.keyClicks(edit, "b")
    qtbot.keyClick(edit, Qt.Key.Key_Backspace)
    qtbot.wait(150)
    assert told == ["a"]


def test_that_tab_tells_the_text_first_then_accepts_and_never_writes_a_tab(qtbot: QtBot, edit: PromptEdit) -> None:
    order: list[str] = []
    edit.promptChanged.connect(order.append)
    edit.acceptPrediction.connect(lambda: order.append("accept"))
    qtbot.keyClicks(edit, "keeper")
    qtbot.keyClick(edit, Qt.Key.Key_Tab)
    assert order == ["keeper", "accept"]
    assert edit.prompt() == "keeper"


def test_that_shift_and_tab_leaves_and_escape_is_left_to_the_window(qtbot: QtBot) -> None:
    host = QWidget()
    qtbot.addWidget(host)
    column = QVBoxLayout(host)
    before, edit = QLineEdit(), PromptEdit()
    column.addWidget(before)
    column.addWidget(edit)
    host.show()
    edit.setFocus()
    qtbot.keyClick(edit, Qt.Key.Key_Backtab, Qt.KeyboardModifier.ShiftModifier)
    assert host.focusWidget() is before


def test_that_it_grows_from_one_line_to_four_and_then_scrolls(qtbot: QtBot, edit: PromptEdit) -> None:
    heights = []
    for lines in (1, 2, 4, 9):
        edit.set_prompt("\n".join("word" for _ in range(lines)))
        heights.append(edit.height())
    assert heights[0] < heights[1] < heights[2] == heights[3]
    edit.set_prompt("word " * 40)
    assert heights[0] < edit.height() <= heights[3]


@pytest.mark.parametrize(
    ("text", "kept", "removed"),
    [
        ("a\x00b\x07c", "abc", 2),
        ("one\r\ntwo\rthree", "one\ntwo\nthree", 0),
        ("tab\tstays", "tab\tstays", 0),
        ("half \ud83d character", "half  character", 1),
        ("👩‍🚀 שלום", "👩‍🚀 שלום", 0),
    ],
)
def test_that_control_characters_are_taken_out_and_everything_readable_stays(
    text: str, kept: str, removed: int
) -> None:
    assert cleaned(text) == (kept, removed)


def test_that_a_cleaned_paste_says_how_many_characters_went(qtbot: QtBot, edit: PromptEdit) -> None:
    with qtbot.waitSignal(edit.pasteCleaned) as told:
        paste(edit, "a\x00\x00b")
    assert told.args == [2]
    assert edit.prompt() == "ab"


def test_that_a_pasted_book_is_cut_to_its_end_in_no_time(qtbot: QtBot, edit: PromptEdit) -> None:
    book = "It was the best of times. " * 100_000 + "the end"
    before = time.perf_counter()
    with qtbot.waitSignal(edit.pasteCut) as told:
        paste(edit, book)
    assert time.perf_counter() - before < 1.0
    assert told.args == [len(book) - LONGEST]
    assert len(edit.prompt()) == LONGEST
    assert edit.prompt().endswith("the end")
    paste(edit, "more")
    assert len(edit.prompt()) <= LONGEST


def test_that_a_prompt_set_from_outside_is_told_and_an_accepted_token_goes_to_the_end(
    qtbot: QtBot, edit: PromptEdit
) -> None:
    with qtbot.waitSignal(edit.promptChanged) as told:
        edit.set_prompt("the keeper")
    assert told.args == ["the keeper"]
    edit.moveCursor(edit.textCursor().MoveOperation.Start)
    with qtbot.waitSignal(edit.promptChanged) as grown:
        edit.append(" Orla")
    assert grown.args == ["the keeper Orla"]
