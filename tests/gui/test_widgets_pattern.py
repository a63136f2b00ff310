"""The large pattern: cells under the pointer, zoom and pan, and axes whose labels never collide."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QImage, QMouseEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.work.results import Token
from gui.theme import DARK
from gui.widgets.pattern_axes import PatternFrame, fitted_plot, thinned
from gui.widgets.pattern_paint import indexed
from gui.widgets.pattern_view import PatternView
from tests.gui.mouse import click, move, wheel

COUNT = 14


def tokens(count: int = COUNT) -> tuple[Token, ...]:
    return tuple(Token(at, at, f" word{at}") for at in range(count))


def pattern(count: int = COUNT) -> np.ndarray:
    values = np.zeros((count, count), np.float32)
    values[:, 0] = 1.0
    values[count - 1, 0], values[count - 1, 4] = 0.12, 0.88
    return values


@pytest.fixture
def view(qtbot: QtBot) -> Iterator[PatternView]:
    view = PatternView()
    qtbot.addWidget(view)
    view.resize(600, 560)
    view.set_values(pattern(), "attention", tokens())
    view.show()
    return view


def near(image: QImage, x: float, y: float) -> set[str]:
    """The colours within a pixel of a place: outlines fall on whole pixels."""
    steps = (-1, 0, 1)
    return {image.pixelColor(round(x) + right, round(y) + down).name() for right in steps for down in steps}


def test_that_pointing_at_a_cell_tells_it_and_reads_its_value(qtbot: QtBot, view: PatternView) -> None:
    told: list[tuple[int, int] | None] = []
    view.cellHovered.connect(told.append)
    move(qtbot, view, view.cell_rect(13, 4).center())
    assert view.caption() == "“word13” (13) attends to “word4” (4) with 0.88"
    move(qtbot, view, view.cell_rect(4, 9).center())  # the masked half
    assert told == [(13, 4), None]
    assert "Point at a cell" in view.caption()


def test_that_a_click_tells_the_cell_but_a_drag_does_not(qtbot: QtBot, view: PatternView) -> None:
    with qtbot.waitSignal(view.cellClicked) as chosen:
        click(qtbot, view, view.cell_rect(9, 2).center())
    assert chosen.args == [9, 2]
    wheel(view, view.cell_rect(9, 2).center(), 4)
    start = view.cell_rect(9, 2).center().toPoint()
    with qtbot.assertNotEmitted(view.cellClicked):
        qtbot.mousePress(view, Qt.MouseButton.LeftButton, pos=start)
        for step in (10, 20, 30):
            place = QPointF(start) + QPointF(step, step)
            event = QMouseEvent(
                QMouseEvent.Type.MouseMove,
                place,
                view.mapToGlobal(place),
                Qt.MouseButton.NoButton,
                Qt.MouseButton.LeftButton,
                Qt.KeyboardModifier.NoModifier,
            )
            QApplication.sendEvent(view, event)
        qtbot.mouseRelease(view, Qt.MouseButton.LeftButton, pos=start)
    moved = view.cell_rect(9, 2).center() - QPointF(start)
    assert moved.x() > 20
    assert moved.y() > 20


def test_that_the_wheel_keeps_the_cell_under_the_pointer_and_a_double_click_shows_all(
    qtbot: QtBot, view: PatternView
) -> None:
    place = view.cell_rect(10, 6).center()
    before = view.cell_rect(10, 6).width()
    wheel(view, place, 5)
    assert view.cell_rect(10, 6).width() > 1.5 * before
    assert view.cell_rect(10, 6).contains(place)
    view.set_values(pattern() * 0.5, "attention", tokens())
    assert view.cell_rect(10, 6).contains(place), "new numbers for the same prompt keep the zoom"
    qtbot.mouseDClick(view, Qt.MouseButton.LeftButton, pos=place.toPoint())
    assert view.cell_rect(10, 6).width() == pytest.approx(before)


def test_that_cells_show_their_attention_and_the_masked_half_is_never_drawn(view: PatternView) -> None:
    image = view.grab().toImage()
    for cell in ((5, 0), (13, 4), (13, 0)):
        index = round(float(pattern()[cell]) ** 0.7 * 255)
        wanted = QColor(*DARK.attention_lut()[index].tolist())
        assert image.pixelColor(view.cell_rect(*cell).center().toPoint()) == wanted
    above = view.cell_rect(4, 9).center().toPoint()
    view.set_values(np.ones((COUNT, COUNT), np.float32), "attention", tokens())
    assert view.grab().toImage().pixelColor(above) == image.pixelColor(above)
    assert indexed(pattern(), "attention")[8, 5] == 1  # the first of the table: the window
    assert indexed(pattern(), "attention")[4, 9] == 0  # nothing


def test_that_raw_scores_are_signed_and_masked_ones_say_so(qtbot: QtBot, view: PatternView) -> None:
    scores = np.where(np.tri(COUNT, dtype=bool), np.float32(-2.0), np.float32(np.nan))
    scores[13, 4] = 4.0
    view.set_values(scores, "score", tokens())
    move(qtbot, view, view.cell_rect(13, 4).center())
    assert view.caption().endswith("scores “word4” (4) with +4.00")
    places = indexed(scores, "score")
    assert places[13, 4] == 256
    assert places[13, 3] == 1 + 128 - 64  # half of the largest, below
    assert places[0, 1] == 0


def test_that_marks_and_hovered_token_are_outlined_in_their_colours(view: PatternView) -> None:
    view.set_marks(13, 4)
    image = view.grab().toImage()
    row, cell = view.cell_rect(13, 9), view.cell_rect(13, 4)
    assert DARK.accent in near(image, row.center().x(), row.bottom())
    assert DARK.induction in near(image, cell.left(), cell.center().y())
    assert "with 0.88" in view.caption()
    view.set_marks(None, None)
    view.set_hovered_token(6)
    image = view.grab().toImage()
    out, into = view.cell_rect(6, 2), view.cell_rect(11, 6)
    assert DARK.text in near(image, out.center().x(), out.top())
    assert DARK.text in near(image, into.left(), into.center().y())


def test_that_arrow_keys_walk_over_the_cells_and_stay_out_of_the_masked_half(qtbot: QtBot, view: PatternView) -> None:
    view.set_marks(13, 4)
    told: list[tuple[int, int]] = []
    view.cellHovered.connect(told.append)
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Right):
        qtbot.keyClick(view, key)
    assert told == [(13, 4), (12, 4), (12, 5)]
    with qtbot.waitSignal(view.cellClicked) as chosen:
        qtbot.keyClick(view, Qt.Key.Key_Return)
    assert chosen.args == [12, 5]


@pytest.mark.parametrize("size", [(300, 300), (520, 480), (520, 900), (1200, 700)])
@pytest.mark.parametrize("widths", [[40.0] * 14, [120.0] * 128, [10.0] * 13 + [120.0], [120.0] * 2])
def test_that_no_axis_label_is_cut(size: tuple[int, int], widths: list[float]) -> None:
    area, line, gap = QRectF(0, 0, *size), 16.0, 8.0
    plot = fitted_plot(area, widths, line, gap)
    cell = plot.width() / len(widths)
    assert plot.left() - gap >= max(widths) - 0.01
    assert plot.bottom() <= area.bottom() + 0.01
    for at, width in enumerate(widths):
        middle, reach = plot.left() + (at + 0.5) * cell, width * 0.7072
        assert middle + reach <= area.right() + 0.5
        assert plot.top() - reach >= area.top() - 0.5


@pytest.mark.parametrize("cell", [1.3, 4.0, 7.5, 20.0, 40.0])
@pytest.mark.parametrize("always", [[], [57], [57, 58], [0, 99]])
def test_that_labels_keep_apart_and_the_important_one_is_written(cell: float, always: list[int]) -> None:
    written = thinned(range(100), cell, 16.0, always)
    places = sorted(written)
    assert all((after - before) * cell >= 16.0 for before, after in itertools.pairwise(places))
    assert not always or always[0] in written
    assert len(written) >= 100 * cell / 16.0 / 3 or len(written) == 100


def test_that_a_frame_cannot_be_dragged_or_zoomed_off_the_pattern() -> None:
    frame = PatternFrame(QRectF(100, 50, 400, 400), 20, 0, 0, 20)
    near = frame.zoomed(QPointF(100, 50), 4.0)
    assert (near.x, near.y, near.span) == (0, 0, 5)
    far = near.panned(QPointF(-9999, -9999))
    assert (far.x, far.y) == (15, 15)
    assert far.zoomed(QPointF(300, 300), 0.01) == frame
    assert near.showing(19, 3).cell_rect(19, 3).height() == pytest.approx(80)


@pytest.mark.parametrize("count", [0, 1, 2, 300, 1024])
def test_that_any_length_is_drawn_at_any_scale(view: PatternView, count: int) -> None:
    values = np.tril(np.full((count, count), 0.5, np.float32))
    view.set_values(values, "attention", tokens(count))
    view.set_marks(count - 1 if count else None, 0 if count else None)
    for scale in (1.0, 1.6):
        view.set_theme(replace(DARK, scale=scale))
        assert not view.grab().isNull()
