"""The engine thread: order, pre-emption, cancellation, failures as values, exactly one end for every id."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.work.requests import Analyze, LoadModel, Prompt, Repeat, Request, ScoreHeads
from engine.work.results import Analysis, Finished, ModelInfo, RoleScores
from engine.work.state import EngineState
from engine.work.task import Task
from engine.work.worker import Worker
from tests.protocol.conftest import Listener

Perform = Callable[[Request, EngineState, Task], object]


@pytest.fixture
def perform_with(monkeypatch: pytest.MonkeyPatch) -> Callable[[Perform], None]:
    """Puts a stand-in where the worker finds its jobs."""

    def install(stand_in: Perform) -> None:
        monkeypatch.setattr("engine.work.jobs.perform.perform", stand_in)

    return install


class Gate:
    """A stand-in job: a sweep of chunks that waits at the first one until it is let through; runs end at once."""

    def __init__(self) -> None:
        self.inside, self.open = threading.Event(), threading.Event()
        self.order: list[str] = []

    def __call__(self, request: Request, state: EngineState, task: Task) -> None:
        if not isinstance(request, ScoreHeads):
            self.order.append("run")
            return
        self.order.append("chunk")
        self.inside.set()
        assert self.open.wait(10)
        task.yield_point()
        self.order.append("chunk")


def test_that_a_run_pre_empts_a_sweep_between_chunks_and_the_sweep_goes_on(
    worker: Worker, listener: Listener, perform_with: Callable[[Perform], None]
) -> None:
    gate = Gate()
    perform_with(gate)
    sweep = worker.submit(ScoreHeads())
    assert gate.inside.wait(10)
    run = worker.submit(Analyze(Prompt("A")))
    gate.open.set()
    listener.end(sweep)
    assert gate.order == ["chunk", "run", "chunk"]
    ends = [message.id for message in listener.messages if isinstance(message, Finished)]
    assert ends == [run, sweep]


def test_that_a_cancelled_sweep_stops_at_its_next_chunk(
    worker: Worker, listener: Listener, perform_with: Callable[[Perform], None]
) -> None:
    gate = Gate()
    perform_with(gate)
    sweep = worker.submit(ScoreHeads())
    assert gate.inside.wait(10)
    worker.cancel(sweep)
    gate.open.set()
    end = listener.end(sweep)
    assert (end.answer, end.failure) == (None, None)
    assert gate.order == ["chunk"]


def test_that_a_sweep_over_a_model_that_was_replaced_ends_without_an_answer(
    worker: Worker, listener: Listener, letters_model: Path, bytes_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.submit(LoadModel(str(letters_model)))
    posted: list[int] = []
    original = worker.serve_urgent

    def post_a_load_first() -> None:
        if not posted:
            posted.append(worker.submit(LoadModel(str(bytes_model))))
        original()

    monkeypatch.setattr(worker, "serve_urgent", post_a_load_first)
    sweep = listener.end(worker.submit(ScoreHeads(length=4, samples=2)))
    assert (sweep.answer, sweep.failure) == (None, None)
    assert isinstance(listener.end(posted[0]).answer, ModelInfo)


def test_that_what_a_job_raises_becomes_a_value_and_the_thread_lives_on(
    worker: Worker, listener: Listener, perform_with: Callable[[Perform], None]
) -> None:
    errors: Iterator[Exception] = iter([ValueError("one line\nand more"), RuntimeError("boom"), MemoryError()])

    def failing(request: Request, state: EngineState, task: Task) -> None:
        raise next(errors)

    perform_with(failing)
    failures = [listener.end(worker.submit(Analyze(Prompt("A")))).failure for _ in range(3)]
    assert [failure.title for failure in failures if failure] == [
        "one line and more",
        "This could not be computed",
        "There is not enough memory for this",
    ]
    assert all(failure and failure.detail for failure in failures)


def test_that_a_run_before_any_model_is_open_fails_clearly(worker: Worker, listener: Listener) -> None:
    failure = listener.end(worker.submit(Analyze(Prompt("A B A")))).failure
    assert failure is not None
    assert "no model is open" in failure.title


def test_that_a_run_that_is_posted_after_a_load_waits_for_it(
    worker: Worker, listener: Listener, letters_model: Path
) -> None:
    worker.submit(LoadModel(str(letters_model)))
    answer = listener.end(worker.submit(Analyze(Prompt("A B A")))).answer
    assert isinstance(answer, Analysis)
    assert [token.text for token in answer.tokens[1:]] == ["A", "B", "A"]


def test_that_a_model_that_cannot_be_opened_leaves_the_old_one_in_place(
    worker: Worker, listener: Listener, letters_model: Path
) -> None:
    worker.submit(LoadModel(str(letters_model)))
    listener.end(worker.submit(Analyze(Prompt("A"))))
    assert listener.end(worker.submit(LoadModel("no such model"))).failure is not None
    assert isinstance(listener.end(worker.submit(Analyze(Prompt("A B")))).answer, Analysis)


def test_that_scores_arrive_in_part_before_the_removals_are_measured(
    worker: Worker, listener: Listener, letters_model: Path
) -> None:
    worker.submit(LoadModel(str(letters_model)))
    number = worker.submit(ScoreHeads(length=5, samples=2))
    answer = listener.end(number).answer
    assert isinstance(answer, RoleScores)
    assert answer.complete
    assert all(head.ablation_delta_loss is not None for head in answer.heads)
    steps = listener.progress(number)
    assert [(step.done, step.total) for step in steps] == [(done, 6) for done in (1, 2, 4, 6)]
    patterns, copying = [step.partial for step in steps if step.partial is not None]
    assert isinstance(patterns, RoleScores)
    assert isinstance(copying, RoleScores)
    assert not patterns.complete
    assert not copying.complete
    assert all(head.induction is not None and head.copying_eigenvalue is None for head in patterns.heads)
    assert all(head.copying_eigenvalue is not None and head.ablation_delta_loss is None for head in copying.heads)


def test_that_what_was_asked_before_is_not_computed_again(
    worker: Worker, listener: Listener, letters_model: Path
) -> None:
    worker.submit(LoadModel(str(letters_model)))
    first = listener.end(worker.submit(Analyze(Prompt("A B A")))).answer
    listener.end(worker.submit(Analyze(Prompt("C D C"))))
    assert listener.end(worker.submit(Analyze(Prompt("A B A")))).answer is first


def test_that_shutting_down_finishes_every_id_and_ends_the_thread(listener: Listener, letters_model: Path) -> None:
    worker = Worker(listener)
    posted = [worker.submit(LoadModel(str(letters_model)))]
    posted += [worker.submit(Analyze(Prompt(repeat=Repeat(5, seed)))) for seed in range(5)]
    posted.append(worker.submit(ScoreHeads(length=5)))
    worker.shutdown()
    assert Counter(m.id for m in listener.messages if isinstance(m, Finished)) == Counter(posted)
    assert worker.submit(Analyze(Prompt("A"))) == 0


def test_that_a_worker_nobody_asked_anything_starts_no_thread(listener: Listener) -> None:
    before = threading.active_count()
    worker = Worker(listener)
    assert threading.active_count() == before
    worker.shutdown()


def _jittery(request: Request, state: EngineState, task: Task) -> None:
    """Stands in for every job: chunks of no length, sometimes an error."""
    for done in range(3):
        task.report(done, 3, "working")
        task.yield_point()
        time.sleep(0.0005)
    if isinstance(request, Analyze) and request.prompt.text == "bad":
        raise ValueError("bad prompt")


STEPS = st.sampled_from(["load", "run", "bad run", "sweep", "cancel the last", "pause"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=25))
def test_that_every_id_ends_exactly_once_whatever_the_schedule(
    perform_with: Callable[[Perform], None], steps: list[str]
) -> None:
    perform_with(_jittery)
    listener = Listener()
    worker = Worker(listener)
    requests: dict[str, Request] = {
        "load": LoadModel("m"),
        "run": Analyze(Prompt("good")),
        "bad run": Analyze(Prompt("bad")),
        "sweep": ScoreHeads(),
    }
    posted: list[int] = []
    for step in steps:
        if step in requests:
            posted.append(worker.submit(requests[step]))
        elif step == "pause":
            time.sleep(0.002)
        elif posted:
            worker.cancel(posted[-1])
    worker.shutdown()
    ends = [message.id for message in listener.messages if isinstance(message, Finished)]
    assert sorted(ends) == posted
    for number in posted:
        of_this = [message for message in listener.messages if message.id == number]
        assert isinstance(of_this[-1], Finished), "progress after the end"
