"""What is asked of the engine, when, and what becomes of the answers."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from pytestqt.qtbot import QtBot

from engine.model.config import HeadRef
from engine.work.requests import Analyze, ExamineHead, LoadModel, ObserveBehaviour, Prompt, ScoreHeads, removing
from engine.work.results import Failure, Progress
from gui.conductor import Conductor
from gui.prompts import samples
from gui.state import ExplorerState
from tests.gui import canned
from tests.gui.fake_service import FakeService


@dataclass
class Desk:
    state: ExplorerState
    service: FakeService
    conductor: Conductor


@pytest.fixture
def desk(qtbot: QtBot) -> Iterator[Desk]:
    state, service = ExplorerState(), FakeService()
    conductor = Conductor(state, service)
    state.find(models=(canned.model_info(), canned.model_info("instant")))
    yield Desk(state, service, conductor)
    service.shutdown()


def settle(qtbot: QtBot, desk: Desk) -> None:
    qtbot.waitUntil(lambda: desk.conductor.idle, timeout=2000)


def opened(qtbot: QtBot, desk: Desk) -> Desk:
    desk.state.select(model="default")
    settle(qtbot, desk)
    desk.service.asked.clear()
    return desk


def test_that_opening_a_model_reads_its_first_sample_and_scores_its_heads(qtbot: QtBot, desk: Desk) -> None:
    desk.state.select(model="default")
    settle(qtbot, desk)
    kinds = [type(request) for request in desk.service.asked]
    assert kinds[0] is LoadModel
    assert set(kinds) == {LoadModel, Analyze, ObserveBehaviour, ScoreHeads}
    assert desk.state.findings.analysis is desk.state.findings.baseline
    assert desk.state.findings.scores is not None
    assert desk.state.selection.prompt == Prompt(canned.SAMPLE)


def test_that_a_prompt_is_analysed_before_its_behaviour_is_observed(qtbot: QtBot, desk: Desk) -> None:
    opened(qtbot, desk).state.select(prompt=Prompt("one two one"))
    settle(qtbot, desk)
    assert [type(request) for request in desk.service.asked] == [Analyze, ObserveBehaviour]


def test_that_an_empty_prompt_is_not_asked_about(qtbot: QtBot, desk: Desk) -> None:
    opened(qtbot, desk).state.select(prompt=Prompt(""))
    settle(qtbot, desk)
    assert desk.service.asked == []


def test_that_only_the_last_of_many_prompts_is_shown(qtbot: QtBot, desk: Desk) -> None:
    opened(qtbot, desk).service.held = True
    shown: list[str] = []
    desk.state.found.connect(lambda new, old: shown.append(new.analysis.prompt.text))
    for count in range(1, 8):
        desk.state.select(prompt=Prompt("la " * count))
    desk.service.held = False
    desk.service.release()
    settle(qtbot, desk)
    assert set(shown) <= {canned.SAMPLE, "la " * 7}
    assert desk.state.findings.analysis is not None
    assert desk.state.findings.analysis.prompt.text == "la " * 7


def test_that_a_stale_answer_is_dropped(qtbot: QtBot, desk: Desk) -> None:
    opened(qtbot, desk).service.held = True
    desk.state.select(prompt=Prompt("first"))
    stale = len(desk.service.asked)
    desk.state.select(prompt=Prompt("second"))
    desk.service.answer(stale, Analyze(Prompt("first")))
    assert desk.state.findings.analysis is not None
    assert desk.state.findings.analysis.prompt.text == canned.SAMPLE
    desk.service.held = False
    desk.service.release()
    settle(qtbot, desk)
    assert desk.state.findings.analysis.prompt.text == "second"


def test_that_removing_a_head_keeps_the_baseline_and_restoring_asks_nothing(qtbot: QtBot, desk: Desk) -> None:
    state = opened(qtbot, desk).state
    state.toggle_removal(HeadRef(1, 3))
    settle(qtbot, desk)
    assert desk.service.asked == [Analyze(Prompt(canned.SAMPLE), removing((HeadRef(1, 3),)))]
    found = state.findings
    assert found.analysis is not None
    assert found.baseline is not None
    assert found.analysis.ablated == (HeadRef(1, 3),)
    assert found.baseline.ablated == ()
    state.undo()
    assert state.findings.analysis is found.baseline
    settle(qtbot, desk)
    assert len(desk.service.asked) == 1


def test_that_a_removal_undone_and_redone_is_shown_again(qtbot: QtBot, desk: Desk) -> None:
    state = opened(qtbot, desk).state
    state.toggle_removal(HeadRef(1, 3))
    settle(qtbot, desk)
    state.undo()
    settle(qtbot, desk)
    state.redo()
    settle(qtbot, desk)
    assert state.findings.analysis is not None
    assert state.findings.analysis.ablated == (HeadRef(1, 3),)


def test_that_a_removal_survives_another_prompt(qtbot: QtBot, desk: Desk) -> None:
    state = opened(qtbot, desk).state
    state.toggle_removal(HeadRef(1, 3))
    settle(qtbot, desk)
    state.select(prompt=Prompt("one two one"))
    settle(qtbot, desk)
    assert state.findings.analysis is not None
    assert state.findings.baseline is not None
    assert state.findings.analysis.ablated == (HeadRef(1, 3),)
    assert state.findings.analysis.prompt == state.findings.baseline.prompt == Prompt("one two one")


def test_that_raw_scores_are_asked_for_only_while_they_are_shown(qtbot: QtBot, desk: Desk) -> None:
    state = opened(qtbot, desk).state
    state.select(head=HeadRef(0, 2))
    settle(qtbot, desk)
    assert not any(isinstance(request, ExamineHead) for request in desk.service.asked)
    state.select(raw_scores=True)
    settle(qtbot, desk)
    assert desk.service.asked[-1] == ExamineHead(Prompt(canned.SAMPLE), HeadRef(0, 2))


def test_that_a_model_that_cannot_be_opened_leaves_the_old_one(qtbot: QtBot, desk: Desk) -> None:
    opened(qtbot, desk).service.rules.refused["broken"] = Failure("this file is damaged")
    with qtbot.waitSignal(desk.conductor.failed) as caught:
        desk.state.select(model="broken")
    settle(qtbot, desk)
    assert caught.args == [Failure("this file is damaged")]
    assert desk.state.selection.model == "default"
    assert desk.state.findings.analysis is not None


def test_that_a_bad_model_at_the_start_gives_way_to_the_first_that_ships(qtbot: QtBot, desk: Desk) -> None:
    desk.service.rules.refused["missing.gguf"] = Failure("no such file")
    desk.state.select(model="missing.gguf")
    settle(qtbot, desk)
    assert desk.state.findings.model is not None
    assert desk.state.findings.model.name == "default"


def test_that_a_new_model_which_cannot_read_the_prompt_shows_its_own(qtbot: QtBot, desk: Desk) -> None:
    state = opened(qtbot, desk).state
    state.select(prompt=Prompt("zebra"))
    settle(qtbot, desk)
    desk.service.rules.refused["zebra"] = Failure("this model does not know 'zebra'")
    with qtbot.waitSignal(desk.conductor.failed) as caught:
        state.select(model="instant")
    settle(qtbot, desk)
    assert caught.args is not None
    assert caught.args[0].hint.startswith("Here is one of its own prompts")
    assert state.findings.model is not None
    assert state.selection.prompt == Prompt(samples(state.findings.model)[0].text)


def test_that_a_prompt_that_fails_is_not_asked_for_again_and_again(qtbot: QtBot, desk: Desk) -> None:
    opened(qtbot, desk).service.rules.refused["bad"] = Failure("unreadable")
    desk.state.select(prompt=Prompt("bad"))
    settle(qtbot, desk)
    assert desk.service.asked == [Analyze(Prompt("bad"))]
    assert desk.state.findings.problem == Failure("unreadable")
    desk.state.select(prompt=Prompt("good"))
    settle(qtbot, desk)
    assert desk.state.findings.problem is None


def test_that_switching_models_while_typing_ends_with_the_new_model_on_the_last_prompt(
    qtbot: QtBot, desk: Desk
) -> None:
    opened(qtbot, desk).service.held = True
    desk.state.select(prompt=Prompt("one"))
    desk.state.select(model="instant")
    desk.state.select(prompt=Prompt("one two"))
    desk.service.held = False
    desk.service.release()
    settle(qtbot, desk)
    analysis = desk.state.findings.analysis
    assert analysis is not None
    assert (analysis.model.name, analysis.prompt.text) == ("instant", "one two")


def test_that_partial_scores_are_shown_while_the_rest_is_measured(qtbot: QtBot, desk: Desk) -> None:
    desk.service.held = True
    desk.state.select(model="default")
    desk.service.release()
    partial = canned.role_scores_of(canned.model_info())
    number = next(i for i, request in enumerate(desk.service.asked, 1) if isinstance(request, ScoreHeads))
    desk.service.message.emit(Progress(number, 3, 8, "removing heads", partial))
    assert desk.state.findings.scores is partial
    assert desk.state.findings.status.total == 8
