"""The training process of the window: started, steered by lines of JSON, and listened to. Knows no widget.

The process outlives nothing: where the window goes, its input ends, and it puts the run down so that it can go on.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QProcess, Signal, Slot

from engine.model.folders import user_folder
from engine.training.spec import SPEC, STATES, Spec, spec_of_shipped

ROOT = Path(__file__).resolve().parent.parent
ENDS_MS = 8000  # that a run gets to write itself down


@dataclass(frozen=True)
class Kept:
    """A run in the user's folder, and the step that it was put down at."""

    name: str
    spec: Spec
    step: int


class LiveTraining(QObject):
    """`measured` carries a row of the curves, `kept` the step of a new checkpoint, `happened` news as words and whether
    they are bad; `changed` says that the run started, paused, went on or ended, `finished` that it made its last step.
    """

    measured = Signal(dict)
    kept = Signal(int)
    happened = Signal(str, bool)
    changed = Signal()
    finished = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.name, self.spec, self.paused, self.step = "", Spec(), False, 0
        self.seconds_left: float | None = None
        self.marks: list[tuple[int, str]] = []  # the steps at which something began or ended, and what
        self._process: QProcess | None = None
        self._rest = b""

    @property
    def running(self) -> bool:
        return self._process is not None

    def start(self, spec: Spec) -> None:
        """A new run, or the one of the same spec where it was put down."""
        if self.running:
            return
        self.name, folder = _folder_for(spec)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / SPEC).write_text(json.dumps(spec.values()), encoding="utf-8")
        except OSError as error:
            self.happened.emit(f"The run cannot be written to {folder.name}: {error.strerror}", True)
            return
        self._process, self._rest, self.paused, self.step = QProcess(self), b"", False, 0
        self.spec, self.marks, self.seconds_left = spec, [], None
        self._process.setWorkingDirectory(str(ROOT))
        self._process.setProcessChannelMode(QProcess.ProcessChannelMode.SeparateChannels)
        self._process.readyReadStandardOutput.connect(self._read)
        self._process.finished.connect(self._ended)
        self._process.start(sys.executable, ["-m", "engine.training.live", str(folder)])
        self.changed.emit()

    @Slot()
    def pause(self) -> None:
        self._say(do="resume" if self.paused else "pause")

    def follow(self, on: bool) -> None:
        """Whether a checkpoint is wanted several times a second."""
        self._say(do="follow", on=on)

    def resume(self) -> None:
        self._say(do="resume")

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
                self.seconds_left = news.get("seconds_left")
                self._note(news.get("disturbed", ()))
                self.measured.emit(news)
            case "paused" | "going on" as event:
                self.paused = event == "paused"
                self.changed.emit()
            case "kept":
                self.kept.emit(self.step)
            case "catching up":
                self.changed.emit()
            case "failed" | "refused":
                self.happened.emit(str(news.get("why", "it failed")), True)
            case "disturbed":
                line = str(news.get("line", ""))
                self._note([(self.step, line)])
                self.happened.emit(
                    f"From step {self.step:,}: {line}" if line else "Nothing is disturbed any more", False
                )
            case "stopped":
                self.happened.emit(f"Put down at step {self.step:,}; it can be gone on with", False)
            case "done":
                self.happened.emit(f"The run has come to its end, step {self.step:,}", False)
                self.finished.emit()

    def _note(self, marks: Any) -> None:
        """Rows tell what was done before them, once more where a run is gone on with."""
        self.marks += [(int(step), str(line)) for step, line in marks if (step, line) not in self.marks]

    @Slot()
    def _ended(self) -> None:
        if self._process is not None:
            self._process.deleteLater()
            self._process = None
        self.paused = False
        self.changed.emit()


def runs_here() -> list[Kept]:
    """The runs in the user's folder that can be gone on with or looked at, by name."""
    found = []
    for path in sorted(user_folder().glob(f"*/{SPEC}")):
        spec = _spec_in(path.parent)
        steps = [int(state.stem) for state in (path.parent / STATES).glob("*.safetensors") if state.stem.isdecimal()]
        if spec is not None and steps:
            found.append(Kept(path.parent.name, spec, max(steps)))
    return found


def spec_of(run: str, step: int) -> Spec | None:
    """The choices that a run was made with, with steps left after `step`; None for models that were not trained so."""
    spec = spec_of_shipped(run) or _spec_in(user_folder() / run)
    return None if spec is None else spec.forked(run, step)


def _spec_in(folder: Path) -> Spec | None:
    try:
        values = json.loads((folder / SPEC).read_text(encoding="utf-8"))
        return Spec.of(values) if isinstance(values, dict) else None
    except (OSError, ValueError):
        return None


def _folder_for(spec: Spec) -> tuple[str, Path]:
    """The name and the folder of a run: that of the same spec, else the first that is free."""
    base = f"run-{spec.layers}x{spec.heads}-{spec.width}-seed-{spec.seed}"
    if spec.fork_of:
        base = f"{spec.fork_of}-from-{spec.fork_step}"
    for number in range(1, 1000):
        name = base if number == 1 else f"{base}-{number}"
        path = user_folder() / name
        if _spec_in(path) == spec or not path.exists():
            return name, path
    return base, user_folder() / base
