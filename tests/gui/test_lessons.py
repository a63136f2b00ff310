"""The text beside the app, and experiments to guess at: every link leads somewhere, nothing is told before a guess."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from engine.circuits.walk_steps import TELL
from engine.model import checkpoints, library
from engine.model.config import HeadRef
from engine.session import Session
from engine.work.experiments.catalogue import BY_NAME, GALLERY, Measure, Report
from engine.work.requests import Prompt, RunExperiment
from gui.needs import PROMPTS
from gui.studio import Studio
from gui.theme import load_fonts
from gui.words.gallery import measure_row, result_words
from gui.words.reader import PARAGRAPHS
from gui.words.walk import TITLES
from gui.workspaces import WORKSPACES

DEPARTURES = set(range(1, 16))  # where the text that the program follows is wrong or loose


@pytest.fixture
def studio(qapp: object) -> Iterator[Studio]:
    load_fonts()
    made = Studio("dark", (1280, 800))
    made.show("handbuilt-k", Prompt("A B C D E F G A B"))
    made.bring("lessons")
    made.settle()
    yield made
    made.close()


# ---------------------------------------------------------------- the text
def test_that_every_departure_has_its_paragraph_with_both_sides() -> None:
    assert {number for one in PARAGRAPHS for number in one.departs} == DEPARTURES
    for one in PARAGRAPHS:
        assert bool(one.says) == bool(one.measured) == bool(one.departs)
        assert len(one.text) < 260 and one.text.endswith((".", "?", "!"))


def test_that_every_link_leads_to_what_there_is(studio: Studio) -> None:
    models = {info.name for info in library.listing()}
    assert len(TELL) <= len(TITLES)
    for one in PARAGRAPHS:
        link = one.link
        assert link.words and (link.workspace or link.model)
        assert not link.workspace or link.workspace in WORKSPACES
        assert not link.panel or link.panel in studio.window.panels
        assert not link.step or link.step in TITLES
        assert not link.experiment or link.experiment in BY_NAME
        assert not link.model or checkpoints.parted(link.model)[0] in models


def test_that_a_link_goes_there_by_mouse_and_by_keys(studio: Studio) -> None:
    reader = studio.window.reader
    place = next(n for n, one in enumerate(PARAGRAPHS) if one.link.model == "handbuilt-q")
    QTest.mouseClick(reader.links[place], Qt.MouseButton.LeftButton)
    studio.settle()
    assert studio.state.selection.workspace == "walkthrough"
    assert studio.state.findings.model is not None and studio.state.findings.model.name == "handbuilt-q"
    assert studio.window.walk.player.count > 5
    studio.state.select(workspace="lessons")
    studio.settle()
    for _ in range(2):
        QTest.keyClick(reader, Qt.Key.Key_Down)
    assert reader.links[1].hasFocus()
    QTest.keyClick(reader.links[1], Qt.Key.Key_Space)
    assert studio.state.selection.experiment == "prefix"
    studio.settle()


# ---------------------------------------------------------------- the experiments
def test_that_nothing_is_measured_before_a_guess_and_then_what_python_measures(studio: Studio) -> None:
    panel = studio.window.gallery
    assert panel.title.text() == "A B … A" and panel.yes.isVisible() and not panel.bars.isVisible()
    assert studio.state.findings.experiment is None
    QTest.mouseClick(panel.yes, Qt.MouseButton.LeftButton)
    studio.settle()
    report = Session("handbuilt-k").ask(RunExperiment("canonical", samples=PROMPTS))
    assert isinstance(report, Report) and report.held
    assert panel.result.text() == result_words(report, True) and panel.result.text().endswith("right.")
    assert [row[2] for row in panel.numbers().rows] == [one.mean for one in report.measures]
    assert not panel.yes.isVisible()


def test_that_another_experiment_takes_the_guess_back(studio: Studio) -> None:
    panel = studio.window.gallery
    QTest.mouseClick(panel.no, Qt.MouseButton.LeftButton)
    studio.settle()
    assert panel.result.text().endswith("You expected otherwise: wrong.")
    panel.menu.chosen.emit("recency")
    assert panel.title.text() == "Several earlier copies" and panel.yes.isVisible() and not panel.bars.isVisible()
    studio.settle()


def test_that_what_a_model_cannot_be_asked_is_said(studio: Studio) -> None:
    studio.state.select(experiment="analogy", guess=True)
    studio.settle()
    assert studio.window.gallery.result.text().startswith("Not decided. Not measured:")


def test_that_a_row_carries_mean_interval_and_n() -> None:
    row = measure_row(Measure("A B … A", "attention on B", 0.823, 0.789, 0.854, 64))
    assert (row.label, row.value, row.text) == ("A B … A: attention on B", 0.823, "0.82 (0.79–0.85)")
    alone = measure_row(Measure("x", "y", 0.5, float("nan"), float("nan"), 1))
    assert alone.text == "0.50" and "n = 1" in alone.tip


@pytest.mark.parametrize(
    ("held", "guess", "ends"),
    [
        (True, True, "You expected that: right."),
        (False, True, "You expected that: wrong."),
        (False, False, "You expected otherwise: right."),
        (None, True, "Nothing."),
    ],
)
def test_that_the_guess_is_told_against_what_came(held: bool | None, guess: bool, ends: str) -> None:
    report = Report(GALLERY[0], "m", 0, (HeadRef(1, 0),), (), held, "Nothing.")
    assert result_words(report, guess).endswith(ends)
