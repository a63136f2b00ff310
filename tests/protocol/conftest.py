"""Tiny random models as files, and a listener that collects what the engine says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.model import handbuilt
from engine.work.results import Finished, Progress
from engine.work.worker import Worker
from tests.protocol.tiny_models import bytes_tokenizer, save_in

PATIENCE_S = 20.0


@pytest.fixture(scope="session")
def letters_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random model that reads the letters A to K; context 32."""
    return save_in(tmp_path_factory.mktemp("letters"), handbuilt.tokenizer())


@pytest.fixture(scope="session")
def bytes_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random model that reads bytes; context 32."""
    return save_in(tmp_path_factory.mktemp("bytes"), bytes_tokenizer())


class Listener:
    """Collects messages on the engine thread and lets the test wait for the end of an id."""

    def __init__(self) -> None:
        self.messages: list[Progress | Finished] = []
        self._arrived = threading.Condition()

    def __call__(self, message: Progress | Finished) -> None:
        with self._arrived:
            self.messages.append(message)
            self._arrived.notify_all()

    def end(self, number: int) -> Finished:
        """The one Finished of this id."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: self.ends(number), PATIENCE_S), f"{number} did not finish"
        (finished,) = self.ends(number)
        return finished

    def ends(self, number: int) -> list[Finished]:
        return [m for m in self.messages if isinstance(m, Finished) and m.id == number]

    def progress(self, number: int) -> list[Progress]:
        return [m for m in self.messages if isinstance(m, Progress) and m.id == number]


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def worker(listener: Listener) -> Iterator[Worker]:
    worker = Worker(listener)
    yield worker
    worker.shutdown()
