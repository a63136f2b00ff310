"""The training process of the window: started, steered by lines of JSON, and listened to. Knows no widget.

The process outlives nothing: where the window goes, its input ends, and it puts the run down so that it can go on.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QProcess, Signal, Slot

from engine.model.folders import user_folder

ROOT = Path(__file__).resolve().parent.parent
SPEC = "spec.json"
ENDS_MS = 8000  # that a run gets to write itself down


class LiveTraining(QObject):
    """`measured` carries a row of the curves, `happened` news as words and whether they are bad; `changed` says that
    the run started, paused, went on or ended."""

    measured = Signal(dict)
    happened = Signal(str, bool)
    changed = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.name, self.paused, self.step = "", False, 0
        self.disturbed: list[int] = []  # the steps at which something began or ended
        self._process: QProcess | None = None
        self._rest = b""

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self, spec: dict[str, Any]) -> None:
        """A new run, or the one of the same spec where it was put down."""
        if self.running:
            return
        self.name, folder = _folder_for(spec)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / SPEC).write_text(json.dumps(spec), encoding="utf-8")
        except OSError as error:
            self.happened.emit(f"The run cannot be written to {folder.name}: {error.strerror}", True)
            return
        self._process, self._rest, self.paused, self.step = QProcess(self), b"", False, 0
        self.disturbed = []
        self._process.setWorkingDirectory(str(ROOT))
        self._process.setProcessChannelMode(QProcess.ProcessChannelMode.SeparateChannels)
        self._process.readyReadStandardOutput.connect(self._read)
        self._process.finished.connect(self._ended)
        self._process.start(sys.executable, ["-m", "engine.training.live", str(folder)])
        self.changed.emit()

    @Slot()
    def pause(self) -> None:
        self._say(do="resume" if self.paused else "pause")

    @Slot()
    def stop(self) -> None:
        self._say(do="stop")

    @Slot(str)
    def disturb(self, line: str) -> None:
        """An intervention in its one-line form, from the next step on; an empty line ends what is being done."""
        self._say(do="disturb", line=line)

    def shutdown(self) -> None:
        """The run is put down and waited for."""
        process = self._process
        if process is None:
            return
        process.finished.disconnect(self._ended)
        process.closeWriteChannel()
        if not process.waitForFinished(ENDS_MS):
            process.kill()
            process.waitForFinished(ENDS_MS)
        self._process = None

    def _say(self, **command: object) -> None:
        if self._process is not None:
            self._process.write(json.dumps(command).encode() + b"\n")

    @Slot()
    def _read(self) -> None:
        assert self._process is not None
        *lines, self._rest = (self._rest + bytes(self._process.readAllStandardOutput().data())).split(b"\n")
        for line in lines:
            try:
                news = json.loads(line)
            except ValueError:
                continue
            self._tell(news)

    def _tell(self, news: dict[str, Any]) -> None:
        self.step = int(news.get("step", self.step))
        match news.get("event"):
            case None:
                self.measured.emit(news)
            case "paused" | "going on" as event:
                self.paused = event == "paused"
                self.changed.emit()
            case "failed" | "refused":
                self.happened.emit(str(news.get("why", "it failed")), True)
            case "disturbed":
                line = str(news.get("line", ""))
                self.disturbed.append(self.step)
                self.happened.emit(
                    f"From step {self.step:,}: {line}" if line else "Nothing is disturbed any more", False
                )
            case "done":
                self.happened.emit(f"The run has come to its end, step {self.step:,}", False)

    @Slot()
    def _ended(self) -> None:
        if self._process is not None:
            self._process.deleteLater()
            self._process = None
        self.paused = False
        self.changed.emit()


def _folder_for(spec: dict[str, Any]) -> tuple[str, Path]:
    """The name and the folder of a run: that of the same spec, else the first that is free."""
    base = f"run-{spec['layers']}-layer-{spec['heads']}-head-{spec['width']}-seed-{spec['seed']}"
    for number in range(1, 1000):
        name = base if number == 1 else f"{base}-{number}"
        path = user_folder() / name / SPEC
        try:
            same = json.loads(path.read_text(encoding="utf-8")) == spec
        except (OSError, ValueError):
            same = not path.exists()
        if same:
            return name, path.parent
    return base, user_folder() / base
