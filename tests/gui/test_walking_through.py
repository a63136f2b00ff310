"""The walk through the circuit and the verdict under a person's hands, also on prompts and models that have none."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from PySide6.QtCore import QAbstractAnimation, Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from engine.circuits.walk_steps import steps
from engine.session import Session
from engine.work.requests import Judge, Prompt
from engine.work.results import Verdict
from gui.needs import verdict_request
from gui.panels.walk_panel import WalkPanel
from gui.studio import Studio
from gui.theme import load_fonts
from gui.widgets.walk_player import WalkPlayer
from gui.words.verdict import verdict_words
from gui.words.walk_picture import scene_of

ORLA = Prompt("The lantern keeper Orla hums a tune. At dusk the lantern keeper")
MODELS = {
    "handbuilt-k": Prompt("A B C D E F G A B"),
    "handbuilt-q": Prompt("A B C D E F G A B"),
    "default": ORLA,
    "instant": Prompt("the red fish sees a bird the red"),
}


@pytest.fixture
def studio(qapp: object) -> Iterator[Studio]:
    load_fonts()
    made = Studio("dark", (1280, 800))
    yield made
    made.close()


def walking(studio: Studio, model: str, prompt: Prompt) -> WalkPanel:
    studio.show(model, prompt)
    studio.bring("walkthrough")
    studio.settle()
    return studio.window.walk


def finish(panel: WalkPanel) -> None:
    """The present step has come to its end."""
    panel.player.stop()


@pytest.mark.parametrize("model", MODELS)
def test_that_a_person_walks_all_steps_by_keys(studio: Studio, model: str) -> None:
    panel = walking(studio, model, MODELS[model])
    walk = studio.state.findings.walk
    assert walk is not None
    told = steps(walk)
    assert panel.player.step == len(told) - 1  # the finished picture is what a stranger sees first
    QTest.keyClick(panel, Qt.Key.Key_Home)
    words: list[list[str]] = []
    for number, step in enumerate(told):
        assert panel.sentence.text() == step.sentence
        assert panel.heading.text().startswith(f"{number + 1} · ")
        words.append(panel.view.words())
        assert not panel.view.grab().isNull()
        QTest.keyClick(panel, Qt.Key.Key_Right)
        finish(panel)
    assert all(set(before) <= set(after) for before, after in pairwise(words))  # it builds up
    QTest.keyClick(panel, Qt.Key.Key_Left)
    assert panel.player.step == max(0, len(told) - 2)
    assert studio.state.selection.walk_step == told[max(0, len(told) - 2)].name
    studio.state.select(walk_step="")
    assert panel.player.step == len(told) - 1


def test_that_playing_goes_on_by_itself_pauses_and_ends_when_it_is_out_of_sight(studio: Studio, qtbot: QtBot) -> None:
    panel = walking(studio, "handbuilt-k", MODELS["handbuilt-k"])
    panel.controls.speed.click()
    assert panel.controls.speed.text() == "2×"
    panel.player.set_speed(200.0)
    with qtbot.waitSignal(panel.player.running, timeout=5000):
        QTest.mouseClick(panel.controls.play, Qt.MouseButton.LeftButton)
    assert panel.player.plays and panel.controls.play.text() == "❚❚ Pause"
    qtbot.waitUntil(lambda: not panel.player.plays, timeout=10_000)
    assert panel.player.step == panel.player.count - 1
    panel.player.set_speed(0.01)
    QTest.keyClick(panel, Qt.Key.Key_Space)
    assert panel.player.plays and panel.player.step == 0
    studio.window.commands.action("workspace.explore").trigger()
    assert not panel.player.plays
    assert panel.player._clock.state() == QAbstractAnimation.State.Stopped
    studio.settle()


def test_that_a_clock_can_be_driven_and_stays_inside() -> None:
    player, seen = WalkPlayer(), list[tuple[int, float]]()
    player.told.connect(lambda step, time: seen.append((step, time)))
    player.seek(3)
    assert seen == []  # nothing to show yet
    player.set_count(3)
    for step in (-1, 7, 1):
        player.seek(step)
    assert seen == [(2, 1.0), (0, 1.0), (2, 1.0), (1, 1.0)]


def test_that_the_button_in_the_sentence_leads_there(studio: Studio) -> None:
    studio.show("handbuilt-k", MODELS["handbuilt-k"])
    bar = studio.window.sentence
    assert bar.button() == "How did it know?"
    QTest.mouseClick(bar._button, Qt.MouseButton.LeftButton)
    studio.settle()
    assert studio.state.selection.workspace == "walkthrough" and studio.window.walk.isVisible()
    assert bar.button() == ""


def test_that_the_marks_of_a_picture_carry_the_walks_numbers(studio: Studio) -> None:
    walking(studio, "handbuilt-k", MODELS["handbuilt-k"])
    walk = studio.state.findings.walk
    assert walk is not None and walk.moved is not None and walk.outcome is not None
    scene = scene_of(walk, steps(walk))
    words = {mark.step: mark.words for mark in scene.marks if mark.words}
    assert words["previous"] == "0.0 looks one back, 1.00"
    assert words["says"] == "“the token before me was B”"
    assert words["moved"] == f"note moved on: {walk.moved.after[2]:.2f} goes to D"
    assert scene.prediction == f"C {walk.outcome.probability:.2f}"
    assert [column.role for column in scene.columns][2:4] == ["previous", "induction"]
    assert scene.columns[walk.query].role == "accent"


WITHOUT = [
    ("handbuilt-k", Prompt("A B C D E"), "did not stand before"),
    ("handbuilt-k", Prompt("A B B"), ""),
    ("handbuilt-k", Prompt("A A"), ""),
    ("handbuilt-k", Prompt(" ".join("AB" * 12)), "22 more|and"),
    ("default-1-layer", ORLA, "one layer"),
    ("handbuilt-v", Prompt("A B C D E F G A B"), ""),
]


@pytest.mark.parametrize(("model", "prompt", "said"), WITHOUT)
def test_that_where_there_is_no_circuit_none_is_invented(studio: Studio, model: str, prompt: Prompt, said: str) -> None:
    panel = walking(studio, model, prompt)
    assert panel.sentence.text()
    found = studio.state.findings.verdict
    assert isinstance(found, Verdict)
    if model != "handbuilt-k":
        assert found.mechanism in ("none", "unclear")
        assert "does not hold" in panel.heading.text()


def test_that_a_prompt_without_a_repeat_offers_one_that_has(studio: Studio) -> None:
    panel = walking(studio, "default", Prompt("A quiet river runs past the old mill"))
    assert panel.offer.isVisible() and panel.offer.text().startswith("Try “")
    QTest.mouseClick(panel.offer, Qt.MouseButton.LeftButton)
    studio.settle()
    assert not panel.offer.isVisible() and panel.player.count > 5


def test_that_a_position_before_the_repeat_is_told_so(studio: Studio) -> None:
    panel = walking(studio, "default", ORLA)
    whole = panel.player.count
    studio.state.select(token=5)
    studio.settle()
    assert panel.player.count == 1 < whole and "does not hold" in panel.heading.text()


def test_that_under_interventions_neither_walks_nor_judges(studio: Studio) -> None:
    panel = walking(studio, "handbuilt-k", MODELS["handbuilt-k"])
    head = studio.state.held_head
    assert head is not None
    studio.state.toggle_removal(head)
    studio.settle()
    assert panel.sentence.text().startswith("The walk is through the run as it is")
    assert studio.window.verdict.word.text().startswith("The verdict is about the run as it is")
    studio.state.undo()
    studio.settle()
    assert panel.player.count > 5 and "K-composition" in studio.window.verdict.word.text()


@pytest.mark.parametrize(
    ("model", "mechanism"),
    [("handbuilt-k", "k-composition"), ("handbuilt-q", "q-composition"), ("handbuilt-v", "none")],
)
def test_that_the_panel_says_what_python_says(studio: Studio, model: str, mechanism: str) -> None:
    """The whole model, on random repeats: panel and engine give one verdict, criterion by criterion."""
    walking(studio, model, MODELS["handbuilt-k"])
    panel = studio.window.verdict
    QTest.mouseClick(panel.scope, Qt.MouseButton.LeftButton)
    studio.settle()
    asked = verdict_request(studio.state)
    assert isinstance(asked, Judge) and asked.prompt is None
    answer = Session(model).ask(asked)
    assert isinstance(answer, Verdict) and answer.mechanism == mechanism
    assert panel.word.text() == verdict_words(answer)
    numbers = panel.numbers()
    assert numbers.name == f"verdict: {mechanism}"
    assert [row[2] for row in numbers.rows] == [one.value for one in answer.criteria]
    assert "✗" in panel.tables["behaviour"][1].text() or mechanism != "none"
