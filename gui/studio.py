"""A window that nobody sees, with an engine of its own: for pictures and for timings."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

from PySide6.QtCore import QCoreApplication, QEventLoop, QObject, QTimer, Slot
from PySide6.QtWidgets import QWidget

from engine.service import EngineService
from engine.work.requests import Prompt
from engine.work.results import Analysis, Failure
from gui.collector import PinnedCollector, discard
from gui.conductor import Conductor
from gui.main_window import MainWindow
from gui.settings import Settings
from gui.state import ExplorerState
from gui.theme import ThemeManager
from gui.workspaces import WORKSPACES

LAYOUT_ROUNDS = 3  # until pages that scroll are as high as their width asks for
LONGEST_WAIT_MS = 120_000


class Studio(QObject):
    """Call `close` in the end: it waits for the engine. Nothing of the user's settings is read or written."""

    def __init__(self, theme: Literal["dark", "light"], size: tuple[int, int]) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(prefix="headscope-")
        self.state = ExplorerState(self)
        self.window = MainWindow(self.state, ThemeManager(theme, parent=self), Settings(Path(self._folder.name)))
        self.window.resize(*size)
        self.window.show()
        self._collector = PinnedCollector(self)
        self._service = EngineService(self)
        self._conductor = Conductor(self.state, self._service, self)
        self._conductor.failed.connect(self._note_failure)
        self._taken: list[QWidget] = []
        self._failures: list[Failure] = []

    @Slot(object)
    def _note_failure(self, failure: Failure) -> None:
        self._failures.append(failure)

    def show(self, model: str, prompt: Prompt) -> Analysis:
        """Open, read and score. Raises ValueError in one line when the model or the prompt cannot be read."""
        self.state.select(model=model, prompt=prompt)
        self.settle()
        analysis = self.state.findings.analysis
        if analysis is None:
            raise ValueError("there is no prompt to show: give one with --prompt")
        return analysis

    def settle(self) -> None:
        """Wait until everything that is shown has been answered. Raises ValueError on the first failure."""
        loop, limit = QEventLoop(), QTimer()
        limit.setSingleShot(True)
        limit.timeout.connect(loop.quit)
        self._conductor.settled.connect(loop.quit)
        self._conductor.failed.connect(loop.quit)
        limit.start(LONGEST_WAIT_MS)
        if not self._conductor.idle:
            loop.exec()
        limit.stop()
        if self._failures:
            raise ValueError(self._failures[0].title)
        if not self._conductor.idle:
            raise ValueError("the engine did not finish in time")
        _lay_out()

    def bring(self, name: str) -> None:
        """Into sight, so that what it shows is asked for: a workspace, or a panel wherever it stands."""
        if name in WORKSPACES:
            self.state.select(workspace=name)
        elif name in self.window.panels:
            self.window.docks.reveal(name)

    def view(self, name: str, size: tuple[int, int]) -> QWidget:
        """The window, or one of its views by itself at that size."""
        widget = self.window.views.get(name, self.window)
        if widget is not self.window:
            widget.setParent(None)
            widget.setStyleSheet(self.window.styleSheet())  # which it no longer inherits
            self._taken.append(widget)
            widget.setFixedSize(*size)
            widget.show()
            _lay_out()
        return widget

    def close(self) -> None:
        self._conductor.rest()
        self.window.training.shutdown()
        self._service.shutdown()
        self._collector.stop()
        for widget in (*self._taken, self.window):
            discard(widget)
        self._folder.cleanup()


def _lay_out() -> None:
    """Until everything has the place and the size that it asks for."""
    for _ in range(LAYOUT_ROUNDS):
        QCoreApplication.processEvents()
