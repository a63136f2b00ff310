"""Start and end: the window before the engine, errors as messages, nothing left running."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from engine.circuits import budget
from engine.work.requests import Prompt
from gui.app import Session, has_display, without_display
from gui.collector import discard
from gui.settings import Settings
from gui.theme import load_fonts

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def session(qtbot: QtBot) -> Iterator[Session]:
    load_fonts()
    made = Session("handbuilt-k", "A B C D A B", None)
    yield made
    made.end()
    discard(made.window)


def test_that_the_window_is_there_before_the_engine(qtbot: QtBot, session: Session) -> None:
    session.show()
    assert session.window.isVisible()
    assert not [thread for thread in threading.enumerate() if thread.name == "engine"]
    qtbot.waitUntil(lambda: session.state.findings.analysis is not None, timeout=30_000)
    qtbot.waitUntil(lambda: "attends to" in session.window.sentence.plain_text(), timeout=30_000)


def test_that_neither_window_nor_start_loads_torch() -> None:
    code = "import sys, gui.app, gui.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_that_the_memory_chosen_reaches_the_engine(qtbot: QtBot, session: Session) -> None:
    Settings().remember_memory(1024)
    session.show()
    qtbot.waitUntil(lambda: session.state.findings.analysis is not None, timeout=30_000)
    try:
        with pytest.raises(budget.TooLarge, match="budget is 1024 MB"):
            budget.require(1 << 40, "a map")
        session.window.commands.action("memory.256").trigger()
        assert session.window.commands.action("memory.256").isChecked()
        with pytest.raises(budget.TooLarge, match="budget is 256 MB"):
            budget.require(1 << 40, "a map")
    finally:
        budget.set_limit(budget.DEFAULT_MEGABYTES)


@pytest.mark.allows_log_warnings
def test_that_an_unexpected_error_becomes_one_message_with_details(
    qtbot: QtBot, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    try:
        raise RuntimeError("a screw is loose")
    except RuntimeError as error:
        with caplog.at_level(logging.ERROR):
            sys.excepthook(type(error), error, error.__traceback__)
    toasts = session.window.toasts.toasts()
    assert [toast.accessibleName() for toast in toasts] == ["Something went wrong: a screw is loose"]
    toasts[0].copy_button.click()
    assert toasts[0].copy_button.text() == "Copied"


def test_that_it_leaves_after_the_first_picture(qtbot: QtBot) -> None:
    load_fonts()
    session = Session("handbuilt-k", "A B A", "first-picture")
    session.show()
    qtbot.waitUntil(lambda: not session.window.isVisible(), timeout=30_000)
    assert Settings().prompt == "A B A"
    session.end()
    discard(session.window)


def test_that_a_remembered_prompt_comes_back_with_its_model_only(qtbot: QtBot) -> None:
    settings = Settings()
    settings.remember_prompt("handbuilt-k", "C A C")
    settings.sync()
    for model, expected in (("handbuilt-k", Prompt("C A C")), ("handbuilt-q", Prompt("A B C D E A B"))):
        session = Session(model, None, None)
        session.show()
        qtbot.waitUntil(lambda s=session: s.state.findings.analysis is not None, timeout=30_000)
        assert session.state.selection.prompt == expected
        session.end()
        # not closed as a user would: that would be remembered in turn
        session.window.closeEvent = lambda event: event.accept()
        discard(session.window)


def test_that_a_machine_without_display_gets_a_picture(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert without_display("handbuilt-k", "A B A") == 0
    assert (tmp_path / "headscope.png").is_file()
    assert "xvfb-run" in capsys.readouterr().out


def test_that_a_display_is_looked_for_on_linux_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert not has_display()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert has_display()
    monkeypatch.delenv("WAYLAND_DISPLAY")
    monkeypatch.setattr(sys, "platform", "win32")
    assert has_display()
