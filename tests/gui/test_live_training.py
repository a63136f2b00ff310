"""Training from the window: started, paused, disturbed, put down with the window, and looked at like any model."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from engine.model.folders import user_folder
from engine.work.requests import Prompt
from gui.panels.live_panel import LivePanel
from gui.studio import Studio
from gui.theme import load_fonts
from gui.words.live import CHOICES, estimate_words, status_words

LONG = 90_000  # ms; the machine may be busy


@pytest.fixture
def studio(qapp: object) -> Iterator[Studio]:
    load_fonts()
    made = Studio("dark", (1280, 800))
    made.show("instant", Prompt("the red fish sees a bird the red"))
    made.bring("emergence")
    made.bring("live")
    made.settle()
    yield made
    made.close()


def small(panel: LivePanel, steps: int) -> None:
    panel.fields["width"].setValue(16)
    panel.fields["steps"].setValue(steps)


def test_that_a_run_is_started_watched_disturbed_and_looked_at(studio: Studio, qtbot: QtBot) -> None:
    panel = studio.window.live
    small(panel, 3000)
    assert panel.status.text().startswith("About ") and not panel.pause.isEnabled()
    QTest.mouseClick(panel.start, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(panel.rows) >= 2, timeout=LONG)
    assert panel.curves is not None and panel.curves.isVisible() and not panel.fields["width"].isEnabled()
    QTest.mouseClick(panel.pause, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: panel.training.paused, timeout=LONG)
    assert panel.pause.text() == "Go on" and panel.status.text().startswith("Paused at step")
    QTest.keyClicks(panel.line, "force 0.9 previous")
    QTest.keyClick(panel.line, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "no head 0.9" in panel._note_text, timeout=LONG)
    panel.line.setText("force 0.0 previous")
    QTest.keyClick(panel.line, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: panel._note_text.endswith("force 0.0 previous"), timeout=LONG)
    assert panel.training.disturbed and panel.curves._marks == tuple(panel.training.disturbed)
    QTest.mouseClick(panel.look, Qt.MouseButton.LeftButton)
    studio.settle()
    model = studio.state.findings.model
    assert model is not None and model.name == panel.training.name and model.steps
    assert model.title == f"Trained here, {model.name}"
    QTest.mouseClick(panel.stop, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not panel.training.running, timeout=LONG)
    assert panel.start.isEnabled()


def test_that_the_same_choices_go_on_where_the_window_left_them(studio: Studio, qtbot: QtBot) -> None:
    panel = studio.window.live
    small(panel, 2975)
    panel.start.click()
    qtbot.waitUntil(lambda: len(panel.rows) >= 2, timeout=LONG)
    before, name = panel.rows[-1]["step"], panel.training.name
    panel.training.shutdown()  # as the window does when it is closed
    assert (user_folder() / name / "run.safetensors").is_file()
    panel.start.click()
    qtbot.waitUntil(lambda: bool(panel.rows) and panel.rows[-1]["step"] > before, timeout=LONG)
    assert panel.training.name == name
    panel.fields["steps"].setValue(2950)
    panel.training.stop()
    qtbot.waitUntil(lambda: not panel.training.running, timeout=LONG)
    panel.start.click()
    assert panel.training.name == f"{name}-2"  # other choices are another run
    panel.training.shutdown()


def test_that_what_cannot_be_trained_is_said(studio: Studio, qtbot: QtBot) -> None:
    panel = studio.window.live
    panel.fields["width"].setValue(65)
    assert panel.status.text().startswith("A width of 65 is not divisible by 2 heads")
    panel.start.click()
    qtbot.waitUntil(lambda: not panel.training.running, timeout=LONG)
    assert "not divisible by 2 heads" in panel._note_text
    assert json.loads((user_folder() / panel.training.name / "spec.json").read_text())["width"] == 65


def test_that_the_words_follow_the_choices() -> None:
    usual = {name: choice.usual for name, choice in CHOICES.items()}
    assert estimate_words(usual).startswith("About 8 s and 351 MB")
    assert estimate_words({**usual, "steps": 3000}).startswith("About 39 s")
    assert status_words(75, 600, paused=True) == "Paused at step 75 of 600."
