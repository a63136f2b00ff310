"""What every test gets without asking: no display, its own settings folder, and no leaks.

A test fails on a Qt warning (pyproject.toml has the short allow-list), on a log record at WARNING or
above, on a thread or an active timer that outlives it, and on a top-level widget it leaves behind.
"""

import gc
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["QT_SCALE_FACTOR"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # where other work takes a core, two threads wait for one another
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # an oracle model is built here, never fetched
if sys.platform.startswith("linux") and "XDG_RUNTIME_DIR" not in os.environ:
    os.environ["XDG_RUNTIME_DIR"] = tempfile.mkdtemp(prefix="headscope-run-")
if sys.platform == "win32":
    import torch  # noqa: F401  (loaded after Qt, its libraries fail to load there)

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QSettings, QThreadPool, QTimer
from PySide6.QtGui import QFont, QFontDatabase
from PySide6.QtWidgets import QApplication, QWidget
from shiboken6 import Shiboken

GRACE_S = 2.0  # a thread that was told to stop gets this long


@pytest.fixture(scope="session")
def qapp(qapp: QApplication) -> QApplication:
    """The application as every picture is taken: Fusion, one packaged font of one size."""
    import fontpkg_inter

    for file in sorted((fontpkg_inter.ROOT / "files").glob("*.ttf")):
        QFontDatabase.addApplicationFont(str(file))
    qapp.setStyle("Fusion")
    font = QFont("Inter")
    font.setPixelSize(13)
    qapp.setFont(font)
    return qapp


@pytest.fixture(scope="session", autouse=True)
def gc_on_main_thread() -> Iterator[None]:
    """No automatic collection: on a worker thread it would destroy Qt objects there."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(scope="module", autouse=True)
def _collect_after_module() -> Iterator[None]:
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def _no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Set up before, and so checked after, the fixtures a test asks for."""
    uses_qt = "qapp" in request.fixturenames
    threads_before = set(threading.enumerate())
    widgets_before = {_address(widget) for widget in _stray_widgets()}
    timers_before = {id(timer) for timer in _active_timers()} if uses_qt else set()
    yield
    gc.collect(1)
    _wait_until(lambda: not _new_threads(threads_before))
    threads = [thread.name for thread in _new_threads(threads_before)]
    assert not threads, f"threads still alive after the test: {threads}"
    assert QThreadPool.globalInstance().activeThreadCount() == 0, "Qt's thread pool is still at work"
    if _new_widgets(widgets_before):
        gc.collect()
    widgets = [f"{type(w).__name__} {w.objectName()!r}" for w in _new_widgets(widgets_before)]
    assert not widgets, f"top-level widgets left behind: {widgets}"
    if uses_qt and [t for t in _active_timers() if id(t) not in timers_before]:
        gc.collect()
        timers = [repr(t) for t in _active_timers() if id(t) not in timers_before]
        assert not timers, f"timers still running after the test: {timers}"


@pytest.fixture(autouse=True)
def _no_log_warnings(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Opt out with @pytest.mark.allows_log_warnings, and then assert on caplog."""
    yield
    if request.node.get_closest_marker("allows_log_warnings"):
        return
    records = [*caplog.get_records("setup"), *caplog.get_records("call")]
    lines = [f"{r.levelname} {r.name}: {r.getMessage()}" for r in records if r.levelno >= logging.WARNING]
    assert not lines, "logged at WARNING or above:\n" + "\n".join(lines)


@pytest.fixture(autouse=True)
def headscope_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A settings folder of the test's own; child processes inherit it through the environment."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HEADSCOPE_HOME", str(home))
    for kind in ("CONFIG", "DATA", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(home / kind.lower()))
    for form in (QSettings.Format.IniFormat, QSettings.Format.NativeFormat):
        QSettings.setPath(form, QSettings.Scope.UserScope, str(home / "config"))
    return home


def _wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + GRACE_S
    while not done() and time.monotonic() < deadline:
        time.sleep(0.01)


def _new_threads(before: set[threading.Thread]) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread not in before]


def _address(widget: QWidget) -> int:
    return int(Shiboken.getCppPointer(widget)[0])


def _stray_widgets() -> list[QWidget]:
    """Top-level widgets that nobody owns; Qt keeps one tool-tip label of its own."""
    if QApplication.instance() is None:
        return []
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)
    tops = QApplication.topLevelWidgets()
    return [w for w in tops if w.parent() is None and w.metaObject().className() != "QTipLabel"]


def _new_widgets(before: set[int]) -> list[QWidget]:
    return [widget for widget in _stray_widgets() if _address(widget) not in before]


def _active_timers() -> list[QTimer]:
    timers = [item for item in gc.get_objects() if type(item) is QTimer]
    return [timer for timer in timers if Shiboken.isValid(timer) and timer.isActive()]
