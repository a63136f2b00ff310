"""The palette: what typing finds, and what choosing it does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PySide6.QtCore import Qt

from engine.model.config import HeadRef
from engine.work.requests import Pair
from gui.palette import Known, entries
from gui.palette_sheet import PaletteSheet
from tests.gui.conftest import Stage

COMMANDS = (
    Known("look.dark", "Dark", "Dark colours.", ""),
    Known("remove.pinned", "Remove the pinned head", "Takes the ringed head out.", "R"),
)


def titles(stage: Stage, query: str) -> list[str]:
    return [entry.title for entry in entries(query, COMMANDS, stage.state.findings)]


def test_that_a_head_is_found_by_its_name_and_a_layer_by_its_number(stage: Stage) -> None:
    assert titles(stage, "1.3") == ["Head 1.3"]
    assert titles(stage, "1.") == [f"Head 1.{head}" for head in range(4)]


def test_that_heads_are_found_by_a_score_the_largest_first(stage: Stage) -> None:
    scores = stage.state.findings.scores
    assert scores is not None
    wanted = sorted((row for row in scores.heads if (row.induction or 0) > 0.4), key=lambda row: -(row.induction or 0))
    assert titles(stage, "induction > 0.4") == [f"Head {row.ref}" for row in wanted]
    assert titles(stage, "Previous >= .5")[0] == "Head 0.0"


@pytest.mark.parametrize("query", ["induction > 2", "9.9", "no such words"])
def test_that_a_query_that_fits_nothing_says_what_can_be_typed(stage: Stage, query: str) -> None:
    (entry,) = entries(query, COMMANDS, stage.state.findings)
    assert entry.title.startswith("Nothing fits") and "induction > 0.4" in entry.detail
    assert not entry.command and entry.head is None and entry.pair is None


def test_that_commands_are_found_by_any_of_their_words(stage: Stage) -> None:
    assert titles(stage, "ringed remove") == ["Remove the pinned head"]
    assert titles(stage, "dark") == ["Dark"]


def test_that_scores_and_composition_that_are_not_measured_say_so(stage: Stage) -> None:
    bare = replace(stage.state.findings, scores=None)
    assert entries("induction > 0.1", COMMANDS, bare)[0].title == "Head scores are not measured yet"
    (entry,) = entries("composes with 0.0", COMMANDS, bare)
    assert entry.title == "Composition is not measured yet" and entry.command == "workspace.circuit"


def sheet_of(stage: Stage) -> PaletteSheet:
    stage.window.commands.action("help.palette").trigger()
    (sheet,) = [one for one in stage.window.findChildren(PaletteSheet) if one.isVisible()]
    return sheet


def test_that_typing_and_enter_pin_a_head(stage: Stage) -> None:
    sheet = sheet_of(stage)
    stage.qtbot.keyClicks(sheet.field, "1.")
    stage.qtbot.keyClick(sheet.field, Qt.Key.Key_Down)
    stage.qtbot.keyClick(sheet.field, Qt.Key.Key_Return)
    assert stage.state.selection.head == HeadRef(1, 1)
    assert not sheet.isVisible()


def test_that_typing_and_enter_run_a_command(stage: Stage) -> None:
    sheet = sheet_of(stage)
    stage.qtbot.keyClicks(sheet.field, "light colours")
    stage.qtbot.keyClick(sheet.field, Qt.Key.Key_Return)
    assert not stage.window.themes.theme.is_dark


def test_that_a_line_to_be_read_keeps_the_sheet_open(stage: Stage) -> None:
    sheet = sheet_of(stage)
    stage.qtbot.keyClicks(sheet.field, "zzz")
    stage.qtbot.keyClick(sheet.field, Qt.Key.Key_Return)
    assert sheet.isVisible()
    sheet.reject()


def test_that_a_pair_is_pinned_with_the_head_that_reads(stage: Stage) -> None:
    stage.window.dialogs._do(entries("1.0", (), stage.state.findings)[0])
    pair = Pair("0.0", "1.3", "k")
    stage.state.toggle_pair(pair)
    assert stage.state.selection.head == HeadRef(1, 3)
    stage.state.toggle_pair(pair)
    assert stage.state.selection.pair is None
