"""Start and end of the window: what is made in which order, and what happens when something goes wrong.

The window is on the screen before the engine is asked for anything, so before torch is loaded.
"""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import traceback
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QMessageLogContext, QObject, QTimer, QtMsgType, Slot, qInstallMessageHandler
from PySide6.QtWidgets import QApplication

from engine.service import EngineService
from engine.work.requests import Prompt
from engine.work.results import Failure
from gui.collector import PinnedCollector, discard
from gui.conductor import Conductor
from gui.main_window import MainWindow
from gui.settings import Settings
from gui.state import ExplorerState, Findings
from gui.theme import ThemeManager, load_fonts

log = logging.getLogger(__name__)
FIRST_PICTURE = "first-picture"
DEFAULT_MODEL = "default"


class Guard(QObject):
    """An error that nobody expected becomes one message with details to copy; the application goes on."""

    def __init__(self, window: MainWindow) -> None:
        super().__init__(window)
        self._window = window
        self._usual = sys.excepthook
        sys.excepthook = self.caught

    def caught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QApplication.quit()
            return
        log.error("unexpected error", exc_info=(kind, error, trace))
        detail = "".join(traceback.format_exception(kind, error, trace))
        hint = "Nothing was lost. The details can be copied."
        self._window.report(Failure(f"Something went wrong: {error or kind.__name__}", hint, detail))

    def release(self) -> None:
        sys.excepthook = self._usual


class Session(QObject):
    """One run of the window: state, window and engine, in the order in which they come and go."""

    def __init__(self, model: str, prompt: str | None, exit_after: str | None) -> None:
        super().__init__()
        settings = Settings()
        self._exit_after = exit_after
        self._model, self._prompt = model, prompt
        if prompt is None and model == settings.model:
            self._prompt = settings.prompt  # a remembered prompt belongs to its model
        self.state = ExplorerState(self)
        themes = ThemeManager(settings.theme, settings.scale, self)
        self.window = MainWindow(self.state, themes, settings)
        self._guard = Guard(self.window)
        self._collector = PinnedCollector(self)
        self._service: EngineService | None = None
        self._conductor: Conductor | None = None
        self.state.found.connect(self._on_found)

    def show(self) -> None:
        """The window first; the engine once it is on the screen."""
        self.window.show()
        QTimer.singleShot(0, self._start_engine)

    @Slot()
    def _start_engine(self) -> None:
        self._service = EngineService(self)
        self._service.set_memory(self.window.memory.megabytes)
        self.window.memory.changed.connect(self._service.set_memory)
        self._conductor = Conductor(self.state, self._service, self)
        self._conductor.failed.connect(self.window.report)
        self.window.library.serve(self._service)
        self.state.select(model=self._model, prompt=Prompt(self._prompt or ""))

    @Slot(object, object)
    def _on_found(self, new: Findings, old: Findings) -> None:
        if self._exit_after == FIRST_PICTURE and new.analysis is not None:
            self._exit_after = None
            QTimer.singleShot(0, self._leave)

    @Slot()
    def _leave(self) -> None:
        """Painted once, then closed as a user would."""
        self.window.repaint()
        self.window.close()

    @Slot()
    def end(self) -> None:
        """The engine is told to stop and waited for before Qt goes away."""
        if self._conductor is not None:
            self._conductor.rest()
        if self._service is not None:
            self._service.shutdown()
        self._collector.stop()
        self._guard.release()


def qt_to_log(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    """What Qt has to say goes to the log; what its screenless platform cannot do is no news."""
    if message.startswith("This plugin does not support"):
        return
    bad = (QtMsgType.QtWarningMsg, QtMsgType.QtCriticalMsg, QtMsgType.QtFatalMsg)
    logging.getLogger("qt").log(logging.WARNING if kind in bad else logging.DEBUG, message)


def make_application() -> QApplication:
    """The one application object, looking the same on every system."""
    qInstallMessageHandler(qt_to_log)
    existing = QApplication.instance()
    app = existing if isinstance(existing, QApplication) else QApplication([sys.argv[0]])
    app.setApplicationName("Headscope")
    app.setStyle("Fusion")
    load_fonts()
    return app


def has_display() -> bool:
    """Whether a window can be shown at all; only Linux runs without."""
    if not sys.platform.startswith("linux") or os.environ.get("QT_QPA_PLATFORM"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def run(model: str = DEFAULT_MODEL, prompt: str | None = None, exit_after: str | None = None) -> int:
    """Open the window and stay until it is closed. Returns the exit status."""
    if not has_display():
        return without_display(model, prompt)
    app = make_application()
    session = Session(model, prompt, exit_after)
    app.aboutToQuit.connect(session.end)
    session.show()
    status = app.exec()
    discard(session.window)
    return status


def without_display(model: str, prompt: str | None) -> int:
    """No display: the opening view becomes a picture, and two lines say so and how to get a window."""
    from gui.cli import render  # sets up an application without a screen

    path = Path(tempfile.gettempdir()) / "headscope.png"
    render(model, prompt or "", "window", "", (1440, 900), "dark", str(path))
    print(f"There is no display here; a picture of the opening view is in {path}.")
    print("For a window start it on a desktop, over ssh with -X, or as: xvfb-run python main.py")
    return 0
