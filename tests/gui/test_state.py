"""The one source of what is shown: changes, undo, focus."""

from pytestqt.qtbot import QtBot

from engine.model.config import HeadRef
from engine.work.requests import Prompt
from gui.state import ExplorerState, Hover, Selection
from tests.gui import canned


def analysed_state() -> ExplorerState:
    state = ExplorerState()
    analysis = canned.analysis_of(Prompt(canned.SAMPLE))
    state.find(model=analysis.model, baseline=analysis, analysis=analysis)
    return state


def test_that_selecting_what_is_selected_already_emits_nothing(qtbot: QtBot) -> None:
    state = ExplorerState()
    state.select(token=3)
    with qtbot.assertNotEmitted(state.selected):
        state.select(token=3)


def test_that_a_change_carries_the_new_and_the_old_selection(qtbot: QtBot) -> None:
    state = ExplorerState()
    with qtbot.waitSignal(state.selected) as caught:
        state.select(token=3)
    assert caught.args == [Selection(token=3), Selection()]


def test_that_removals_are_undone_and_redone() -> None:
    state = ExplorerState()
    state.toggle_removal(HeadRef(1, 3))
    state.toggle_removal(HeadRef(0, 0))
    assert state.removed_heads == {HeadRef(0, 0), HeadRef(1, 3)}
    state.undo()
    assert state.removed_heads == {HeadRef(1, 3)}
    state.undo()
    assert state.selection.steps == ()
    assert not state.can_undo
    state.redo()
    state.redo()
    assert state.removed_heads == {HeadRef(0, 0), HeadRef(1, 3)}
    assert not state.can_redo


def test_that_undo_keeps_the_present_prompt_and_view() -> None:
    state = ExplorerState()
    state.toggle_removal(HeadRef(1, 3))
    state.select(prompt=Prompt("something else"), stripe=True)
    state.undo()
    assert state.selection == Selection(prompt=Prompt("something else"), stripe=True)


def test_that_another_model_ends_the_history() -> None:
    state = ExplorerState()
    state.toggle_removal(HeadRef(1, 3))
    state.select(model="instant")
    assert not state.can_undo


def test_that_escape_lets_go_of_hover_then_token_then_head() -> None:
    state = analysed_state()
    state.select(token=2, head=HeadRef(1, 0))
    state.point(Hover(token=5))
    assert state.let_go()
    assert state.hover == Hover()
    assert state.let_go()
    assert state.selection.token is None
    assert state.let_go()
    assert state.selection.head is None
    assert not state.let_go()


def test_that_the_focus_falls_on_the_match_of_the_last_token() -> None:
    state = analysed_state()
    state.find(behaviour=canned.behaviour_of(Prompt(canned.SAMPLE), None))
    tokens = canned.tokens_of(Prompt(canned.SAMPLE))
    focus = state.focus
    assert focus.head == HeadRef(1, 3)
    assert focus.destination == len(tokens) - 1
    assert focus.source is not None
    assert tokens[focus.source].text == " Orla"
    assert focus.before == focus.source - 1


def test_that_hover_comes_before_pin() -> None:
    state = analysed_state()
    state.select(head=HeadRef(0, 1), token=6)
    assert state.focus.head == HeadRef(0, 1)
    assert state.focus.pinned
    state.point(Hover(head=HeadRef(1, 1)))
    assert state.focus.head == HeadRef(1, 1)
    assert not state.focus.pinned
    assert state.focus.destination == 6


def test_that_a_pin_beyond_the_prompt_falls_back_to_the_last_token() -> None:
    state = analysed_state()
    state.select(token=500, head=HeadRef(7, 7))
    assert state.focus.destination == len(canned.tokens_of(Prompt(canned.SAMPLE))) - 1
    assert state.focus.head == HeadRef(1, 0)


def test_that_scores_of_another_model_are_not_put_beside_a_run() -> None:
    state = analysed_state()
    own, other = canned.model_info(), canned.model_info("instant")
    state.find(scores=canned.role_scores_of(other))
    assert state.findings.fitting_scores is None
    state.find(scores=canned.role_scores_of(own))
    assert state.findings.fitting_scores is state.findings.scores
