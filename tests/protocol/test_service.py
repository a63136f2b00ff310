"""The engine as the window sees it: messages in the GUI thread, stale ids, start and shutdown."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QThread, Slot
from pytestqt.qtbot import QtBot

from engine.service import EngineService
from engine.work.requests import Analyze, LoadModel, Prompt, ScoreHeads
from engine.work.results import Analysis, Finished, ModelInfo, Progress


class Window(QObject):
    """Does what the window does: remembers the ids it waits for and drops all others."""

    def __init__(self, service: EngineService) -> None:
        super().__init__()
        self.wanted: set[int] = set()
        self.answers: list[Finished] = []
        self.ended: list[int] = []
        self.strange_threads: list[QThread] = []
        service.message.connect(self.receive)

    def has_seen(self, ids: list[int]) -> bool:
        return sorted(self.ended) == ids

    @Slot(object)
    def receive(self, message: Progress | Finished) -> None:
        if QThread.currentThread() is not self.thread():
            self.strange_threads.append(QThread.currentThread())
        if isinstance(message, Finished):
            self.ended.append(message.id)
            if message.id in self.wanted:
                self.answers.append(message)


def test_that_answers_arrive_on_the_thread_of_the_window(qtbot: QtBot, letters_model: Path) -> None:
    service = EngineService()
    window = Window(service)
    load = service.submit(LoadModel(str(letters_model)))
    run = service.submit(Analyze(Prompt("A B A")))
    window.wanted = {load, run}
    qtbot.waitUntil(lambda: len(window.answers) == 2)
    service.shutdown()
    assert [type(end.answer) for end in window.answers] == [ModelInfo, Analysis]
    assert window.strange_threads == []


def test_that_fast_typing_answers_the_last_prompt_and_ends_the_stale_ones(qtbot: QtBot, letters_model: Path) -> None:
    service = EngineService()
    window = Window(service)
    service.submit(LoadModel(str(letters_model)))
    posted = [service.submit(Analyze(Prompt("A B " * count + "A"))) for count in range(1, 13)]
    window.wanted = {posted[-1]}
    qtbot.waitUntil(lambda: bool(window.answers))
    service.shutdown()
    qtbot.waitUntil(lambda: len(window.ended) == 1 + len(posted))
    assert sorted(window.ended)[1:] == posted
    (end,) = window.answers
    assert isinstance(end.answer, Analysis)
    assert len(end.answer.tokens) == 1 + 2 * 12 + 1


def test_that_requests_after_shutdown_are_passed_over(qtbot: QtBot) -> None:
    service = EngineService()
    service.shutdown()
    assert service.submit(Analyze(Prompt("A"))) == 0


def test_that_starting_and_stopping_twenty_times_leaves_no_thread(qtbot: QtBot, letters_model: Path) -> None:
    before = threading.active_count()
    for number in range(20):
        service = EngineService()
        window = Window(service)
        posted = [service.submit(LoadModel(str(letters_model)))]
        posted += [service.submit(Analyze(Prompt("A B A"))), service.submit(ScoreHeads(length=5, seed=number))]
        service.shutdown()
        qtbot.waitUntil(partial(window.has_seen, posted))
    assert threading.active_count() == before
