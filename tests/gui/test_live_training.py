"""Training from the window: started, paused, guessed at, disturbed, forked, put down with the window, and looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog
from pytestqt.qtbot import QtBot

from engine.model.folders import user_folder
from engine.training.disturbances import check, parse
from engine.training.spec import Spec
from engine.work.jobs.read_film import read_film
from engine.work.requests import Prompt, ReadFilm
from engine.work.results import FilmCurves
from gui.ask_dialog import AskDialog
from gui.live_training import runs_here
from gui.panels.live_panel import LivePanel
from gui.studio import Studio
from gui.theme import load_fonts
from gui.words.live import (
    PRESETS,
    USUAL_END,
    Guess,
    Guessed,
    copies,
    estimate_words,
    outcome_words,
    run_words,
    status_words,
)

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


def small(panel: LivePanel, **choices: Any) -> None:
    panel.choices.set_spec(replace(Spec(), width=16, rows=16, **choices))


def test_that_a_run_is_started_watched_disturbed_and_followed(studio: Studio, qtbot: QtBot) -> None:
    panel = studio.window.live
    small(panel, steps=3000)
    assert panel.status.text().startswith("About ") and not panel.pause.isEnabled()
    panel.follow.setChecked(True)
    QTest.mouseClick(panel.start, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(panel.rows) >= 2, timeout=LONG)
    assert panel.charts is not None and panel.charts.isVisible() and not panel.choices.isVisible()
    assert "second copy, one layer" in [curve.name for curve in panel.charts._views[0].above.curves]
    qtbot.waitUntil(lambda: studio.state.selection.model.startswith(f"{panel.training.name}@"), timeout=LONG)
    QTest.mouseClick(panel.pause, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: panel.training.paused, timeout=LONG)
    assert panel.pause.text() == "Go on" and panel.status.text().startswith("Paused at step")
    QTest.keyClicks(panel.line, "force 0.9 previous")
    QTest.keyClick(panel.line, Qt.Key.Key_Return)
    assert panel.asking.isVisible() and panel.question.text() == "Guess first: the jump will come"
    QTest.mouseClick(panel.guesses[4], Qt.MouseButton.LeftButton)  # no guess
    qtbot.waitUntil(lambda: "no head 0.9" in panel._note_text, timeout=LONG)
    panel.presets.chosen.emit("force 0.0 previous")
    QTest.mouseClick(panel.guesses[0], Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: panel._note_text.endswith("force 0.0 previous"), timeout=LONG)
    assert panel.guessed is not None and panel.guessed.guess == "sooner" and not panel.asking.isVisible()
    assert panel.training.marks[-1][1] == "force 0.0 previous" and panel.charts.curves._marks[-1][1]
    assert panel.training.paused  # it was before it was asked about
    QTest.mouseClick(panel.stop, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not panel.training.running, timeout=LONG)
    studio.settle()
    model = studio.state.findings.model
    assert model is not None and model.run == panel.training.name and model.steps
    assert panel.start.isEnabled() and panel.charts.isVisible()
    panel.recipe.click()
    assert panel.choices.isVisible() and not panel.charts.isVisible()


def test_that_the_run_waits_for_a_guess_and_goes_on_by_itself(studio: Studio, qtbot: QtBot) -> None:
    panel = studio.window.live
    small(panel, steps=3000, twin=False)
    panel.start.click()
    qtbot.waitUntil(lambda: len(panel.rows) >= 2, timeout=LONG)
    panel.presets.chosen.emit("zero 0.0")
    qtbot.waitUntil(lambda: panel.training.paused, timeout=LONG)
    at = panel.training.step
    panel.guesses[3].click()
    qtbot.waitUntil(lambda: panel.rows[-1]["step"] > at, timeout=LONG)
    assert not panel.training.paused and panel.training.marks == [(at, "zero 0.0")]
    panel.line.clear()
    QTest.keyClick(panel.line, Qt.Key.Key_Return)  # ending it is nothing to guess at
    qtbot.waitUntil(lambda: panel._note_text == "Nothing is disturbed any more", timeout=LONG)
    panel.training.shutdown()


def test_that_the_same_choices_go_on_where_the_window_left_them(studio: Studio, qtbot: QtBot) -> None:
    panel = studio.window.live
    small(panel, steps=2975, twin=False)
    panel.start.click()
    qtbot.waitUntil(lambda: len(panel.rows) >= 2, timeout=LONG)
    before, name = panel.rows[-1]["step"], panel.training.name
    panel.training.shutdown()  # as the window does when it is closed
    kept = next(run for run in runs_here() if run.name == name)
    assert kept.step >= before and kept.spec.steps == 2975
    panel.runs.aboutToShow.emit()
    assert run_words(name, kept.step, 2975) in [action.text() for action in panel.runs.actions()]
    panel.choices.set_spec(Spec())
    panel.runs.chosen.emit(name)
    studio.settle()
    assert panel.choices.values()["steps"] == 2975 and studio.state.selection.model == name
    panel.start.click()
    qtbot.waitUntil(lambda: bool(panel.rows) and panel.rows[-1]["step"] > before, timeout=LONG)
    assert panel.training.name == name
    panel.training.stop()
    qtbot.waitUntil(lambda: not panel.training.running, timeout=LONG)
    small(panel, steps=2950, twin=False)
    panel.start.click()
    assert panel.training.name == f"{name}-2"  # other choices are another run
    panel.training.shutdown()


def test_that_a_checkpoint_that_is_shown_can_be_forked(studio: Studio, qtbot: QtBot) -> None:
    panel = studio.window.live
    studio.window.timeline.bar.seek(20)
    studio.settle()
    assert panel.fork.isEnabled()
    panel.fork.click()
    assert panel.training.name == "instant-from-20" and panel.training.spec.fork_step == 20
    qtbot.waitUntil(lambda: bool(panel.rows) and panel.rows[-1]["step"] >= 20, timeout=LONG)
    panel.training.shutdown()
    studio.show("default", Prompt("the cat"))
    assert not panel.fork.isEnabled()  # its recipe is none that is trained here


def test_that_what_cannot_be_trained_is_said_and_not_begun(studio: Studio) -> None:
    panel = studio.window.live
    panel.choices.numbers["width"].setValue(65)
    assert panel.status.text().startswith("A width of 65 is not divisible by 2 heads")
    panel.start.click()
    assert not panel.training.running and "not divisible by 2 heads" in panel._note_text
    panel.choices.numbers["width"].setValue(64)
    panel.choices.mix.setText("waltz 1")
    assert panel.status.text().startswith("There are no rows of the kind 'waltz'")
    assert not list(user_folder().glob("run-*"))


def test_that_closing_asks_while_a_run_is_under_way_and_keeps_it(studio: Studio, qtbot: QtBot) -> None:
    panel, window = studio.window.live, studio.window
    small(panel, steps=3000, twin=False)
    panel.start.click()
    qtbot.waitUntil(lambda: len(panel.rows) >= 2, timeout=LONG)

    def asked() -> AskDialog:
        return next(one for one in window.findChildren(AskDialog) if one.isVisible())

    window.close()
    assert window.isVisible() and panel.training.name in asked().findChildren(type(asked().words))[2].text()
    asked().done(QDialog.DialogCode.Rejected)
    assert window.isVisible() and panel.training.running
    window.close()
    asked().yes.click()
    assert not window.isVisible() and not panel.training.running
    assert [run.name for run in runs_here()] == [panel.training.name]


# ---------------------------------------------------------------- words
def test_that_the_words_follow_the_choices() -> None:
    usual = Spec().values()
    assert "397 MB with its one-layer twin, in a process of low priority" in estimate_words(usual)
    assert "twin" not in estimate_words({**usual, "twin": False})
    assert ", from step 20 of instant," in estimate_words({**usual, "fork_of": "instant", "fork_step": 20})
    assert status_words(75, 600, paused=True, seconds_left=3.0) == "Paused at step 75 of 600."
    assert status_words(75, 600, paused=False, seconds_left=300.0) == "At step 75 of 600, about 5 min left."


@pytest.fixture(scope="module")
def film() -> FilmCurves:
    return read_film(ReadFilm("instant"))


def test_that_the_usual_jump_is_that_of_the_five_seeds(film: FilmCurves) -> None:
    """Their cards measure every 50 steps; so does the table of docs/emergence.md, which has seed 0 too."""
    ends = [run.jump[1] for run in film.seeds if run.jump is not None]
    assert (min(ends), max(ends)) == USUAL_END and len(ends) == 4


@pytest.mark.parametrize(
    ("guess", "end", "said"),
    [
        ("sooner", 140, "as you said"),
        ("later", 140, "other than you said"),
        ("as usual", 205, "as you said"),
        ("later", 900, "as you said"),
        ("not at all", 900, "other than you said"),
    ],
)
def test_that_a_guess_of_the_jump_is_compared_with_undisturbed_seeds(
    film: FilmCurves, guess: Guess, end: int, said: str
) -> None:
    guessed = Guessed(guess, 50, copied=False)
    words = outcome_words(guessed, replace(film, jump=(100, end)), Spec(), done=False)
    assert f"You guessed {guess}. The jump came between steps 100 and {end}" in words and words.endswith(f"{said}.")
    other = outcome_words(guessed, replace(film, jump=(100, end)), Spec(width=32), done=False)
    assert other.endswith("no undisturbed run of these choices to compare with.")


def test_that_what_has_not_come_yet_is_left_open(film: FilmCurves) -> None:
    guessed, never = Guessed("not at all", 50, copied=False), replace(film, jump=None)
    assert outcome_words(guessed, never, Spec(), done=False) == ""
    assert outcome_words(guessed, never, Spec(), done=True).endswith("within 1,500 steps: as you said.")


def test_that_copying_is_seen_to_stay_or_to_be_lost(film: FilmCurves) -> None:
    assert copies(film)
    stays, lost = (Guessed(guess, 1450, copied=True) for guess in ("it stays", "it is lost"))
    assert outcome_words(stays, film, Spec(), done=False) == ""  # too early
    assert outcome_words(stays, film, Spec(), done=True).endswith("It still copies at step 1,500: as you said.")
    assert outcome_words(lost, film, Spec(), done=True).endswith("other than you said.")


def test_that_every_offer_can_be_done_to_the_small_recipe() -> None:
    for line in PRESETS.values():
        if line:
            check(parse(line), Spec().recipe())
