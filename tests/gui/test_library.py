"""The library sheet under a person's hands: shelves, keyboard and mouse, chosen files and those opened of late."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog

from gui.library_sheet import cells_of
from gui.model_words import bytes_text, count_text, short_path, status_line
from gui.settings import MOST_RECENT, Settings
from tests.gui import canned
from tests.gui.conftest import Stage
from tests.gui.fake_models import FakeModels
from tests.gui.sheets import sheet_of, sheets

LEFT = Qt.MouseButton.LeftButton


def test_that_models_stand_on_shelves_and_twins_are_folded(served: Stage, models: FakeModels) -> None:
    sheet = sheet_of(served)
    rows = sheet.list
    assert rows.keys() == ["default", "default-1-layer", "instant", "instant-seed-1", "instant-seed-2"]
    assert rows.index_of("instant-seed-1").parent() == rows.fold()
    assert not rows.isExpanded(rows.fold())
    assert rows.current_key() == "default"
    models.has_smollm2 = True
    served.window.library.refresh()
    assert rows.keys()[-1] == "smollm2"
    sheet.close()


def test_that_the_facts_stand_under_their_headings() -> None:
    facts = ("2 × 4", "1.3 M", "128", "9.5 MB", "20 MB", "Headscope, F32", "MIT")
    assert cells_of(canned.model_info()) == facts


def test_that_enter_opens_the_row_that_the_arrow_keys_reach(served: Stage) -> None:
    sheet = sheet_of(served)
    for _ in range(2):
        served.qtbot.keyClick(sheet.list, Qt.Key.Key_Down)
    served.qtbot.keyClick(sheet.list, Qt.Key.Key_Return)
    served.settle()
    assert served.opened() == "instant"
    assert not sheets(served)


def test_that_a_double_click_opens_a_row(served: Stage) -> None:
    sheet = sheet_of(served)
    at = sheet.list.visualRect(sheet.list.index_of("default-1-layer")).center()
    served.qtbot.mouseClick(sheet.list.viewport(), LEFT, pos=at)
    served.qtbot.mouseDClick(sheet.list.viewport(), LEFT, pos=at)
    served.settle()
    assert served.opened() == "default-1-layer"


def test_that_the_keyboard_unfolds_the_twins_and_opens_one(served: Stage) -> None:
    sheet = sheet_of(served)
    rows = sheet.list
    for _ in range(3):
        served.qtbot.keyClick(rows, Qt.Key.Key_Down)
    assert rows.currentIndex() == rows.fold()
    assert rows.current_key() == ""
    served.qtbot.keyClick(rows, Qt.Key.Key_Return)
    assert rows.isExpanded(rows.fold())
    served.qtbot.keyClick(rows, Qt.Key.Key_Down)
    served.qtbot.keyClick(rows, Qt.Key.Key_Return)
    served.settle()
    assert served.opened() == "instant-seed-1"
    again = sheet_of(served)
    assert again.list.current_key() == "instant-seed-1"
    again.close()


def test_that_a_click_on_the_fold_shows_and_hides_the_twins(served: Stage) -> None:
    rows = sheet_of(served).list
    for expected in (True, False):
        served.qtbot.mouseClick(rows.viewport(), LEFT, pos=rows.visualRect(rows.fold()).center())
        assert rows.isExpanded(rows.fold()) is expected
    rows.window().close()


def test_that_only_one_sheet_opens_and_it_follows_the_look(served: Stage) -> None:
    sheet = sheet_of(served)
    assert sheet_of(served) is sheet
    before = sheet.list.header().font().pixelSize()
    served.window.themes.set_scale(1.6)
    assert sheet.list.header().font().pixelSize() > before
    assert not sheet.grab().isNull()
    served.qtbot.keyClick(sheet.list, Qt.Key.Key_Escape)
    assert not sheets(served)


def test_that_the_short_menu_leaves_out_the_twins_but_not_the_open_model(served: Stage) -> None:
    def listed() -> list[str]:
        return [action.data() for action in served.window.menus.models.actions() if action.data()]

    assert listed() == ["default", "default-1-layer", "instant"]
    served.state.select(model="instant-seed-2")
    served.settle()
    assert listed() == ["default", "default-1-layer", "instant", "instant-seed-2"]
    ticked = [a.data() for a in served.window.menus.open.actions() if a.isChecked()]
    assert ticked == ["instant-seed-2"]


# ------------------------------------------------------------ files and folders
def test_that_a_file_and_a_folder_can_be_chosen(
    served: Stage, files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (files[0], ""))
    served.window.commands.action("model.open").trigger()
    served.settle()
    assert served.opened() == files[0]
    folder = tmp_path / "gpt2"
    folder.mkdir()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(folder))
    served.window.commands.action("model.folder").trigger()
    served.settle()
    assert served.opened() == str(folder)


def test_that_a_dialog_that_is_left_opens_nothing(served: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: ("", ""))
    served.window.commands.action("model.open").trigger()
    assert served.state.selection.model == "default"


def test_that_recent_files_are_listed_latest_first_and_can_be_forgotten(served: Stage, files: list[str]) -> None:
    assert not served.window.commands.action("recent.clear").isEnabled()
    for path in files:
        served.state.select(model=path)
        served.settle()
    served.state.select(model=files[5])
    served.settle()
    expected = [files[5], *[path for path in reversed(files) if path != files[5]]][:MOST_RECENT]
    assert list(served.settings.recent) == expected
    Path(expected[3]).unlink()
    served.window.library.refresh()
    sheet = sheet_of(served)
    assert sheet.list.keys()[5:] == [path for path in expected if path != expected[3]]
    assert sheet.list.current_key() == files[5]
    served.window.commands.action("recent.clear").trigger()
    assert served.settings.recent == ()
    assert sheet.list.keys()[-1] == "instant-seed-2"
    sheet.close()


def test_that_named_models_are_not_among_the_recent_ones(served: Stage) -> None:
    served.state.select(model="instant")
    served.settle()
    assert served.settings.recent == ()


def test_that_nonsense_among_the_recent_files_counts_as_none(tmp_path: Path) -> None:
    for text in ("{", "7", '["a", 3]'):
        settings = Settings(tmp_path)
        settings._store.setValue("models/recent", text)
        assert settings.recent == ()


# ------------------------------------------------------------ words
def test_that_sizes_are_written_as_people_read_them() -> None:
    assert [bytes_text(size) for size in (0, 90_000, 9_500_000, 92_871_040, 874_000_000)] == [
        "–",
        "0.1 MB",
        "9.5 MB",
        "93 MB",
        "0.9 GB",
    ]
    assert [count_text(count) for count in (900, 28_800, 2_310_144, 134_515_008, 1_235_814_400)] == [
        "900",
        "29 k",
        "2.3 M",
        "135 M",
        "1.2 B",
    ]


def test_that_a_status_counts_steps_or_megabytes() -> None:
    assert status_line("removing heads", 3, 8) == "removing heads 3 of 8 …"
    assert status_line("reading SmolLM2", 0, 1) == "reading SmolLM2 …"
    assert status_line("fetching", 34_000_000, 93_000_000) == "fetching 34 of 93 MB …"
    assert status_line("", 0, 0) == ""


def test_that_the_home_folder_is_written_short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert short_path(str(tmp_path / "gpt2")) == str(Path("~") / "gpt2")
    assert short_path("elsewhere") == "elsewhere"
