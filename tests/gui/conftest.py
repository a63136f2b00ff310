"""A window with the canned engine behind it, and ways to wait for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt, QTimer
from pytestqt.qtbot import QtBot

from engine.model.config import HeadRef
from engine.work.results import Analysis
from gui.conductor import Conductor
from gui.main_window import MainWindow
from gui.settings import MOST_RECENT, Settings
from gui.state import ExplorerState
from gui.theme import ThemeManager, load_fonts
from tests.gui import canned
from tests.gui.fake_models import FakeModels
from tests.gui.fake_service import FakeService


@dataclass
class Stage:
    """Everything a test of the window needs at hand."""

    qtbot: QtBot
    window: MainWindow
    state: ExplorerState
    service: FakeService
    conductor: Conductor
    settings: Settings

    def settle(self) -> None:
        """Until the typing pause is over and every answer is in."""
        self.qtbot.wait(90)
        pauses = [
            timer for edit in (self.window.prompt.edit, self.window.prompt.other) for timer in edit.findChildren(QTimer)
        ]
        self.qtbot.waitUntil(lambda: not any(timer.isActive() for timer in pauses), timeout=3000)
        self.qtbot.waitUntil(lambda: self.conductor.idle, timeout=3000)

    @property
    def analysis(self) -> Analysis:
        analysis = self.state.findings.analysis
        assert analysis is not None
        return analysis

    def opened(self) -> str:
        """The name of the model that is open."""
        assert self.state.findings.model is not None
        return self.state.findings.model.name

    def toasts(self) -> list[str]:
        return [toast.accessibleName() for toast in self.window.toasts.toasts()]

    def type(self, text: str) -> None:
        """Replace the prompt as a person would: select all, then key by key."""
        self.window.focus_prompt()
        self.qtbot.keyClicks(self.window.prompt.edit, text)

    def chip(self, position: int) -> QPoint:
        return self.window.prompt.strip.chip_rect(position).center().toPoint()

    def click_chip(self, position: int) -> None:
        strip = self.window.prompt.strip.viewport()
        self.qtbot.mouseClick(strip, Qt.MouseButton.LeftButton, pos=self.chip(position))

    def click_head(self, head: HeadRef) -> None:
        view = self.window.heads.view
        at = view.card_rect(head).center()
        self.qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=at)

    def hover_head(self, head: HeadRef) -> None:
        view = self.window.heads.view
        self.qtbot.mouseMove(view.viewport(), view.card_rect(head).center())

    def key(self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier) -> None:
        """Into whatever has the focus, so that shortcuts are found as they are for a person."""
        self.qtbot.keyClick(self.window.focusWidget() or self.window, key, modifier)


def staged(qtbot: QtBot, folder: Path) -> Stage:
    """A window of 1280 x 800, shown, with nothing asked of the engine yet."""
    load_fonts()
    state, service, settings = ExplorerState(), FakeService(), Settings(folder)
    window = MainWindow(state, ThemeManager("dark", parent=state), settings)
    state.setParent(window)
    qtbot.addWidget(window)
    window.resize(1280, 800)
    window.show()
    qtbot.waitExposed(window)
    conductor = Conductor(state, service, window)
    conductor.failed.connect(window.report)
    return Stage(qtbot, window, state, service, conductor, settings)


@pytest.fixture
def stage(qtbot: QtBot, tmp_path: Path) -> Iterator[Stage]:
    """The window once its first prompt has been read."""
    made = staged(qtbot, tmp_path)
    made.state.find(models=(canned.model_info(), canned.model_info("instant")))
    made.state.select(model="default")
    made.settle()
    yield made
    made.conductor.rest()
    made.service.shutdown()


@pytest.fixture
def models(tmp_path: Path) -> FakeModels:
    return FakeModels(tmp_path)


@pytest.fixture
def served(qtbot: QtBot, tmp_path: Path, models: FakeModels) -> Iterator[Stage]:
    """The window once the default model is open, with models to list."""
    made = staged(qtbot, tmp_path)
    made.window.library.serve(models)
    made.state.select(model="default")
    made.settle()
    yield made
    made.conductor.rest()
    made.window.close()
    made.service.shutdown()


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Two more than are remembered."""
    paths = [tmp_path / f"model-{number}.gguf" for number in range(MOST_RECENT + 2)]
    for path in paths:
        path.write_bytes(b"GGUF")
    return [str(path) for path in paths]
