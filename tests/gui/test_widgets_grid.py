"""Small pictures on pages: a labelled matrix and eigenvalues in the plane, drawn, pointed at and read."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot

from gui.theme import DARK, load_fonts
from gui.widgets.grid_view import GridView
from gui.widgets.plane_view import PlaneView
from tests.gui.mouse import click, move

VALUES = np.array([[2.0, 0.0, -1.0], [np.nan, 0.5, 0.0]])
WORDS = "{row} by {column}: {value}"


@pytest.fixture
def grid(qtbot: QtBot) -> GridView:
    load_fonts()
    made = GridView("terms")
    qtbot.addWidget(made)
    made.set_theme(DARK)
    made.set_grid(VALUES, "score", ["embed", "0.1"], ["a", "b", "c"], WORDS, "point at a cell")
    made.resize(300, made.heightForWidth(300))
    made.show()
    return made


def colour(widget: GridView | PlaneView, place: QPointF) -> QColor:
    return widget.grab().toImage().pixelColor(place.toPoint())


def test_that_a_cell_reads_its_number_and_nothing_is_said_to_be_nothing(grid: GridView, qtbot: QtBot) -> None:
    assert grid.caption() == "point at a cell"
    move(qtbot, grid, grid.cell_rect(0, 2).center())
    assert grid.caption() == "embed by c: −1.00"
    move(qtbot, grid, grid.cell_rect(1, 0).center())
    assert grid.caption() == "0.1 by a: nothing"


def test_that_both_signs_and_nothing_have_their_colours(grid: GridView) -> None:
    high, low, none = (colour(grid, grid.cell_rect(*cell).center()) for cell in ((0, 0), (0, 2), (1, 0)))
    assert high.red() > high.blue() and low.blue() > low.red()
    assert none == colour(grid, QPointF(2, 2))  # the ground


def test_that_a_click_and_enter_choose_a_cell(grid: GridView, qtbot: QtBot) -> None:
    with qtbot.waitSignal(grid.cellClicked) as clicked:
        click(qtbot, grid, grid.cell_rect(1, 2).center())
    assert clicked.args == [1, 2]
    grid.setFocus(Qt.FocusReason.TabFocusReason)
    for key in (Qt.Key.Key_Home, Qt.Key.Key_Right, Qt.Key.Key_Down, Qt.Key.Key_Down):
        qtbot.keyClick(grid, key)
    with qtbot.waitSignal(grid.cellClicked) as chosen:
        qtbot.keyClick(grid, Qt.Key.Key_Return)
    assert chosen.args is not None and chosen.args[0] == 1


def test_that_many_cells_give_up_their_labels_and_stay_within_the_width(grid: GridView) -> None:
    names = [str(number) for number in range(60)]
    grid.set_grid(np.zeros((60, 60)), "attention", names, names, WORDS, "")
    assert grid.cell_rect(0, 0).left() == 0 and grid.cell_rect(59, 59).right() <= 300


def test_that_a_smaller_grid_forgets_the_cell_that_is_gone(grid: GridView, qtbot: QtBot) -> None:
    move(qtbot, grid, grid.cell_rect(1, 2).center())
    grid.set_grid(np.ones((1, 1)), "attention", ["x"], ["y"], WORDS, "none")
    assert grid.caption() == "none"


def test_that_eigenvalues_stand_on_their_side_and_are_counted(qtbot: QtBot) -> None:
    load_fonts()
    plane = PlaneView("eigenvalues")
    qtbot.addWidget(plane)
    plane.set_theme(DARK)
    plane.set_values(np.array([2.0, -1.0, 1j, -1j]))
    plane.resize(300, plane.sizeHint().height())
    plane.show()
    assert plane.caption() == "1 of 4 eigenvalues lie on the copying side; the largest is 2.00"
    right, left, up, down = (plane.point(place) for place in range(4))
    middle = (up + down) / 2
    assert right.x() - middle.x() == pytest.approx(2 * (middle.x() - left.x()))
    assert up.y() < middle.y() < down.y()
    assert colour(plane, right) == QColor(DARK.induction)  # filled
    assert colour(plane, left) != QColor(DARK.negative)  # hollow
    plane.set_values(np.zeros(0, np.complex128))
    assert plane.sizeHint().height() == 0 and plane.caption() == "no eigenvalues"
