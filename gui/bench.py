"""The timings that need Qt: the window's start, the way from a key press to the picture, a hover over 1024 heads.

Each is measured beside its floor or its budget in the same run; what cannot be measured here says why.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyqtgraph
from PySide6.QtCore import QEvent, QEventLoop, QObject, QTimer, Slot
from PySide6.QtWidgets import QApplication, QWidget
from typing_extensions import override

from engine.bench import ROWS as ENGINE_ROWS
from engine.bench import Row, row, unmeasured
from engine.work.requests import Prompt
from gui.app import make_application
from gui.bench_emergence import ROWS as EMERGENCE_ROWS
from gui.bench_pointer import ROWS as POINTER_ROWS
from gui.state import Findings
from gui.studio import Studio
from gui.theme import DARK
from gui.widgets.atlas_view import AtlasView

ROOT = Path(__file__).resolve().parent.parent
FLOOR_CODE = "import PySide6.QtWidgets, pyqtgraph"
WINDOW_CODE = """
import os
from gui.app import Session, make_application
app = make_application()
session = Session("default", None, None)
session.window.show()
app.processEvents()
os._exit(0)
"""
START_BUDGET, KEY_BUDGET, HOVER_BUDGET, FIRST_PICTURE_BUDGET = 1.5, 0.033, 0.016, 6.0
REPAINTS = 60
WORDS = "the lantern keeper hums a tune and then the lantern keeper rests "


def run(only: Sequence[str]) -> dict[str, Any]:
    """Every row, or those named; a name that is not measured here is an error. Raises ValueError."""
    unknown = [name for name in only if name not in ROWS]
    if unknown:
        raise ValueError(f"there is no measurement {unknown[0]!r}, only {', '.join(ROWS)}")
    app = make_application()
    rows = [measure() for name, measure in ROWS.items() if not only or name in only]
    app.processEvents()
    machine = {"system": platform.platform(), "processor": platform.machine(), "cores": os.cpu_count()}
    versions = {name: version(name) for name in ("PySide6-Essentials", "torch", "numpy", "pyqtgraph")}
    versions["python"] = platform.python_version()
    return {"machine": machine, "versions": versions, "rows": rows}


def window_start() -> Row:
    """From the start of the process to the shown window, against importing the two libraries alone."""
    _seconds_of(WINDOW_CODE)  # the first start also fills the disk's cache
    pairs = [(_seconds_of(FLOOR_CODE), _seconds_of(WINDOW_CODE)) for _ in range(5)]
    floor, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = ours / floor
    return row("window_start", ours, floor, FLOOR_CODE, ratio, START_BUDGET, ratio <= START_BUDGET, len(pairs))


def _seconds_of(code: str) -> float:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "HEADSCOPE_HOME": os.devnull}
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def smollm2_first_picture() -> Row:
    """From the start of a process that is told to open SmolLM2 to its first prompt painted."""
    name = "smollm2_first_picture"
    command = [sys.executable, "main.py", "--model", "smollm2", "--prompt", WORDS, "--exit-after", "first-picture"]
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", "HEADSCOPE_HOME": home}
        start = time.perf_counter()
        ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        seconds = time.perf_counter() - start
    if ended.returncode:
        return unmeasured(name, FIRST_PICTURE_BUDGET, ended.stderr.strip() or "it did not end as it should")
    return row(name, seconds, None, "the budget", None, FIRST_PICTURE_BUDGET, seconds <= FIRST_PICTURE_BUDGET, 1)


def keypress_to_paint_p95() -> Row:
    """From the end of the typing pause to grid and predictions painted: default model, prompt of 64 tokens."""
    name = "keypress_to_paint_p95"
    studio = Studio("dark", (1280, 800))
    try:
        text = _text_of(63, studio)
        watch = _Watch(studio)
        times = [watch.key(f"{text} {first}{second}") for first in "abcdef" for second in "abcdefghij"]
    except ValueError as error:
        return unmeasured(name, KEY_BUDGET, str(error))
    finally:
        studio.close()
    p95 = float(np.percentile(times, 95))
    return row(name, p95, None, "the budget", None, KEY_BUDGET, p95 < KEY_BUDGET, len(times))


def _text_of(count: int, studio: Studio) -> str:
    """Words that make `count` tokens, BOS among them, in the default model."""
    words = WORDS.split()
    for length in range(count // 2, count + 1):
        text = " ".join(words[place % len(words)] for place in range(length))
        if len(studio.show("default", Prompt(text)).tokens) >= count:
            break
    return text


class _Watch(QObject):
    """Notes when the typing pause ended, and ends the waiting when the answer to the text is there."""

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.told = 0.0
        self.loop = QEventLoop()
        self._studio, self._text = studio, ""
        edit = studio.window.prompt.edit
        edit.promptChanged.connect(self._note)
        for pause in edit.findChildren(QTimer):
            pause.installEventFilter(self)
        studio.state.found.connect(self._look)  # connected last: the panels have the answer already

    @override
    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Timer:  # before anything of the window hears of the text
            self.told = time.perf_counter()
        return False

    @Slot(str)
    def _note(self, text: str) -> None:
        self._text = text

    @Slot(object, object)
    def _look(self, new: Findings, old: Findings) -> None:
        if new.analysis is not None and new.analysis.prompt.text == self._text:
            self.loop.quit()

    def key(self, text: str) -> float:
        """Seconds from the end of the typing pause to the picture of the answer."""
        self._studio.window.prompt.edit.set_prompt(text)
        self.loop.exec()
        QApplication.processEvents()  # what the answer changed is painted now
        seconds = time.perf_counter() - self.told
        self._studio.settle()
        return seconds


def hover_repaint_1024() -> Row:
    """A grid of 1024 heads when the pointer moves to another token, against pyqtgraph painting one bare picture."""
    side, count = 32, 64
    pictures = np.random.default_rng(0).integers(0, 256, (side, side, count, count), dtype=np.uint8)
    atlas = AtlasView()
    atlas.set_theme(DARK)
    atlas.resize(2048, 2048)
    atlas.set_thumbnails(pictures)
    atlas.show()
    ours = _p95_of_repaints(atlas, lambda turn: atlas.set_focus_cells(turn % count, turn % count, count))
    plain = pyqtgraph.GraphicsLayoutWidget()
    plain.resize(2048, 2048)
    plain.addViewBox().addItem(pyqtgraph.ImageItem(np.zeros((2048, 2048), np.uint8)))
    plain.show()
    floor = _p95_of_repaints(plain.viewport(), lambda turn: None)
    for widget in (atlas, plain):
        widget.close()
    against = "pyqtgraph: one bare ImageItem of 2048 x 2048"
    return row("hover_repaint_1024", ours, floor, against, floor / ours, HOVER_BUDGET, ours < HOVER_BUDGET, REPAINTS)


def _p95_of_repaints(widget: QWidget, change: Callable[[int], None]) -> float:
    target = widget.viewport() if isinstance(widget, AtlasView) else widget
    while not target.window().windowHandle().isExposed():
        QApplication.processEvents()
    QApplication.processEvents()
    times = []
    for turn in range(REPAINTS):
        start = time.perf_counter()
        change(turn)
        target.repaint()
        times.append(time.perf_counter() - start)
    return float(np.percentile(times, 95))


ROWS: dict[str, Callable[[], Row]] = {
    "window_start": window_start,
    "keypress_to_paint_p95": keypress_to_paint_p95,
    "hover_repaint_1024": hover_repaint_1024,
    "smollm2_first_picture": smollm2_first_picture,
    **POINTER_ROWS,
    **EMERGENCE_ROWS,
    **ENGINE_ROWS,  # last: what the opponents import stays in memory
}
