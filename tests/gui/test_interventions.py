"""Meddling by hand: menus, painting, the stack and its file, before and after; on the real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction, QContextMenuEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QLineEdit, QWidget

from engine.circuits.interventions.lines import parse
from engine.circuits.interventions.values import Ablate, ForcePattern, KeepOnly, MoveNote, PatchPath, Swap
from engine.model.config import HeadRef
from engine.work.requests import Pair, Prompt
from gui.meddling import painting, stack_file
from gui.meddling.offers import NEEDS_PROMPT_B, Place, offers, place_of
from gui.meddling.stack_dialogs import TypeDialog
from gui.state import Hover
from gui.steps import Step, misfits, with_moved, with_value
from gui.studio import Studio
from gui.theme import load_fonts
from gui.words.interventions import statement, under

OTHER = "A H C D E F G A B"
PROMPT = Prompt("A B C D E F G A B")  # BOS first: the last token stands at 9, its earlier copy at 2
FIRST, SECOND = HeadRef(0, 0), HeadRef(1, 0)
K = Pair("0.0", "1.0", "k")


@pytest.fixture
def studio(qapp: QApplication) -> Iterator[Studio]:
    load_fonts()
    made = Studio("dark", (1280, 800))
    made.show("handbuilt-k", PROMPT)
    yield made
    made.close()


def best(studio: Studio) -> str:
    assert studio.state.findings.analysis is not None
    return studio.state.findings.analysis.predictions[0].text


def stripe(studio: Studio) -> float:
    """What the induction head gives from the last token to what followed its earlier copy."""
    pattern = studio.state.findings.pattern_of(SECOND)
    assert pattern is not None
    return float(pattern[9, 3])


def right_click(studio: Studio, widget: QWidget, at: QPoint) -> None:
    QTest.mouseMove(widget, at - QPoint(1, 0))
    QTest.mouseMove(widget, at)
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, at, widget.mapToGlobal(at))
    QApplication.sendEvent(widget, event)


def choose(studio: Studio, text: str) -> None:
    """The first entry of the open menu that begins so."""
    menu = studio.window.offers.menu
    assert menu is not None and menu.isVisible()
    entries: list[QAction] = [*menu.actions(), *(a for e in menu.actions() if e.menu() for a in e.menu().actions())]
    entry = next(entry for entry in entries if entry.text().startswith(text))
    assert entry.isEnabled()
    entry.trigger()
    menu.close()
    studio.window.activateWindow()
    studio.settle()


def values(studio: Studio) -> list[object]:
    return [step.value for step in studio.state.selection.steps]


# ---------------------------------------------------------------- the story of a lesson
def test_that_a_person_finds_the_circuit_breaks_it_and_mends_it(studio: Studio) -> None:
    """Pin a token, find the induction head, open its page, pin the edge, remove the previous-token head, and undo."""
    window, state = studio.window, studio.state
    strip = window.prompt.strip
    QTest.mouseClick(strip.viewport(), Qt.MouseButton.LeftButton, pos=strip.chip_rect(9).center().toPoint())
    studio.settle()
    assert state.selection.token == 9 and best(studio) == "C"
    grid = window.heads.view
    QTest.mouseClick(grid.viewport(), Qt.MouseButton.LeftButton, pos=grid.card_rect(SECOND).center())
    studio.settle()
    assert state.selection.head == SECOND and stripe(studio) > 0.99
    QTest.keyClick(window, Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    studio.settle()
    assert window.page.isVisible() and window.page.accessibleName().startswith("Head 1.0")
    diagram = window.diagram.view
    QTest.mouseClick(diagram, Qt.MouseButton.LeftButton, pos=diagram.edge_point(K).toPoint())
    studio.settle()
    assert state.selection.pair == K
    right_click(studio, diagram, diagram.node_point("0.0").toPoint())
    choose(studio, "Remove it")
    assert values(studio) == [Ablate((FIRST,))]
    assert stripe(studio) < 0.2 and best(studio) != "C"
    assert window.sentence.plain_text().startswith("Removed without head 0.0 the chance of “C” falls")
    QTest.keyClick(window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    studio.settle()
    assert stripe(studio) > 0.99 and best(studio) == "C"


# ---------------------------------------------------------------- menus
def test_that_an_edge_offers_the_moved_note_and_the_prediction_moves_on(studio: Studio) -> None:
    studio.state.toggle_pair(K)
    studio.settle()
    QTest.keyClick(studio.window, Qt.Key.Key_M)
    choose(studio, "Move the note one token on: 3 to 4")
    assert values(studio) == [MoveNote((FIRST,), (SECOND,), 3, 4)]
    assert best(studio) == "D"


def test_that_what_needs_a_second_prompt_is_there_once_there_is_one(studio: Studio) -> None:
    place = Place(pair=K)
    path = next(offer for offer in offers(place, studio.state) if offer.text.startswith("Patch this path"))
    assert path.value is None and path.tip == NEEDS_PROMPT_B
    studio.state.select(other=OTHER, pair=K)
    studio.settle()
    QTest.keyClick(studio.window, Qt.Key.Key_M)
    choose(studio, "Patch this path from prompt B, by the keys")
    assert values(studio) == [PatchPath((FIRST,), SECOND, "k", OTHER)]
    assert stripe(studio) < 0.2


def test_that_a_swap_from_a_prompt_of_another_length_is_said_and_can_be_undone(studio: Studio) -> None:
    studio.state.select(steps=(Step(Swap("z", (FIRST,), "A B")),))
    with pytest.raises(ValueError, match="the other prompt has 3 tokens and this one 10"):
        studio.settle()
    assert studio.state.findings.analysis is studio.state.findings.baseline  # the last good run stays in sight
    studio.state.undo()
    assert studio.state.in_force == ()


def test_that_a_cell_offers_to_look_there_only(studio: Studio) -> None:
    view = studio.window.head.view
    studio.state.select(head=SECOND)
    studio.settle()
    right_click(studio, view, view.cell_rect(9, 5).center().toPoint())
    choose(studio, "Look here only")
    pattern = studio.state.findings.pattern_of(SECOND)
    assert pattern is not None and float(pattern[9, 5]) == 1.0 and best(studio) == "E"
    assert float(pattern[8, 2]) > 0.99  # the other rows stay


def test_that_a_token_offers_removal_at_that_place_only(studio: Studio) -> None:
    studio.state.select(head=FIRST)
    strip = studio.window.prompt.strip
    right_click(studio, strip.viewport(), strip.chip_rect(3).center().toPoint())
    choose(studio, "Remove it at this token only")
    assert values(studio) == [Ablate((FIRST,), positions=(3,))]
    assert stripe(studio) < 0.2
    assert studio.state.removed_heads == frozenset()  # elsewhere it goes on


def test_that_hover_comes_before_what_is_pinned(studio: Studio) -> None:
    studio.state.select(head=SECOND, token=4)
    assert place_of(studio.state) == Place(head=SECOND, token=4)
    studio.state.point(Hover(head=FIRST))
    assert place_of(studio.state) == Place(head=FIRST)
    studio.state.point(Hover(token=5, source=2))
    assert place_of(studio.state) == Place(head=SECOND, token=5, source=2)


def test_that_every_offer_fits_the_model_and_reads_back_from_its_line(studio: Studio) -> None:
    studio.state.select(other=OTHER, pair=K, head=SECOND, token=9, source=3)
    studio.settle()
    place = place_of(studio.state)
    found = [offer.value for offer in offers(place, studio.state)]
    assert len(found) > 20 and None not in found
    for value in found:
        assert value is not None and parse(str(value)) == value
        assert misfits((Step(value),), studio.state.findings.model, studio.state.length) == {}
        assert statement(value) and under([value])


# ---------------------------------------------------------------- painting
def test_that_a_stroke_paints_is_brought_back_to_one_and_is_one_step_of_undo(studio: Studio) -> None:
    studio.state.select(head=SECOND)
    QTest.keyClick(studio.window, Qt.Key.Key_P)
    studio.settle()
    view = studio.window.head.view
    start, middle, end = (view.cell_rect(9, column).center().toPoint() for column in (5, 6, 7))
    QTest.mousePress(view, Qt.MouseButton.LeftButton, pos=start)
    for point in (middle, end):
        QTest.mouseMove(view, point)
    assert studio.state.selection.steps == ()  # nothing is done before the button is let go
    QTest.mouseRelease(view, Qt.MouseButton.LeftButton, pos=end)
    studio.settle()
    assert len(studio.state.selection.steps) == 1
    pattern = studio.state.findings.pattern_of(SECOND)
    assert pattern is not None
    assert pattern[9, [3, 5, 6, 7]].astype(float) == pytest.approx([0.25] * 4, abs=1e-3)  # three cells joined one
    toast = studio.window.toasts.toasts()[-1].accessibleName()
    assert toast.startswith("1.0 attends as painted")
    QTest.keyClick(studio.window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    studio.settle()
    assert studio.state.selection.steps == () and stripe(studio) > 0.99


def test_that_shift_takes_attention_away_and_a_row_without_any_rests_on_the_first_token(studio: Studio) -> None:
    studio.state.select(head=SECOND, painting=True)
    studio.settle()
    view = studio.window.head.view
    at, shift = view.cell_rect(9, 3).center().toPoint(), Qt.KeyboardModifier.ShiftModifier
    QTest.mouseClick(view, Qt.MouseButton.LeftButton, shift, at)
    studio.settle()
    pattern = studio.state.findings.pattern_of(SECOND)
    assert pattern is not None and float(pattern[9, 3]) == 0.0
    assert np.asarray(pattern, dtype=float).sum(-1) == pytest.approx(1.0, abs=1e-3)


def test_that_two_quick_strokes_both_count(studio: Studio) -> None:
    studio.state.select(head=SECOND, painting=True)
    studio.settle()
    view = studio.window.head.view
    for column in (5, 6):
        QTest.mouseClick(view, Qt.MouseButton.LeftButton, pos=view.cell_rect(9, column).center().toPoint())
    studio.settle()
    (step,) = studio.state.selection.steps
    assert isinstance(step.value, ForcePattern)
    assert step.value.painted[9][5] > 0.2 and step.value.painted[9][6] > 0.2


def test_that_painting_needs_no_mouse(studio: Studio) -> None:
    studio.state.select(head=SECOND, painting=True)
    studio.settle()
    view = studio.window.head.view
    view.setFocus(Qt.FocusReason.TabFocusReason)
    QTest.keyClick(view, Qt.Key.Key_Right)
    QTest.keyClick(view, Qt.Key.Key_Return)
    studio.settle()
    assert len(studio.state.selection.steps) == 1


def test_that_a_row_that_does_not_sum_to_one_is_said() -> None:
    base = np.eye(3)
    values = painting.brushed(base, [(2, 0), (2, 1)], 1.0)
    assert painting.note(values, [2, 2]) == "row 2 had a sum of 3.00: brought back to 1"
    assert painting.normalised(values)[2] == pytest.approx([1 / 3] * 3)
    nothing = painting.brushed(base, [(1, 1)], 0.0)
    assert painting.note(nothing, [1]) == "row 1 had nothing left: it rests on the first token"
    assert painting.normalised(nothing)[1] == pytest.approx([1, 0, 0])
    assert painting.note(base, [0, 1]) == ""
    assert painting.brushed(base, [(0, 2)], 1.0)[0, 2] == 0.0  # what comes later cannot be attended to


# ---------------------------------------------------------------- the stack
def test_that_the_stack_is_switched_ordered_named_and_emptied_from_its_list(studio: Studio) -> None:
    studio.state.select(steps=(Step(parse("zero 0.0")), Step(parse("force 1.0 uniform"))))
    studio.settle()
    shown = studio.window.interventions.list
    assert [shown.item(row).text() for row in range(2)] == ["0.0 is removed", "1.0 attends to all alike"]
    shown.setCurrentRow(0)
    QTest.keyClick(shown, Qt.Key.Key_Space)
    studio.settle()
    assert [step.on for step in studio.state.selection.steps] == [False, True]
    assert studio.state.in_force == (parse("force 1.0 uniform"),)
    QTest.keyClick(shown, Qt.Key.Key_Down, Qt.KeyboardModifier.AltModifier)
    assert [str(step.value) for step in studio.state.selection.steps] == ["force 1.0 uniform", "zero 0.0"]
    QTest.keyClick(shown, Qt.Key.Key_F2)
    editor = shown.findChild(QLineEdit)
    assert editor is not None
    editor.selectAll()
    QTest.keyClicks(editor, "without the note")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    QApplication.processEvents()  # the editor hands over what was typed a moment later
    assert studio.state.selection.steps[1].name == "without the note"
    QTest.keyClick(shown, Qt.Key.Key_Delete)
    assert [str(step.value) for step in studio.state.selection.steps] == ["force 1.0 uniform"]
    for _ in range(4):
        studio.state.undo()
    studio.settle()
    assert [(str(step.value), step.on) for step in studio.state.selection.steps] == [
        ("zero 0.0", True),
        ("force 1.0 uniform", True),
    ]


def test_that_what_does_not_fit_is_kept_greyed_and_says_why(studio: Studio) -> None:
    studio.state.select(steps=(Step(parse("zero 0.0 @9")), Step(parse("zero 0.7"))))
    studio.settle()
    panel = studio.window.interventions
    assert "head 0.7" in panel.list.item(1).toolTip() and panel.list.item(1).font().italic()
    assert not panel.list.item(0).font().italic()
    studio.state.select(prompt=Prompt("A B A"))
    studio.settle()
    assert "no position 9 in a prompt of 4 tokens" in panel.list.item(0).toolTip()
    assert len(studio.state.selection.steps) == 2 and studio.state.in_force == ()
    studio.state.select(prompt=PROMPT)
    studio.settle()
    assert studio.state.in_force == (parse("zero 0.0 @9"),)


def test_that_before_and_after_are_one_switch_in_every_panel(studio: Studio) -> None:
    studio.state.select(head=SECOND, steps=(Step(parse("zero 0.0")),))
    studio.settle()
    QTest.keyClick(studio.window, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier)
    studio.settle()
    window = studio.window
    assert "after minus before" in window.heads.accessibleName()
    gap = studio.state.findings.difference_of(SECOND)
    assert gap is not None and gap[9, 3] < -0.8
    assert "after minus before" in window.head.view.caption()
    assert window.roles.numbers().header[:4] == ("head", "moved", "previous_token after", "previous_token before")
    assert window.prediction.numbers().header[-1] == "probability without interventions"
    assert not window.prompt.other_strip.isVisible()
    studio.state.select(steps=())
    studio.settle()
    assert studio.state.findings.fitting_comparison is None
    assert window.heads.accessibleName() == "Attention heads"


def test_that_the_complement_test_is_one_key(studio: Studio) -> None:
    studio.state.select(pair=K)
    QTest.keyClick(studio.window, Qt.Key.Key_K, Qt.KeyboardModifier.ShiftModifier)
    studio.settle()
    assert values(studio) == [KeepOnly((FIRST, SECOND))]
    assert best(studio) == "C"
    studio.state.select(pair=None, steps=(Step(Ablate((SECOND,))),))
    studio.settle()
    QTest.keyClick(studio.window, Qt.Key.Key_K, Qt.KeyboardModifier.ShiftModifier)
    studio.settle()
    assert values(studio) == [KeepOnly((SECOND,))] and FIRST in studio.state.removed_heads


def test_that_an_intervention_can_be_typed_and_a_wrong_one_says_how(studio: Studio) -> None:
    QTest.keyClick(studio.window, Qt.Key.Key_I, Qt.KeyboardModifier.ControlModifier)
    dialog = studio.window.findChild(TypeDialog)
    assert dialog is not None and dialog.isVisible()
    for text, reason in (("zero", "it is written zero|mean|resample"), ("zero 9.9", "no head 9.9")):
        dialog.line.setText(text)
        QTest.keyClick(dialog.line, Qt.Key.Key_Return)
        assert dialog.isVisible() and reason in dialog.problem.text()
    dialog.line.setText("zero 0.0 keep-pattern")
    QTest.keyClick(dialog.line, Qt.Key.Key_Return)
    studio.settle()
    assert [str(value) for value in values(studio)] == ["zero 0.0 keep-pattern"]


# ---------------------------------------------------------------- files
def test_that_a_stack_is_saved_and_opened_alike(studio: Studio, tmp_path: Path) -> None:
    steps = (
        Step(parse("zero 0.0")),
        Step(parse('swap z 1.0 @3 from "A X"'), on=False, name='with "quotes": and a colon'),
        Step(parse("force 1.0 painted 1.0,0.0/0.25,0.75"), name="hand"),
    )
    studio.state.select(steps=steps)
    studio.window.stacks.save(tmp_path / "stack.txt")
    studio.state.select(steps=())
    studio.window.stacks.load(tmp_path / "stack.txt")
    assert studio.state.selection.steps == steps
    studio.settle()
    assert studio.state.in_force == (parse("zero 0.0"),)  # one is off, one is too short


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("zero 0.0\nzerro 0.1\n", "line 2: there is no intervention 'zerro 0.1'"),
        ('off "half: zero 0.0\n', "line 1"),
        ('"name" zero 0.0', "after a name stands a colon"),
        ("# nothing\n", "holds no interventions"),
    ],
)
def test_that_a_file_that_is_no_stack_is_told_in_one_line_and_nothing_is_lost(
    studio: Studio, tmp_path: Path, text: str, said: str
) -> None:
    studio.state.select(steps=(Step(parse("zero 0.0")),))
    (tmp_path / "bad.txt").write_text(text)
    studio.window.stacks.load(tmp_path / "bad.txt")
    title = studio.window.toasts.toasts()[-1].accessibleName()
    assert said in title and "\n" not in title
    assert [str(value) for value in values(studio)] == ["zero 0.0"]
    studio.settle()


def test_that_files_that_cannot_be_read_or_written_are_told(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "pixels.txt").write_bytes(b"\xff\xfe\x00\x99")
    for path in (tmp_path / "gone.txt", tmp_path / "pixels.txt", tmp_path):
        with pytest.raises(stack_file.StackFileError):
            stack_file.load(path)
    with pytest.raises(stack_file.StackFileError, match="could not be written"):
        stack_file.save(tmp_path / "no" / "folder.txt", ())


# ---------------------------------------------------------------- pure
def test_that_a_new_pattern_takes_the_place_of_the_old_one_of_that_head_only() -> None:
    steps = with_value(with_value((), parse("force 1.0 uniform")), parse("force 0.0 previous"))
    steps = with_value(steps, parse("force 1.0 induction"))
    assert [str(step.value) for step in steps] == ["force 1.0 induction", "force 0.0 previous"]
    short = with_value((), parse("force 1.0 painted 1.0"))
    assert len(with_value(short, parse("force 1.0 painted 1.0,0.0/0.5,0.5"))) == 2  # made for another prompt: kept


def test_that_moving_a_step_keeps_the_others_in_order() -> None:
    steps = tuple(Step(parse(f"zero 0.{head}")) for head in range(4))
    assert [str(step.value)[-1] for step in with_moved(steps, 0, 2)] == ["1", "2", "0", "3"]
    assert [str(step.value)[-1] for step in with_moved(steps, 3, 0)] == ["3", "0", "1", "2"]


WORDS = {
    "zero 0.3": "0.3 is removed",
    "zero 0.3 1.2 @4": "0.3 and 1.2 are removed at 4",
    "mean 0.0 0.1 0.2 0.3": "4 heads are replaced by the mean",
    "resample mlp.1 keep-value": "mlp.1 is taken from random prompts, all values kept",
    "keep 0.3 1.2": "only 0.3 and 1.2 are kept",
    "keep none else mean": "no head is kept, the others give their mean",
    "scramble 1.2": "what 1.2 copies is scrambled",
    "force 0.3 offset 2": "0.3 attends 2 back",
    "force 0.3 random": "0.3 attends at random",
    "positions shift 5": "positions are moved on by 5",
    "positions remove in 0.3": "positions are removed for 0.3",
    'swap z 0.3 @1,2,3,4 from "x"': "the output of 0.3 comes from “x” at 4 positions",
    'path 0.3 > 1.2.k from "x"': "the keys of 1.2 read 0.3 as in “x”",
    'path 0.3 > logits from "x"': "the logits read 0.3 as in “x”",
    "move-note 0.3 > 1.2 @5 to 6": "the keys of 1.2 find the note of 0.3 at 6 instead of 5",
}


@pytest.mark.parametrize(("line", "words"), WORDS.items())
def test_that_each_is_said_in_words(line: str, words: str) -> None:
    assert statement(parse(line)) == words


def test_that_what_a_run_is_under_is_said_shortly() -> None:
    assert under([parse("zero 0.3"), parse("zero 1.2")]) == "without 0.3, 1.2"
    assert under([parse("zero 0.3 @1")]) == "while 0.3 is removed at 1"
    assert under([parse("zero 0.3"), parse("scramble 1.2")]) == "under 2 changes"
