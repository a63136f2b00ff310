"""The window under a person's hands: real key presses and mouse moves, the canned engine behind it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QFileDialog
from pytestqt.qtbot import QtBot

from engine.circuits.interventions.values import Ablate
from engine.model.config import HeadRef
from engine.work.requests import Analyze, Prompt, Repeat
from engine.work.results import Failure
from gui.panels.prediction_panel import Beside, bar_rows
from gui.repeat_dialog import RepeatDialog
from gui.state import Hover
from gui.steps import Step
from gui.theme import load_fonts
from gui.words.interventions import outcome_label
from tests.gui import canned
from tests.gui.conftest import Stage, staged

CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def test_that_the_first_prompt_shows_the_effect_without_any_action(stage: Stage) -> None:
    assert stage.window.prompt.edit.prompt() == canned.SAMPLE
    assert "“keeper” attends to “Orla”" in stage.window.sentence.plain_text()
    assert "falls from 88 % to 9 %" in stage.window.sentence.plain_text()
    assert stage.state.focus.head == HeadRef(1, 3)


def test_that_typing_is_followed_by_every_panel(stage: Stage) -> None:
    stage.type("one two three one two")
    stage.settle()
    assert [token.text for token in stage.analysis.tokens] == ["⟨bos⟩", "one", " two", " three", " one", " two"]
    assert "“two” attends to “three”" in stage.window.sentence.plain_text()
    assert stage.window.head.view.caption().startswith("“two” (5) attends to “three” (3)")


def test_that_rapid_typing_ends_with_the_last_text_only(stage: Stage) -> None:
    stage.service.held = True
    stage.type("one two one")
    stage.qtbot.wait(90)
    stage.qtbot.keyClicks(stage.window.prompt.edit, " two three")
    stage.qtbot.wait(90)
    stage.service.held = False
    stage.service.release()
    stage.settle()
    assert stage.analysis.prompt.text == "one two one two three"


def test_that_the_letter_r_can_be_typed_into_the_prompt(stage: Stage) -> None:
    stage.type("rarer")
    stage.settle()
    assert stage.analysis.prompt.text == "rarer"
    assert stage.state.selection.steps == ()


def test_that_hovering_a_token_marks_it_in_every_head_and_leaving_ends_it(stage: Stage) -> None:
    strip = stage.window.prompt.strip.viewport()
    stage.qtbot.mouseMove(strip, stage.chip(4))
    assert stage.state.hover == Hover(token=4)
    assert stage.state.focus.destination == 4
    stage.qtbot.mouseMove(strip, strip.rect().bottomRight())
    assert stage.state.hover == Hover()


def test_that_a_click_pins_a_token_and_the_same_click_lets_go(stage: Stage) -> None:
    stage.click_chip(4)
    assert stage.state.selection.token == 4
    stage.click_chip(4)
    assert stage.state.selection.token is None


def test_that_a_pinned_token_has_its_own_sentence(stage: Stage) -> None:
    stage.click_chip(12)
    stage.settle()
    assert "“lantern” attends to “keeper”" in stage.window.sentence.plain_text()


def test_that_hovering_previews_a_head_and_clicking_pins_it(stage: Stage) -> None:
    stage.hover_head(HeadRef(0, 0))
    assert stage.window.head.accessibleName() == "Head 0.0 · previous-token head"
    stage.window.heads.view.headHovered.emit(None)
    assert stage.window.head.accessibleName() == "Head 1.3 · induction head"
    stage.click_head(HeadRef(1, 1))
    stage.window.heads.view.headHovered.emit(None)
    assert stage.state.selection.head == HeadRef(1, 1)
    assert stage.window.head.accessibleName() == "Head 1.1 · attends like an induction head"


def test_that_escape_lets_go_step_by_step(stage: Stage) -> None:
    stage.click_chip(4)
    stage.click_head(HeadRef(0, 2))
    stage.state.point(Hover())
    stage.key(Qt.Key.Key_Escape)
    assert stage.state.selection.token is None
    assert stage.state.selection.head == HeadRef(0, 2)
    stage.key(Qt.Key.Key_Escape)
    assert stage.state.selection.head is None


def test_that_arrow_keys_walk_the_grid_and_enter_pins(stage: Stage) -> None:
    view = stage.window.heads.view
    view.setFocus()
    stage.qtbot.keyClick(view, Qt.Key.Key_Left)
    assert stage.state.focus.head == HeadRef(1, 2)
    stage.qtbot.keyClick(view, Qt.Key.Key_Down)
    stage.qtbot.keyClick(view, Qt.Key.Key_Return)
    assert stage.state.selection.head == HeadRef(0, 2)


def test_that_r_removes_the_head_shows_before_and_after_and_undo_brings_it_back(stage: Stage) -> None:
    stage.click_head(HeadRef(1, 3))
    stage.window.heads.view.setFocus()
    stage.key(Qt.Key.Key_R)
    stage.settle()
    assert stage.analysis.ablated == (HeadRef(1, 3),)
    assert "without head 1.3 the chance of “Orla” falls from 88 % to 9 %" in stage.window.sentence.plain_text()
    table = stage.window.prediction.numbers()
    assert table.rows[0][2] == 0.09
    assert table.rows[0][4] == pytest.approx(0.88)
    stage.key(Qt.Key.Key_Z, CONTROL)
    stage.settle()
    assert stage.analysis.ablated == ()
    assert "attends to" in stage.window.sentence.plain_text()
    stage.key(Qt.Key.Key_Z, CONTROL | SHIFT)
    stage.settle()
    assert stage.analysis.ablated == (HeadRef(1, 3),)
    stage.key(Qt.Key.Key_R, SHIFT)
    stage.settle()
    assert stage.analysis.ablated == ()


def test_that_tab_accepts_the_prediction(stage: Stage) -> None:
    stage.window.focus_prompt()
    stage.qtbot.keyClick(stage.window.prompt.edit, Qt.Key.Key_Tab)
    stage.settle()
    assert stage.analysis.prompt.text == canned.SAMPLE + " Orla"
    assert stage.window.prompt.edit.prompt() == canned.SAMPLE + " Orla"


def test_that_a_prompt_with_nothing_to_copy_offers_one_that_has(stage: Stage) -> None:
    stage.type("In summer the children play near")
    stage.settle()
    assert "no earlier “·near” in this prompt" in stage.window.sentence.plain_text()
    stage.window.sentence.buttonClicked.emit()
    stage.settle()
    assert stage.window.prompt.edit.prompt().endswith("the lantern keeper")
    assert "attends to" in stage.window.sentence.plain_text()


def test_that_an_emptied_prompt_keeps_the_last_picture_and_says_so(stage: Stage) -> None:
    before = stage.analysis
    stage.window.focus_prompt()
    stage.qtbot.keyClick(stage.window.prompt.edit, Qt.Key.Key_Backspace)
    stage.settle()
    assert stage.analysis is before
    assert "The prompt is empty" in stage.window.prompt.note()


def test_that_a_random_repeat_is_asked_for_and_read(stage: Stage) -> None:
    stage.window.dialogs.ask_repeat()
    dialog = next(w for w in stage.window.findChildren(RepeatDialog))
    dialog.length.setValue(6)
    dialog.seed.setValue(3)
    dialog.accept()
    stage.settle()
    assert stage.state.selection.prompt == Prompt(repeat=Repeat(6, 3))
    assert len(stage.analysis.tokens) == 13
    stage.type("back to words")
    stage.settle()
    assert stage.state.selection.prompt == Prompt("back to words")


def test_that_bos_can_be_left_out_and_that_is_said(stage: Stage) -> None:
    stage.window.commands.action("repeat.bos").trigger()
    stage.settle()
    assert stage.analysis.tokens[0].text == "The"
    assert "without ⟨bos⟩" in stage.window.prompt.note()
    assert not stage.window.commands.action("repeat.bos").isChecked()


def test_that_a_failed_prompt_is_a_toast_and_the_window_goes_on(stage: Stage) -> None:
    stage.service.rules.refused["bad"] = Failure("This prompt cannot be read", "Try another.", "details")
    stage.type("bad")
    stage.settle()
    assert [toast.accessibleName() for toast in stage.window.toasts.toasts()] == ["This prompt cannot be read"]
    assert "This prompt cannot be read" in stage.window.prompt.note()
    stage.type("one two one")
    stage.settle()
    assert stage.analysis.prompt.text == "one two one"


def test_that_another_model_can_be_chosen_while_typing(stage: Stage) -> None:
    stage.service.rules.heads["instant"] = 2
    stage.click_head(HeadRef(1, 3))
    stage.type("one two")
    action = next(a for a in stage.window.menus.models.actions() if a.data() == "instant")
    action.trigger()
    stage.qtbot.keyClicks(stage.window.prompt.edit, " one")
    stage.settle()
    assert stage.analysis.model.name == "instant"
    assert stage.analysis.prompt.text == "one two one"
    assert stage.state.selection.head is None
    assert "instant" in stage.window.top.model_button.text()


def test_that_the_table_pins_heads_too(stage: Stage) -> None:
    table = stage.window.roles.table
    stage.qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=table.row_centre(HeadRef(0, 0)))
    assert stage.state.selection.head == HeadRef(0, 0)


def test_that_a_cell_pins_who_attends_to_whom(stage: Stage) -> None:
    view = stage.window.head.view
    at = view.cell_rect(12, 3).center().toPoint()
    stage.qtbot.mouseMove(view, at)
    assert stage.state.hover == Hover(token=12, source=3)
    stage.qtbot.mouseClick(view, Qt.MouseButton.LeftButton, pos=at)
    assert (stage.state.selection.token, stage.state.selection.source) == (12, 3)


def test_that_the_switches_of_the_view_reach_the_pictures(stage: Stage) -> None:
    for name in ("picture.first", "picture.stripe", "picture.raw", "sort.induction"):
        stage.window.commands.action(name).trigger()
    stage.settle()
    shown = stage.state.selection
    assert (shown.hide_first, shown.stripe, shown.raw_scores, shown.order) == (True, True, True, "induction")
    assert "raw" not in stage.window.head.view.caption()
    assert "scores" in stage.window.head.view.caption()


def test_that_the_window_can_be_made_small_and_large(stage: Stage) -> None:
    for size in ((1000, 640), (1920, 1080), (1280, 800)):
        stage.window.resize(*size)
        stage.qtbot.wait(10)
        assert stage.window.size().toTuple() == size


def test_that_the_look_changes_at_once_and_is_remembered(stage: Stage) -> None:
    stage.window.commands.action("look.light").trigger()
    stage.key(Qt.Key.Key_Plus, CONTROL)
    assert not stage.window.themes.theme.is_dark
    assert stage.window.themes.scale > 1.0
    stage.window.close()
    assert stage.settings.theme == "light"
    assert stage.settings.scale == stage.window.themes.scale
    assert stage.settings.prompt == canned.SAMPLE


def test_that_a_figure_is_copied_and_numbers_are_saved(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.window.heads.copyFigure.emit()
    assert not QGuiApplication.clipboard().pixmap().isNull()
    target = tmp_path / "numbers.csv"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    stage.window.commands.action("figure.numbers").trigger()
    text = target.read_text(encoding="utf-8")
    for heading in ("# tokens", "# next token", "# roles", "# head 1.3: attention", "# attention of every head"):
        assert heading in text


def test_that_an_unwritable_place_is_a_toast(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "no such folder" / "figure.png"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    stage.window.commands.action("figure.save").trigger()
    assert stage.window.toasts.toasts()[-1].accessibleName().startswith("cannot write figure.png")
    assert not target.exists()


def test_that_the_help_sheet_lists_every_key(stage: Stage) -> None:
    from gui.help_sheet import TextSheet

    stage.window.commands.action("help.keys").trigger()
    sheet = next(w for w in stage.window.findChildren(TextSheet))
    text = sheet.page.toPlainText()
    for command in stage.window.commands.commands:
        assert command.text.replace("&", "").rstrip("…") in text
    sheet.close()


def test_that_no_two_commands_share_a_key(stage: Stage) -> None:
    keys = [key for command in stage.window.commands.commands for key in command.keys]
    assert len(keys) == len(set(keys))


def test_that_every_command_says_in_one_sentence_what_it_does(stage: Stage) -> None:
    for command in stage.window.commands.commands:
        assert command.tip.endswith("."), command.name


def test_that_nothing_is_asked_of_the_engine_while_hovering(stage: Stage) -> None:
    stage.service.asked.clear()
    for head in (HeadRef(0, 0), HeadRef(0, 1), HeadRef(1, 0)):
        stage.hover_head(head)
    assert not any(isinstance(request, Analyze) for request in stage.service.asked)


def test_that_the_window_is_complete_before_the_engine_answers(qtbot: QtBot, tmp_path: Path) -> None:
    made = staged(qtbot, tmp_path)
    assert made.window.sentence.plain_text() == "Opening the model …"
    assert not made.window.grab().isNull()
    made.service.shutdown()


def test_that_both_faces_are_there(qapp: QApplication) -> None:
    assert load_fonts()


def test_that_the_former_best_guess_stays_in_sight_after_a_removal() -> None:
    prompt = Prompt(canned.SAMPLE)
    removed = canned.analysis_of(prompt, (HeadRef(1, 3),))
    others = tuple(row for row in removed.predictions if row.text != " Orla")
    beside = Beside(canned.analysis_of(prompt), "with every head in place")
    rows = bar_rows(replace(removed, predictions=others), beside)
    assert (rows[-1].label, rows[-1].text, rows[-1].before) == ("·Orla", "9 %", pytest.approx(0.88))


def test_that_an_empty_prompt_is_not_described_by_the_last_one(stage: Stage) -> None:
    stage.window.focus_prompt()
    stage.key(Qt.Key.Key_Delete)
    stage.settle()
    assert stage.window.sentence.plain_text().startswith("Nothing to copy the prompt is empty")
    stage.type("   ")
    stage.settle()
    stage.window.focus_prompt()
    stage.key(Qt.Key.Key_Delete)
    stage.settle()
    assert stage.window.prompt.note().startswith("The prompt is empty")
    assert stage.state.findings.problem is None


def test_that_removals_are_logged_with_before_and_after_and_can_be_gone_back_to(stage: Stage) -> None:
    stage.click_head(HeadRef(1, 3))
    stage.key(Qt.Key.Key_R)
    stage.settle()
    assert stage.window.toasts.toasts()[-1].accessibleName() == "Head 1.3 removed"
    stage.click_head(HeadRef(0, 0))
    stage.key(Qt.Key.Key_R)
    stage.settle()
    log = stage.window.interventions
    assert [row[0] for row in log.numbers().rows] == ["", "zero 1.3", "zero 1.3; zero 0.0"]
    before, after = (log.numbers().rows[place][1] for place in (0, 1))
    assert isinstance(before, float)
    assert after is None or after < before
    log.bars.rowClicked.emit(1)
    stage.settle()
    assert stage.state.removed_heads == {HeadRef(1, 3)}
    assert len(log.numbers().rows) == 3
    stage.type("one two one")
    stage.settle()
    assert [row[0] for row in log.numbers().rows] == ["", "zero 1.3"]


def test_that_the_log_of_removals_keeps_the_whole_model_and_the_latest(stage: Stage) -> None:
    heads = [HeadRef(layer, head) for layer in (0, 1) for head in range(3)]
    for head in heads:
        stage.state.select(steps=(Step(Ablate((head,))),))
        stage.settle()
    kept = [row[0] for row in stage.window.interventions.numbers().rows]
    assert kept == ["", "zero 0.2", "zero 1.0", "zero 1.1", "zero 1.2"]
    assert outcome_label([Ablate(tuple(heads))]) == "− 6 heads"
