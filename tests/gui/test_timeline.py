"""Scrubbing through training: panels follow the slider, what is pinned stays, models without a film say so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot
from safetensors.torch import load_file, save_file

from engine.model import checkpoints
from engine.model.config import HeadRef
from engine.work.requests import Prompt
from gui.state import run_of
from gui.studio import Studio
from gui.theme import load_fonts
from gui.widgets.timeline_bar import TimelineBar

PROMPT = Prompt("the red fish sees a bird the red")
READER = HeadRef(1, 0)


@pytest.fixture
def studio(qapp: object) -> Iterator[Studio]:
    load_fonts()
    made = Studio("dark", (1280, 800))
    made.show("instant", PROMPT)
    made.bring("emergence")
    made.settle()
    yield made
    made.close()


def chance(studio: Studio, text: str) -> float:
    analysis = studio.state.findings.analysis
    assert analysis is not None
    return sum(row.probability for row in analysis.predictions if row.text.strip() == text)


def test_that_every_panel_follows_the_slider_and_pins_stay(studio: Studio) -> None:
    window, state = studio.window, studio.state
    state.select(head=READER, token=8)
    studio.settle()
    scores, composition = state.findings.scores, state.findings.composition
    assert window.timeline.bar.words.text() == "step 1,500 of 1,500" and chance(studio, "fish") > 0.9
    QTest.keyClick(window.timeline, Qt.Key.Key_Home)
    studio.settle()
    assert state.selection.model == "instant@0" and state.findings.model is not None and state.findings.model.step == 0
    assert (state.selection.head, state.selection.token, state.selection.prompt) == (READER, 8, PROMPT)
    assert chance(studio, "fish") < 0.2
    assert state.findings.scores is not None and state.findings.scores is not scores
    assert state.findings.composition is not None and state.findings.composition is not composition
    assert window.windowTitle() == "Headscope · Instant, step 0"
    for _ in range(3):
        QTest.keyClick(window.timeline, Qt.Key.Key_Right)
    studio.settle()
    assert state.selection.model == "instant@75" and window.timeline.bar.words.text() == "step 75 of 1,500"
    QTest.keyClick(window.timeline, Qt.Key.Key_End)
    studio.settle()
    assert state.selection.model == "instant" and chance(studio, "fish") > 0.9


def test_that_rapid_scrubbing_ends_where_the_hand_ends(studio: Studio) -> None:
    slider = studio.window.timeline.bar.slider
    slider.setSliderDown(True)
    for place in (*range(40, 0, -1), *range(0, 12)):
        slider.setValue(place)
    slider.setSliderDown(False)
    studio.settle()
    model = studio.state.findings.model
    assert model is not None and model.step == model.steps[11]
    assert studio.state.findings.analysis is not None and studio.state.findings.analysis.model == model


def test_that_a_click_on_the_curves_goes_to_the_next_checkpoint(studio: Studio) -> None:
    curves = studio.window.timeline.curves
    assert curves is not None
    curves.sought.emit(262.0)
    studio.settle()
    assert studio.state.selection.model == "instant@250"
    assert "step 250" in curves.words.text() and "second copy 1.6" in curves.words.text()


def test_that_a_step_in_the_past_can_be_walked_and_judged(studio: Studio) -> None:
    studio.window.timeline.bar.seek(100)
    studio.bring("walkthrough")
    studio.settle()
    early = studio.window.walk.player.count
    assert early <= 2 and "does not hold" in studio.window.walk.heading.text()
    assert studio.state.findings.verdict is not None and studio.state.findings.verdict.mechanism == "none"
    studio.state.select(model="instant")
    studio.settle()
    assert studio.window.walk.player.count > early


def test_that_a_model_without_a_film_says_which_have_one(studio: Studio) -> None:
    studio.show("handbuilt-k", Prompt("A B C A B"))
    panel = studio.window.timeline
    assert panel.missing.isVisible() and "no film" in panel.missing.text()
    assert not panel.bar.isVisible() and panel.curves is not None and not panel.curves.isVisible()


def test_that_the_jump_is_told_and_the_numbers_are_all_there(studio: Studio) -> None:
    table = studio.window.timeline.numbers()
    assert table.header[:3] == ("step", "repeat_loss_first", "repeat_loss_second") and len(table.rows) == 31
    assert studio.window.timeline._note_text == "jump between steps 100 and 250"


def test_that_playing_goes_on_loops_and_ends_out_of_sight(qtbot: QtBot) -> None:
    bar = TimelineBar()
    qtbot.addWidget(bar)
    bar.set_steps((0, 10, 20), 20)
    bar.show()
    bar._clock.setInterval(1)
    with qtbot.waitSignal(bar.sought):
        QTest.keyClick(bar, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: not bar.plays, timeout=2000)
    assert bar.slider.value() == 2
    bar.loop.setChecked(True)
    bar.toggle()
    with qtbot.waitSignals([bar.sought] * 6, timeout=2000):
        pass
    assert bar.plays
    bar.hide()
    assert not bar.plays


def test_that_only_numbers_behind_an_at_are_steps() -> None:
    assert [run_of(name) for name in ("a@3", "a", "a@b", "@", "mail@home/x@12")] == [
        "a",
        "a",
        "a@b",
        "@",
        "mail@home/x",
    ]


@pytest.mark.parametrize("pane", [0, 1])
def test_that_a_click_reads_the_axis_under_it(studio: Studio, pane: int) -> None:
    """Both panes stand in one time, and a real click on either goes to the step that its own axis shows."""
    curves = studio.window.timeline.curves
    assert curves is not None
    plot = curves._panes[pane]
    box = plot.getViewBox()
    place = plot.mapFromScene(box.mapViewToScene(QPointF(800.0, box.viewRect().center().y())))
    QTest.mouseMove(plot.viewport(), place)
    QTest.mouseClick(plot.viewport(), Qt.MouseButton.LeftButton, pos=place)
    studio.settle()
    assert studio.state.selection.model == "instant@800"
    assert curves.words.text().startswith("step 800 · first copy")


def test_that_the_slider_goes_back_from_a_checkpoint_that_cannot_be_opened(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = checkpoints.FILMS / "instant.safetensors"
    tensors = {name: value for name, value in load_file(film).items() if name != "000025/W_U"}
    notes = {"format": "headscope-film-1", "curves": "[]"}
    save_file(tensors, tmp_path / film.name, metadata=notes)
    window, state = studio.window, studio.state
    window.timeline.bar.seek(50)
    studio.settle()
    monkeypatch.setattr(checkpoints, "FILMS", tmp_path)
    QTest.keyClick(window.timeline, Qt.Key.Key_Left)
    with pytest.raises(ValueError, match="at step 25 is damaged: its weights do not fit"):
        studio.settle()
    assert state.selection.model == "instant@50" and window.timeline.bar.step == 50
    assert window.timeline.bar.words.text() == "step 50 of 1,500"


def test_that_a_damaged_film_says_so_where_the_curves_would_stand(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "absolute.safetensors").write_bytes(b"no film")
    monkeypatch.setattr(checkpoints, "FILMS", tmp_path)
    studio.show("absolute", PROMPT)
    studio.settle()
    panel = studio.window.timeline
    assert panel.missing.isVisible() and "damaged" in panel.missing.text()
    assert not panel.bar.isVisible()


def test_that_curves_say_where_they_were_measured_and_axes_show_plain_numbers(studio: Studio) -> None:
    studio.window.timeline.bar.seek(175)
    studio.settle()
    curves = studio.window.timeline.curves
    assert curves is not None
    assert curves.words.text().startswith("step 175, measured at 150 · first copy 4.72 · second copy 3.82")
    for pane in curves._panes:
        assert pane.getAxis("left").autoSIPrefixScale == 1.0
    assert curves._panes[0].getAxis("left").width() == curves._panes[1].getAxis("left").width()


def test_that_a_long_reading_does_not_widen_the_window(studio: Studio) -> None:
    studio.show("default", PROMPT)
    studio.settle()
    assert studio.window.timeline.curves is not None and len(studio.window.timeline.curves.words.text()) > 120
    assert studio.window.width() == 1280 and studio.window.minimumSizeHint().width() <= 1280
