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
from gui.widgets.curve import along, step_at
from gui.widgets.timeline_bar import TimelineBar
from gui.words.film import views

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
    assert state.selection.model == "instant@30" and window.timeline.bar.words.text() == "step 30 of 1,500"
    QTest.keyClick(window.timeline, Qt.Key.Key_End)
    studio.settle()
    assert state.selection.model == "instant" and chance(studio, "fish") > 0.9


def test_that_rapid_scrubbing_ends_where_the_hand_ends(studio: Studio) -> None:
    slider = studio.window.timeline.bar.slider
    slider.setSliderDown(True)
    for step in (*range(1500, 0, -40), *range(0, 130, 10)):
        slider.setValue(slider.place_of(step))
    slider.setSliderDown(False)
    studio.settle()
    model = studio.state.findings.model
    assert model is not None and model.step == 120
    assert studio.state.findings.analysis is not None and studio.state.findings.analysis.model == model


def test_that_a_click_on_the_curves_goes_to_the_next_checkpoint(studio: Studio) -> None:
    charts = studio.window.timeline.charts
    assert charts is not None
    charts.sought.emit(252.0)
    studio.settle()
    assert studio.state.selection.model == "instant@250"
    words = charts.curves.words.text()
    assert "step 250" in words and "second copy 1.6" in words


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
    assert not panel.bar.isVisible() and panel.charts is not None and not panel.charts.isVisible()


def test_that_the_jump_is_told_and_the_numbers_are_all_there(studio: Studio) -> None:
    table = studio.window.timeline.numbers()
    assert table.header[:4] == ("step", "loss", "repeat_loss_first", "repeat_loss_second") and len(table.rows) > 80
    assert "memory_position 0.1" in table.header and "repeat_loss_second instant-seed-4" in table.header
    text = table.header.index("text_loss")
    assert all(row[text] is None for row in table.rows)  # it reads no text: not measured
    assert studio.window.timeline._note_text == "jump at steps 110–205 · 5 of 5 seeds jump"


def test_that_playing_goes_on_loops_and_ends_out_of_sight(qtbot: QtBot) -> None:
    bar = TimelineBar()
    qtbot.addWidget(bar)
    bar.set_steps((0, 10, 20), 20)
    bar.show()
    bar._clock.setInterval(1)
    with qtbot.waitSignal(bar.sought):
        QTest.keyClick(bar, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: not bar.plays, timeout=2000)
    assert bar.step == 20
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
    charts = studio.window.timeline.charts
    assert charts is not None
    curves = charts.curves
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
    tensors = {name: value for name, value in load_file(film).items() if name != "000040/W_U"}
    notes = {"format": "headscope-film-1", "curves": "[]"}
    save_file(tensors, tmp_path / film.name, metadata=notes)
    window, state = studio.window, studio.state
    window.timeline.bar.seek(50)
    studio.settle()
    monkeypatch.setattr(checkpoints, "FILMS", tmp_path)
    QTest.keyClick(window.timeline, Qt.Key.Key_Left)
    with pytest.raises(ValueError, match="at step 40 is damaged: its weights do not fit"):
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
    charts = studio.window.timeline.charts
    assert charts is not None
    curves = charts.curves
    assert curves.words.text().startswith("step 175 · first copy 4.82 · second copy 3.16")
    curves.set_step(178.0)
    assert curves.words.text().startswith("step 178, measured at 180 · first copy 4.")
    for pane in curves._panes:
        assert pane.getAxis("left").autoSIPrefixScale == 1.0
    assert curves._panes[0].getAxis("left").width() == curves._panes[1].getAxis("left").width()


def test_that_a_long_reading_does_not_widen_the_window(studio: Studio) -> None:
    studio.show("default", PROMPT)
    studio.settle()
    charts = studio.window.timeline.charts
    assert charts is not None and len(charts.curves.words.text()) > 120
    assert studio.window.width() == 1280 and studio.window.minimumSizeHint().width() <= 1280


def test_that_steps_stand_on_either_scale_and_the_line_can_be_dragged(studio: Studio) -> None:
    timeline = studio.window.timeline
    charts = timeline.charts
    assert charts is not None
    timeline.bar.seek(150)
    studio.settle()
    linear = timeline.bar.slider.value()
    charts.log.click()
    assert timeline.bar.step == 150 and timeline.bar.slider.value() > 2 * linear
    line = charts.curves._lines[0]
    assert line.value() == pytest.approx(along(150, log=True)) and line.movable
    line.setValue(along(200, log=True))
    line.sigDragged.emit(line)
    studio.settle()
    assert studio.state.selection.model == "instant@200"
    assert charts.curves._lines[1].value() == pytest.approx(along(200, log=True))  # in the other chart too
    for log in (False, True):
        for step in (0, 7, 1500):
            assert step_at(along(step, log), log) == pytest.approx(step)


def test_that_every_chart_of_the_film_can_be_chosen(studio: Studio) -> None:
    charts = studio.window.timeline.charts
    assert charts is not None
    names = [charts.tabs.tabText(place) for place in range(charts.tabs.count())]
    assert names == ["Copying", "Context", "Circuit", "Seeds"]
    said = {}
    for place, name in enumerate(names):
        charts.tabs.setCurrentIndex(place)
        said[name] = charts.curves.reading(1500)
        assert charts.tabs.tabToolTip(place)
    assert "in context -2.77" in said["Context"] and "K 0.1 → 1.1 0.76" in said["Circuit"]
    assert "seed 4 0.0" in said["Seeds"] and "match 0.0 → 1.0 1.00" in said["Circuit"]
    QTest.mouseClick(charts.tabs, Qt.MouseButton.LeftButton, pos=charts.tabs.tabRect(3).center())
    assert studio.state.selection.chart == "Seeds"
    studio.state.select(chart="Circuit")
    assert charts.tabs.tabText(charts.tabs.currentIndex()) == "Circuit"
    studio.show("markov", Prompt("red green blue red"))
    studio.settle()
    assert charts.tabs.tabText(0) == "Counting"
    charts.show_view("Counting")
    assert "from bigram 0.01" in charts.curves.reading(1600)


def test_that_the_default_stands_beside_its_null_run(studio: Studio) -> None:
    studio.show("default", PROMPT)
    studio.settle()
    film = studio.state.findings.film
    assert film is not None
    names = [curve.name for curve in views(film)[0].above.curves]
    assert "second copy, text only" in names and "second copy, one layer" in names


def test_that_a_film_of_ones_own_is_opened_and_scrubbed(studio: Studio, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes((checkpoints.FILMS / "instant.safetensors").read_bytes())
    studio.show(str(path), PROMPT)
    studio.settle()
    timeline = studio.window.timeline
    assert timeline.bar.isVisible() and timeline.bar.step == 1500
    QTest.keyClick(timeline, Qt.Key.Key_Home)
    studio.settle()
    model = studio.state.findings.model
    assert model is not None and model.step == 0 and studio.state.selection.model == f"{path}@0"
    assert studio.window.windowTitle() == "Headscope · Film mine, step 0"
    assert timeline._note_text == "jump at steps 110–205"


def test_that_the_slider_goes_along_into_other_workspaces(studio: Studio) -> None:
    window, state = studio.window, studio.state
    studio.bring("walkthrough")
    studio.settle()
    assert not window.checkpoints.isVisible()  # nobody has used it
    studio.bring("emergence")
    window.timeline.bar.seek(200)
    studio.settle()
    assert not window.checkpoints.isVisible()  # the timeline has it already
    studio.bring("walkthrough")
    studio.settle()
    assert window.checkpoints.isVisible() and window.checkpoints.step == 200
    QTest.keyClick(window.checkpoints, Qt.Key.Key_Home)
    studio.settle()
    assert state.selection.model == "instant@0" and "does not hold" in window.walk.heading.text()
    early = window.walk.player.count
    QTest.keyClick(window.checkpoints, Qt.Key.Key_End)
    studio.settle()
    assert state.selection.model == "instant" and window.walk.player.count > early
    assert window.checkpoints.isVisible() and window.timeline.bar.step == 1500
    studio.show("handbuilt-k", Prompt("A B C A B"))
    assert not window.checkpoints.isVisible()
