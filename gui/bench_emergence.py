"""Timings of the emergence workspace: scrubbing through a film, and the window while a model is trained beside it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable

from PySide6.QtCore import QPointF
from PySide6.QtWidgets import QApplication

from engine.bench import Row, unmeasured
from engine.training.spec import Spec
from engine.work.requests import Prompt
from gui.bench_pointer import LARGE_FRAME, TURNS, exposed, moved, row_of
from gui.studio import Studio

PROMPT = Prompt("the red fish sees a bird the red")
FRAMES = 400
BEGINS = 60.0  # seconds that the process may take until its first curves are there


def scrub_instant() -> Row:
    """From another place of the timeline until the grid of that checkpoint is painted."""
    name = "scrub_instant"
    studio = Studio("dark", (1280, 800))
    try:
        studio.show("instant", PROMPT)
        studio.bring("emergence")
        studio.settle()
        exposed(studio.window)
        times = [_scrubbed(studio, turn) for turn in range(TURNS)]
    except ValueError as error:
        return unmeasured(name, LARGE_FRAME, str(error))
    finally:
        studio.close()
    return row_of(name, times, LARGE_FRAME)


def _scrubbed(studio: Studio, turn: int) -> float:
    bar = studio.window.timeline.bar
    wanted = bar.steps[turn % len(bar.steps)]
    start = time.perf_counter()
    bar.slider.setValue(bar.slider.place_of(wanted))
    while (run := studio.state.findings.analysis) is None or run.model.step != wanted:
        QApplication.processEvents()
    studio.window.heads.view.viewport().repaint()
    return time.perf_counter() - start


def paint_while_training() -> Row:
    """A frame of the window while the small recipe and its twin are trained: what the process told is drawn, the
    pointer goes over the heads, and everything that it changes is painted."""
    name, home = "paint_while_training", os.environ.get("HEADSCOPE_HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HEADSCOPE_HOME"] = folder
        studio = Studio("dark", (1280, 800))
        try:
            studio.show("instant", PROMPT)
            studio.bring("emergence")
            studio.bring("live")
            studio.settle()
            exposed(studio.window)
            times = _frames(studio)
        except ValueError as error:
            return unmeasured(name, LARGE_FRAME, str(error))
        finally:
            studio.close()
            os.environ.pop("HEADSCOPE_HOME")
            if home is not None:
                os.environ["HEADSCOPE_HOME"] = home
    return row_of(name, times, LARGE_FRAME)


def _frames(studio: Studio) -> list[float]:
    live, view = studio.window.live, studio.window.heads.view
    studio.window.training.start(Spec())
    limit = time.monotonic() + BEGINS
    while len(live.rows) < 3:
        QApplication.processEvents()
        if time.monotonic() > limit:
            raise ValueError("the training process did not begin")
    width, height = view.viewport().width(), view.viewport().height()
    times = []
    for turn in range(FRAMES):
        place = QPointF(width * (turn % 40) / 80, height * (turn % 30) / 60)
        start = time.perf_counter()
        moved(view.viewport(), place)
        view.viewport().repaint()
        times.append(time.perf_counter() - start)
        time.sleep(max(0.0, 1 / 60 - times[-1]))  # as a screen would ask for frames
    return times


ROWS: dict[str, Callable[[], Row]] = {"scrub_instant": scrub_instant, "paint_while_training": paint_while_training}
