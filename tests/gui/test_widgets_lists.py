"""Bars and the role table: order, signs, what was not measured, and choosing a row."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot

from engine.model.config import HeadRef
from engine.work.results import HeadScores
from gui.theme import DARK, LIGHT
from gui.widgets.bar_list import BarList, BarRow
from gui.widgets.score_model import ROLE
from gui.widgets.score_table import ScoreTable
from tests.gui.mouse import click, move

ROWS = (
    HeadScores(0, 0, 0.84, 0.01, 0.01, 0.01, 0.01, 0.04, 400, 3, copying_eigenvalue=-0.12, ablation_delta_loss=6.37),
    HeadScores(0, 1),
    HeadScores(1, 0, 0.04, 0.01, 0.90, 0.01, 0.02, 0.04, 400, 2, copying_eigenvalue=0.95),
    HeadScores(1, 3, 0.03, 0.01, 0.91, 0.01, 0.02, 0.04, 400, 1, copying_eigenvalue=0.97, ablation_delta_loss=2.84),
)
HEAD, PREVIOUS, INDUCTION, COPYING, REMOVED = 0, 1, 2, 4, 5


@pytest.fixture
def table(qtbot: QtBot) -> Iterator[ScoreTable]:
    table = ScoreTable()
    qtbot.addWidget(table)
    table.resize(440, 240)
    table.set_scores(ROWS, 0.04, "random repeats, n = 400")
    table.show()
    return table


def heads(table: ScoreTable) -> list[str]:
    return [str(head) for head in table.shown_heads()]


def test_that_the_best_induction_head_comes_first_and_the_unmeasured_last(table: ScoreTable) -> None:
    assert heads(table) == ["1.3", "1.0", "0.0", "0.1"]


@pytest.mark.parametrize("column", [PREVIOUS, INDUCTION, COPYING, REMOVED])
def test_that_what_was_not_measured_is_last_in_both_directions(table: ScoreTable, column: int) -> None:
    for direction in (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder):
        table.sortByColumn(column, direction)
        assert heads(table)[-1] in {"0.1", "1.0"}
        shown = [str(table.model().index(row, column).data()) for row in range(table.model().rowCount())]
        measured = [text for text in shown if text != "–"]
        numbers = [float(text.split()[0]) for text in measured]
        assert numbers == sorted(numbers, reverse=direction == Qt.SortOrder.DescendingOrder)
        assert shown[len(measured) :] == ["–"] * (len(ROWS) - len(measured))


def test_that_heads_sort_by_number_and_new_scores_keep_the_order_sorted(table: ScoreTable) -> None:
    many = tuple(HeadScores(0, head, induction=head / 20) for head in range(12))
    table.set_scores(many, None, "")
    table.sortByColumn(HEAD, Qt.SortOrder.AscendingOrder)
    assert heads(table) == [f"0.{head}" for head in range(12)]
    table.sortByColumn(INDUCTION, Qt.SortOrder.DescendingOrder)
    table.set_scores((replace(many[0], induction=0.99), *many[1:]), None, "")
    assert heads(table)[0] == "0.0"


@pytest.mark.parametrize(
    ("text", "shown"), [("1.", {"1.0", "1.3"}), ("ind", {"1.0", "1.3"}), ("prev", {"0.0"}), ("x", set())]
)
def test_that_the_filter_reads_heads_and_behaviours(table: ScoreTable, text: str, shown: set[str]) -> None:
    table.set_filter(text)
    assert set(heads(table)) == shown
    table.set_filter("")
    assert len(heads(table)) == 4


def test_that_a_click_and_enter_tell_the_head_of_the_row_shown(qtbot: QtBot, table: ScoreTable) -> None:
    table.sortByColumn(PREVIOUS, Qt.SortOrder.DescendingOrder)
    with qtbot.waitSignal(table.headClicked) as chosen:
        click(qtbot, table.viewport(), table.row_centre(HeadRef(1, 0)))
    assert chosen.args == [HeadRef(1, 0)]
    qtbot.keyClick(table, Qt.Key.Key_Down)
    with qtbot.waitSignal(table.headClicked) as below:
        qtbot.keyClick(table, Qt.Key.Key_Return)
    assert below.args == [HeadRef(1, 3)]


def test_that_selecting_from_outside_marks_the_row_and_tells_nothing(qtbot: QtBot, table: ScoreTable) -> None:
    with qtbot.assertNotEmitted(table.headClicked):
        table.set_selected(HeadRef(0, 0))
    assert [str(index.data()) for index in table.selectionModel().selectedRows()] == ["0.0"]
    table.set_selected(None)
    assert not table.selectionModel().selectedRows()


def test_that_a_number_carries_its_probe_and_a_dash_says_not_measured(table: ScoreTable) -> None:
    model = table.model()
    tip = str(model.index(0, INDUCTION).data(Qt.ItemDataRole.ToolTipRole))
    for word in ("1.3", "0.91 ±.01", "n = 400", "rank 1 of 4", "chance 0.04", "random repeats"):
        assert word in tip
    last = model.index(3, INDUCTION)
    assert last.data() == "–"
    assert "not measured" in str(last.data(Qt.ItemDataRole.ToolTipRole))


@pytest.mark.parametrize("width", [397, 600, 1000])
def test_that_every_column_is_in_view(table: ScoreTable, width: int) -> None:
    table.resize(width, 240)
    header = table.horizontalHeader()
    assert header.length() <= table.viewport().width()
    assert table.horizontalScrollBar().maximum() == 0
    for at in range(header.count()):
        assert table.columnWidth(at) >= table.sizeHintForColumn(at)


# ---------------------------------------------------------------- bars
@pytest.fixture
def bars(qtbot: QtBot) -> Iterator[BarList]:
    bars = BarList()
    qtbot.addWidget(bars)
    bars.set_rows(
        [
            BarRow("·Orla", 0.88, "88.0%", role="induction", highlight=True, tip="the best"),
            BarRow("·of", 0.02, "2.0%"),
            BarRow("gone", -0.3, "-0.3", before=0.5),
        ]
    )
    bars.resize(320, bars.sizeHint().height())
    bars.show()
    return bars


def reach(bars: BarList, row: int, colour: str, low: int = 0) -> list[int]:
    """The columns of pixels in which a row shows a colour, mixed or not with the ground."""
    image, box, wanted = bars.grab().toImage(), bars.row_rect(row).toRect(), QColor(colour)
    found = set()
    for x in range(low, box.right()):
        for y in range(box.top(), box.bottom()):
            pixel = image.pixelColor(x, y)
            if abs(pixel.hue() - wanted.hue()) < 8 and pixel.saturation() > 60:
                found.add(x)
    return sorted(found)


def test_that_bars_are_in_proportion_and_negative_ones_go_left_of_zero(bars: BarList) -> None:
    strong = reach(bars, 0, DARK.induction, low=110)
    weak = reach(bars, 1, DARK.accent, low=60)
    negative = reach(bars, 2, DARK.negative, low=40)
    assert len(strong) > 10 * len(weak) > 0
    assert max(negative) <= min(weak) + 1


def test_that_a_row_is_chosen_by_click_and_by_keys(qtbot: QtBot, bars: BarList) -> None:
    pointed: list[int | None] = []
    bars.rowHovered.connect(pointed.append)
    move(qtbot, bars, bars.row_rect(1).center())
    with qtbot.waitSignal(bars.rowClicked) as clicked:
        click(qtbot, bars, bars.row_rect(1).center())
    assert clicked.args == [1]
    qtbot.keyClick(bars, Qt.Key.Key_Down)
    qtbot.keyClick(bars, Qt.Key.Key_Down)
    with qtbot.waitSignal(bars.rowClicked) as entered:
        qtbot.keyClick(bars, Qt.Key.Key_Return)
    assert entered.args == [2]
    assert pointed == [1, 2]


def test_that_it_is_as_high_as_its_rows_and_says_them_aloud(bars: BarList) -> None:
    three = bars.sizeHint().height()
    assert bars.accessibleDescription() == "·Orla 88.0%, ·of 2.0%, gone -0.3"
    bars.set_rows([BarRow("a", 0.0, "0")] * 6)
    assert bars.sizeHint().height() == 2 * three
    bars.set_theme(replace(LIGHT, scale=1.6))
    assert bars.sizeHint().height() > 3 * three
    assert not bars.grab().isNull()  # all values zero


def test_that_long_labels_leave_room_for_bar_and_value(qtbot: QtBot, bars: BarList) -> None:
    bars.set_rows([BarRow("x" * 400, 1.0, "100.0%", role="induction", highlight=True)])
    assert len(reach(bars, 0, DARK.induction, low=150)) > 60
    bars.resize(160, bars.height())
    click(qtbot, bars, QPoint(5, 5))


def test_that_a_value_near_zero_is_no_bar_but_a_quiet_hairline(bars: BarList) -> None:
    bars.set_rows(
        [BarRow("·Orla", 0.97, "97 %"), BarRow("·bread", 0.0004, "< 0.1 %"), BarRow("·at", 0.0, "≤ 2 %")], 1.0
    )
    image = bars.grab().toImage()
    for row in (1, 2):
        y = round(bars.row_rect(row).center().y())
        line = [x for x in range(40, 200) if image.pixelColor(x, y).name() == DARK.hairline]
        assert not [x for x in reach(bars, row, DARK.accent, low=60) if x < 200]  # beyond it stand the words
        assert len(line) == 1


def test_that_the_table_colours_what_the_roles_call_notable(table: ScoreTable) -> None:
    table.set_scores((HeadScores(0, 0, induction=0.39), HeadScores(0, 1, induction=0.41)), 0.04, "")
    colours = {str(head): table.model().index(row, INDUCTION).data(ROLE) for row, head in enumerate(heads(table))}
    assert colours == {"0.0": "none", "0.1": "induction"}


def test_that_selecting_the_same_row_again_leaves_the_scroll_place(qtbot: QtBot, table: ScoreTable) -> None:
    table.set_scores(tuple(HeadScores(0, head, induction=0.5 - head / 100) for head in range(40)), 0.04, "")
    table.set_selected(HeadRef(0, 0))
    table.verticalScrollBar().setValue(20)
    table.set_selected(HeadRef(0, 0))
    assert table.verticalScrollBar().value() == 20
    table.set_selected(HeadRef(0, 1))
    assert table.verticalScrollBar().value() < 20
