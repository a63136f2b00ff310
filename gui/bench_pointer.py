"""Timings under the pointer, diagram and painting: from a mouse event until everything that it changes is painted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QSize, Qt
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QApplication, QWidget

from engine.bench import Row, row, unmeasured
from engine.model.config import HeadRef
from engine.work.circuit_results import EMBED, Composition, PairScores
from engine.work.requests import PairKind, Prompt
from engine.work.results import Token
from gui.meddling.painting import LONGEST
from gui.studio import Studio
from gui.theme import DARK
from gui.widgets.diagram_model import KINDS, Filter, HeadMark
from gui.widgets.diagram_view import DiagramView
from gui.widgets.pattern_view import PatternView
from gui.widgets.walk_view import WalkView

PROMPT = Prompt("The lantern keeper Orla hums a tune. At dusk the lantern keeper")
FRAME, LARGE_FRAME = 0.016, 0.033
TURNS = 60
SMOLLM2 = (30, 9)


def diagram_hover_default() -> Row:
    """In the circuit workspace of the default model, every panel following."""
    name = "diagram_hover_default"
    studio = Studio("dark", (1280, 800))
    try:
        studio.show("default", PROMPT)
        studio.bring("circuit")
        studio.settle()
        view = studio.window.diagram.view
        exposed(view)
        times = [moved(view, place) for place in _places_on_edges(view)]
    except ValueError as error:
        return unmeasured(name, FRAME, str(error))
    finally:
        studio.close()
    return row_of(name, times, FRAME)


def diagram_hover_smollm2() -> Row:
    """30 x 9 heads and 300 edges."""
    view = _large()
    times = [moved(view, place) for place in _places_on_edges(view)]
    view.close()
    return row_of("diagram_hover_smollm2", times, LARGE_FRAME)


def diagram_drag_smollm2() -> Row:
    """The same, zoomed in, dragged along: all of it is drawn anew in every frame."""
    view = _large()
    for _ in range(5):
        QApplication.sendEvent(view, QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Plus, Qt.KeyboardModifier.NoModifier))
    QApplication.processEvents()
    start = QPointF(view.rect().center())
    QApplication.sendEvent(view, _mouse(view, QEvent.Type.MouseButtonPress, start))
    held = Qt.MouseButton.LeftButton
    times = [moved(view, start + QPointF(8 + 5 * turn, -3 * turn), held) for turn in range(TURNS)]
    view.close()
    return row_of("diagram_drag_smollm2", times, LARGE_FRAME)


def paint_cells_default() -> Row:
    """Painting over the large pattern of a head, from a mouse event until it is seen; the model's run is not in it."""
    name = "paint_cells_default"
    studio = Studio("dark", (1280, 800))
    try:
        studio.show("default", PROMPT)
        studio.state.select(painting=True)
        studio.settle()
        view = studio.window.head.view
        exposed(view)
        times = _stroke(view)
    except ValueError as error:
        return unmeasured(name, FRAME, str(error))
    finally:
        studio.close()
    return row_of(name, times, FRAME)


def paint_cells_256() -> Row:
    """The same over a pattern of 256 tokens, the largest that can be painted."""
    tokens = tuple(Token(place, place, "word") for place in range(LONGEST))
    view = PatternView()
    view.set_theme(DARK)
    view.resize(QSize(900, 900))
    view.set_values(np.tril(np.random.default_rng(0).random((LONGEST, LONGEST), np.float32)), "attention", tokens)
    view.set_painting(True)
    view.show()
    exposed(view)
    times = _stroke(view)
    view.close()
    return row_of("paint_cells_256", times, LARGE_FRAME)


def walk_frame_default() -> Row:
    """One frame of the moving walk, of the step with most in it."""
    name = "walk_frame_default"
    studio = Studio("dark", (1920, 1080))
    try:
        studio.show("default", PROMPT)
        studio.bring("walkthrough")
        studio.settle()
        view = studio.window.walk.view
        exposed(view)
        times = [_frame(view, turn / TURNS) for turn in range(TURNS)]
    except ValueError as error:
        return unmeasured(name, FRAME, str(error))
    finally:
        studio.close()
    return row_of(name, times, FRAME)


def _frame(view: WalkView, time_shown: float) -> float:
    start = time.perf_counter()
    view.set_time("value", time_shown)
    view.repaint()
    return time.perf_counter() - start


def _stroke(view: PatternView) -> list[float]:
    """One stroke along the last rows, event by event; it is not finished, as finishing asks for a new run."""
    last, step = QPointF(view.rect().center()), view.width() / (4 * TURNS)
    QApplication.sendEvent(view, _mouse(view, QEvent.Type.MouseButtonPress, last))
    return [moved(view, last - QPointF(turn * step, 0), Qt.MouseButton.LeftButton) for turn in range(TURNS)]


def row_of(name: str, times: list[float], budget: float) -> Row:
    p95 = float(np.percentile(times, 95))
    return row(name, p95, None, "the budget", None, budget, p95 < budget, len(times))


def _large() -> DiagramView:
    view = DiagramView()
    view.set_theme(DARK)
    view.resize(QSize(900, 700))
    view.set_composition(_composition(*SMOLLM2))
    view.set_filter(Filter(top=100))
    view.set_marks({HeadRef(layer, layer % 9): HeadMark("induction", 0.8) for layer in range(0, 30, 2)})
    view.show()
    exposed(view)
    return view


def _composition(layers: int, heads: int) -> Composition:
    """Random scores for every pair in order."""
    names = tuple(str(HeadRef(layer, head)) for layer in range(layers) for head in range(heads))
    depth = np.arange(len(names)) // heads  # (R)
    rng = np.random.default_rng(0)
    kinds: dict[PairKind, PairScores] = {}
    for kind in KINDS:
        fraction = np.where(depth[:, None] < depth, rng.random((len(names), len(names))), np.nan)  # (R, R)
        fraction = np.concatenate([np.full((1, len(names)), np.nan), fraction])  # (W, R): the embedding first
        order = np.argsort(np.argsort(-np.where(np.isfinite(fraction), fraction, -1.0).ravel())).reshape(fraction.shape)
        rank = np.where(np.isfinite(fraction), order + 1.0, np.nan)
        kinds[kind] = PairScores(fraction, fraction, fraction, fraction, fraction, rank)
    return Composition((EMBED, *names), names, kinds)


def _places_on_edges(view: DiagramView) -> Iterator[QPointF]:
    """Another edge at every turn."""
    edges = list(view.seen.fractions)
    for turn in range(TURNS):
        yield view.edge_point(edges[turn * 7 % len(edges)], 0.3 + 0.4 * (turn % 5) / 4)


def exposed(widget: QWidget) -> None:
    handle: Callable[[], bool] = widget.window().windowHandle().isExposed
    while not handle():
        QApplication.processEvents()
    QApplication.processEvents()


def moved(view: QWidget, place: QPointF, held: Qt.MouseButton = Qt.MouseButton.NoButton) -> float:
    start = time.perf_counter()
    QApplication.sendEvent(view, _mouse(view, QEvent.Type.MouseMove, place, held))
    QApplication.processEvents()
    return time.perf_counter() - start


def _mouse(
    view: QWidget, kind: QEvent.Type, place: QPointF, held: Qt.MouseButton = Qt.MouseButton.LeftButton
) -> QMouseEvent:
    pressed = Qt.MouseButton.LeftButton if kind == QEvent.Type.MouseButtonPress else Qt.MouseButton.NoButton
    return QMouseEvent(kind, place, view.mapToGlobal(place), pressed, held, Qt.KeyboardModifier.NoModifier)


ROWS: dict[str, Callable[[], Row]] = {
    "diagram_hover_default": diagram_hover_default,
    "diagram_hover_smollm2": diagram_hover_smollm2,
    "diagram_drag_smollm2": diagram_drag_smollm2,
    "walk_frame_default": walk_frame_default,
    "paint_cells_default": paint_cells_default,
    "paint_cells_256": paint_cells_256,
}
