"""The matrix of all pairs: colours, hover, keys, zoom, and models with many heads."""

from collections.abc import Iterator

import numpy as np
import pytest
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QToolTip
from pytestqt.qtbot import QtBot

from engine.work.circuit_results import Composition, PairScores
from engine.work.requests import Pair
from gui.theme import DARK, GAMMA, LIGHT, load_fonts
from gui.widgets.matrix_paint import MatrixFrame, indexed, layer_spans
from gui.widgets.matrix_view import MatrixView
from tests.gui.mouse import ask_for_tip, click, move, wheel
from tests.gui.painted import Painted

NAN = float("nan")


def composition(layers: int = 2, heads: int = 4) -> Composition:
    """Keys and queries: heads compose at 0.1, but for 0.3 to 1.1, which reaches 0.8 in keys."""
    names = tuple(f"{layer}.{head}" for layer in range(layers) for head in range(heads))
    depth = np.array([-1, *(layer for layer in range(layers) for _ in range(heads))])
    kinds = {}
    for kind in ("q", "k"):
        fraction = np.where(depth[:, None] < depth[1:], 0.1, NAN)
        if kind == "k":
            fraction[1 + 3, heads + 1] = 0.8
        rank = np.where(np.isfinite(fraction), 2.0, NAN)
        rank[1 + 3, heads + 1] = 1.0
        full = np.full_like(fraction, 0.2)
        kinds[kind] = PairScores(0.2 * fraction, full * 0.35, np.full_like(fraction, NAN), full, fraction, rank)
    return Composition(("embed", *names), names, kinds)  # type: ignore[arg-type]


@pytest.fixture
def view(qtbot: QtBot) -> Iterator[MatrixView]:
    load_fonts()
    view = MatrixView()
    qtbot.addWidget(view)
    view.resize(600, 560)
    view.set_composition(composition(), "k")
    view.show()
    return view


def corner(box: QRectF) -> QPointF:
    """Inside a cell, away from its number and from hairlines."""
    return box.topLeft() + QPointF(5, 5)


def test_that_cells_carry_their_share_of_the_ceiling_and_missing_pairs_are_ground(view: MatrixView) -> None:
    for theme in (DARK, LIGHT):
        view.set_theme(theme)
        image = view.grab().toImage()
        for pair, value in ((("0.3", "1.1"), 0.8), (("0.2", "1.1"), 0.1), (("embed", "0.0"), 0.1)):
            wanted = theme.attention_lut()[round(value**GAMMA * 255)]
            assert image.pixelColor(corner(view.cell_rect(*pair)).toPoint()) == QColor(*wanted.tolist())
        for pair in (("0.0", "0.1"), ("0.3", "0.0"), ("0.1", "0.1")):
            assert image.pixelColor(corner(view.cell_rect(*pair)).toPoint()) == QColor(theme.window)
    assert indexed(np.array([[NAN, 0.0, 1.0]])).tolist() == [[0, 1, 256]]


def test_that_writers_stand_in_rows_and_readers_in_columns(view: MatrixView) -> None:
    assert view.cell_rect("0.1", "1.0").top() > view.cell_rect("0.0", "1.0").top()
    assert view.cell_rect("0.1", "1.1").left() > view.cell_rect("0.1", "1.0").left()
    assert view.cell_rect("0.1", "unembed").isEmpty()
    assert view.cell_rect("1.0", "1.1").isEmpty(), "the last layer feeds no head: it has no rows"
    assert layer_spans(("embed", "0.0", "0.1", "1.0")) == [("embed", 0, 1), ("0", 1, 2), ("1", 3, 1)]


def test_that_pointing_tells_a_pair_once_and_reads_its_numbers(qtbot: QtBot, view: MatrixView) -> None:
    told: list[Pair | None] = []
    view.pairHovered.connect(told.append)
    place = view.cell_rect("0.3", "1.1").center()
    move(qtbot, view, place)
    move(qtbot, view, place + QPointF(3, 3))
    assert view.caption() == (
        "0.3 → 1.1, keys (K): 0.80 of its ceiling 0.200 · score 0.160, random 0.070, z not measured · rank 1 of 16 · "
        "possible, not proven: path-patch it"
    )
    assert view.accessibleDescription() == view.caption()
    ask_for_tip(view, place)
    assert QToolTip.text() == view.caption()
    QToolTip.hideText()
    move(qtbot, view, QPointF(2, 2))
    assert told == [Pair("0.3", "1.1", "k"), None]


def test_that_a_click_tells_writer_reader_and_kind_but_not_where_there_is_no_pair(
    qtbot: QtBot, view: MatrixView
) -> None:
    with qtbot.waitSignal(view.pairClicked) as chosen:
        click(qtbot, view, view.cell_rect("0.3", "1.1").center())
    assert chosen.args == [Pair("0.3", "1.1", "k")]
    with qtbot.assertNotEmitted(view.pairClicked):
        click(qtbot, view, view.cell_rect("0.1", "0.3").center())
    assert "no such pair" in view.caption()


def test_that_a_hover_from_elsewhere_is_outlined_and_emits_nothing(qtbot: QtBot, view: MatrixView) -> None:
    before = view.grab().toImage()
    with qtbot.assertNotEmitted(view.pairHovered):
        view.set_hovered_pair(Pair("0.2", "1.3", "k"))
    image, box = view.grab().toImage(), view.cell_rect("0.2", "1.3")
    edge = {image.pixelColor(round(box.left()) + x, round(box.center().y()) + 12).name() for x in (-1, 0, 1)}
    assert DARK.text in edge
    view.set_hovered_pair(Pair("0.2", "1.3", "q"))
    assert view.grab().toImage() == before


def test_that_a_pinned_pair_is_ringed_only_while_its_kind_is_shown(view: MatrixView) -> None:
    plain = view.grab().toImage()
    view.set_pinned(Pair("0.3", "1.1", "q"))
    assert view.grab().toImage() == plain
    view.set_pinned(Pair("0.3", "1.1", "k"))
    assert view.caption().startswith("0.3 → 1.1")
    image, box = view.grab().toImage(), view.cell_rect("0.3", "1.1")
    assert DARK.accent in {image.pixelColor(round(box.left()) + x, round(box.center().y())).name() for x in (-1, 0, 1)}


def test_that_arrow_keys_start_at_the_strongest_pair_and_stop_at_the_edge(qtbot: QtBot, view: MatrixView) -> None:
    told: list[Pair] = []
    view.pairHovered.connect(told.append)
    view.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.waitUntil(view.hasFocus)
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Up):
        qtbot.keyClick(view, key)
    places = [("0.3", "1.1"), ("0.3", "1.2"), ("0.3", "1.3"), ("0.2", "1.3")]
    assert told == [Pair(*place, "k") for place in places]
    with qtbot.waitSignal(view.pairClicked) as chosen:
        qtbot.keyClick(view, Qt.Key.Key_Return)
    assert chosen.args == [Pair("0.2", "1.3", "k")]


def test_that_the_wheel_zooms_about_the_pointer_and_a_double_click_shows_all(qtbot: QtBot, view: MatrixView) -> None:
    view.set_composition(composition(30, 9), "k")
    place = view.cell_rect("12.4", "20.4").center()
    before = view.cell_rect("12.4", "20.4").width()
    wheel(view, place, 9)
    assert view.cell_rect("12.4", "20.4").width() > 3 * before
    assert view.cell_rect("12.4", "20.4").contains(place)
    view.set_composition(composition(30, 9), "q")
    assert view.cell_rect("12.4", "20.4").contains(place), "another kind of the same model keeps the zoom"
    for _ in range(40):
        qtbot.keyClick(view, Qt.Key.Key_Down)
    assert view.accessibleDescription()
    qtbot.mouseDClick(view, Qt.MouseButton.LeftButton, pos=place.toPoint())
    assert view.cell_rect("12.4", "20.4").width() == pytest.approx(before)


def test_that_one_strong_pair_among_1200_heads_is_still_seen(qtbot: QtBot, view: MatrixView) -> None:
    pairs = composition(48, 25)
    pairs.kinds["k"].fraction[:] = np.where(np.isfinite(pairs.kinds["k"].fraction), 0.0, NAN)
    pairs.kinds["k"].fraction[1 + 107, 1003] = 1.0
    view.set_composition(pairs, "k")
    image, box = view.grab().toImage(), view.cell_rect("4.7", "40.3")
    full = QColor(*DARK.attention_lut()[255].tolist())
    near = [
        image.pixelColor(round(box.center().x()) + x, round(box.center().y()) + y)
        for x in (-1, 0, 1)
        for y in (-1, 0, 1)
    ]
    assert max(colour.lightness() for colour in near) > 0.6 * full.lightness()


def test_that_a_place_finds_its_cell_at_any_zoom() -> None:
    frame = MatrixFrame.fitted(QRectF(40, 30, 500, 400), 26, 25, 64.0)
    near = frame.zoomed(QPointF(200, 200), 3.0, frame.cell, 64.0)
    for each in (frame, near, near.panned(QPointF(-40, 25)), near.showing(25, 0)):
        rows, columns = each.shown()
        for cell in ((rows[len(rows) // 2], columns[len(columns) // 2]),):
            assert each.cell_at(each.rect(*cell).center()) == cell
    assert not near.showing(25, 0).rect(25, 0).isEmpty()
    assert frame.cell_at(QPointF(10, 10)) is None


def test_that_nothing_measured_says_so_and_saying_the_same_again_paints_nothing(qtbot: QtBot, view: MatrixView) -> None:
    view.set_pinned(Pair("0.3", "1.1", "k"))
    painted = Painted(view, qtbot)
    view.set_pinned(Pair("0.3", "1.1", "k"))
    view.set_hovered_pair(None)
    assert painted.region().isEmpty()
    view.set_composition(None, "k")
    assert view.caption() == "Composition is not measured yet."
    view.grab()
