"""The atlas of all heads: where cards stand, what is drawn in them, what pointing and keys do."""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QImage
from pytestqt.qtbot import QtBot

from engine.model.config import HeadRef
from gui.theme import DARK, LIGHT
from gui.widgets.atlas_layout import AtlasLayout
from gui.widgets.atlas_paint import atlas_image
from gui.widgets.atlas_view import AtlasView, Badge
from gui.widgets.pictures import max_pooled
from tests.gui.mouse import click, move, wheel
from tests.gui.painted import Painted

LAYERS, HEADS, SIDE = 2, 4, 16


def thumbnails(layers: int = LAYERS, heads: int = HEADS, side: int = SIDE) -> np.ndarray:
    """Each head attends to itself only, as strongly as its number in the model."""
    pictures = np.zeros((layers, heads, side, side), np.uint8)
    for layer in range(layers):
        for head in range(heads):
            np.fill_diagonal(pictures[layer, head], 55 + 25 * (layer * heads + head) % 200)
    return pictures


@pytest.fixture
def atlas(qtbot: QtBot) -> Iterator[AtlasView]:
    atlas = AtlasView()
    qtbot.addWidget(atlas)
    atlas.resize(440, 300)
    atlas.set_thumbnails(thumbnails())
    atlas.show()
    return atlas


def picture(atlas: AtlasView, head: HeadRef) -> QImage:
    return atlas.viewport().grab(atlas.card_rect(head)).toImage()


def count(image: QImage, colour: str) -> int:
    wanted = QColor(colour).rgb()
    return sum(image.pixel(x, y) == wanted for x in range(image.width()) for y in range(image.height()))


def test_that_layer_0_stands_at_the_bottom_and_heads_go_left_to_right(atlas: AtlasView) -> None:
    assert atlas.card_rect(HeadRef(0, 0)).top() > atlas.card_rect(HeadRef(1, 0)).bottom()
    lefts = [atlas.card_rect(HeadRef(0, head)).left() for head in range(HEADS)]
    assert lefts == sorted(set(lefts))


def test_that_every_head_shows_its_own_picture_through_the_colour_table(atlas: AtlasView) -> None:
    table = DARK.attention_lut()
    for layer in range(LAYERS):
        for head in range(HEADS):
            ref = HeadRef(layer, head)
            value = int(thumbnails()[layer, head, 0, 0])
            assert count(picture(atlas, ref), QColor(*table[value].tolist()).name()) > 40
    atlas.set_theme(LIGHT)
    bright = QColor(*LIGHT.attention_lut()[int(thumbnails()[1, 3, 0, 0])].tolist()).name()
    assert count(picture(atlas, HeadRef(1, 3)), bright) > 40


def test_that_new_data_shows_at_once(atlas: AtlasView) -> None:
    before = picture(atlas, HeadRef(0, 1))
    atlas.set_thumbnails(255 - thumbnails())
    assert picture(atlas, HeadRef(0, 1)) != before


def test_that_a_one_cell_stripe_survives_shrinking(qtbot: QtBot) -> None:
    """Two heads side by side, of which one has a stripe: it stays whole, and stays in its own picture."""
    wide = np.zeros((1, 2, 256, 256), np.uint8)
    wide[0, 1, np.arange(100, 256), np.arange(0, 156)] = 255
    image = atlas_image(wide, 48, False, DARK)
    assert (image.width(), image.height()) == (96, 48)
    full = QColor(*DARK.attention_lut()[255].tolist()).rgb()
    for y in range(48):
        assert all(image.pixel(x, y) != full for x in range(48))
        assert any(image.pixel(x, y) == full for x in range(48, 96)) == (y >= 100 * 48 // 256)


@pytest.mark.parametrize("size", [3, 7, 48, 63])
def test_that_shrinking_takes_the_largest_of_each_block(size: int) -> None:
    wide = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    edges = [at * 64 // size for at in range(size + 1)]
    blocks = [[wide[a:b, c:d].max() for c, d in itertools.pairwise(edges)] for a, b in itertools.pairwise(edges)]
    assert np.array_equal(max_pooled(wide, size), np.array(blocks))


def test_that_pointing_tells_each_head_once_and_a_click_tells_it(qtbot: QtBot, atlas: AtlasView) -> None:
    told: list[HeadRef | None] = []
    atlas.headHovered.connect(told.append)
    place = atlas.card_rect(HeadRef(1, 2)).center()
    move(qtbot, atlas.viewport(), place)
    move(qtbot, atlas.viewport(), place + QPoint(3, 3))
    move(qtbot, atlas.viewport(), QPoint(2, 2))
    assert told == [HeadRef(1, 2), None]
    with qtbot.waitSignal(atlas.headClicked) as chosen:
        click(qtbot, atlas.viewport(), place)
    assert chosen.args == [HeadRef(1, 2)]
    with qtbot.waitSignal(atlas.headActivated):
        qtbot.mouseDClick(atlas.viewport(), Qt.MouseButton.LeftButton, pos=place)


def test_that_arrow_keys_move_between_heads_and_stop_at_the_edge_and_enter_chooses(
    qtbot: QtBot, atlas: AtlasView
) -> None:
    atlas.set_selected(HeadRef(0, 2))
    told: list[HeadRef] = []
    atlas.headHovered.connect(told.append)
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Up, Qt.Key.Key_Left):
        qtbot.keyClick(atlas, key)
    assert told == [HeadRef(0, 3), HeadRef(1, 3), HeadRef(1, 2)]
    with qtbot.waitSignal(atlas.headClicked) as chosen:
        qtbot.keyClick(atlas, Qt.Key.Key_Return)
    assert chosen.args == [HeadRef(1, 2)]


def test_that_a_sorted_grid_follows_the_order_and_hides_what_is_not_in_it(qtbot: QtBot, atlas: AtlasView) -> None:
    order = [HeadRef(1, 3), HeadRef(0, 0), HeadRef(1, 0)]
    atlas.set_order(order)
    places = [atlas.card_rect(head) for head in order]
    assert [(box.top(), box.left()) for box in places] == sorted((box.top(), box.left()) for box in places)
    assert atlas.card_rect(HeadRef(0, 1)).isEmpty()
    with qtbot.waitSignal(atlas.headClicked) as chosen:
        click(qtbot, atlas.viewport(), places[1].center())
    assert chosen.args == [HeadRef(0, 0)]
    atlas.set_order([])
    atlas.set_order(None)
    assert not atlas.card_rect(HeadRef(0, 1)).isEmpty()


def test_that_a_badge_is_written_in_its_role_colour_and_told_in_the_tip(atlas: AtlasView) -> None:
    atlas.set_badges({HeadRef(1, 3): Badge("ind 0.91", "induction", "induction 0.91, chance 0.04")})
    assert count(picture(atlas, HeadRef(1, 3)), DARK.induction) > 5
    assert count(picture(atlas, HeadRef(1, 2)), DARK.induction) == 0
    assert "chance 0.04" in atlas.tip(HeadRef(1, 3))


def test_that_a_removed_head_is_struck_through_and_said_so(atlas: AtlasView) -> None:
    atlas.set_removed(frozenset({HeadRef(0, 0)}))
    assert count(picture(atlas, HeadRef(0, 0)), DARK.negative) > 20
    assert count(picture(atlas, HeadRef(0, 1)), DARK.negative) == 0
    assert "removed" in atlas.tip(HeadRef(0, 0))
    struck = picture(atlas, HeadRef(0, 0))
    atlas.set_focus_cells(10, 10, SIDE)
    assert picture(atlas, HeadRef(0, 0)) == struck


def test_that_pointing_at_a_token_picks_out_its_row_and_column_in_every_head(atlas: AtlasView) -> None:
    pictures = np.full((LAYERS, HEADS, SIDE, SIDE), 255, np.uint8)
    atlas.set_thumbnails(pictures)
    full = QColor(*DARK.attention_lut()[255].tolist()).name()
    whole = count(picture(atlas, HeadRef(0, 3)), full)
    plain = atlas.viewport().grab().toImage()
    atlas.set_focus_cells(8, 8, SIDE)
    for head in (HeadRef(0, 0), HeadRef(1, 3)):
        left = count(picture(atlas, head), full)
        assert 0 < left < whole / 5
        assert count(picture(atlas, head), DARK.accent) > 20
    atlas.set_focus_cells(None, None, SIDE)
    assert atlas.viewport().grab().toImage() == plain


def test_that_the_expected_stripe_is_outlined_in_every_head(atlas: AtlasView) -> None:
    mask = np.zeros((SIDE, SIDE), bool)
    mask[12, 5] = True
    atlas.set_stripe(mask)
    assert all(count(picture(atlas, HeadRef(1, head)), DARK.induction) > 8 for head in range(HEADS))
    atlas.set_stripe(None)
    assert count(picture(atlas, HeadRef(1, 0)), DARK.induction) == 0


def test_that_a_model_of_1024_heads_scrolls_instead_of_shrinking_and_shows_the_selected_head(atlas: AtlasView) -> None:
    atlas.set_thumbnails(thumbnails(32, 32))
    assert atlas.card_rect(HeadRef(31, 0)).width() >= 48
    assert atlas.horizontalScrollBar().maximum() > 0
    atlas.set_selected(HeadRef(0, 31))
    assert atlas.viewport().rect().contains(atlas.card_rect(HeadRef(0, 31)))


def test_that_control_and_wheel_zoom_while_the_wheel_alone_scrolls(atlas: AtlasView) -> None:
    atlas.set_thumbnails(thumbnails(12, 12))
    before = atlas.card_rect(HeadRef(11, 0)).width()
    wheel(atlas.viewport(), QPoint(100, 100), 3, control=True)
    assert atlas.card_rect(HeadRef(11, 0)).width() > before
    wheel(atlas.viewport(), QPoint(100, 100), -1)
    assert atlas.verticalScrollBar().value() > 0


@pytest.mark.parametrize(("layers", "heads"), [(1, 1), (2, 4), (12, 12), (32, 32)])
@pytest.mark.parametrize("room", [QSize(200, 150), QSize(440, 300), QSize(1900, 1000)])
def test_that_cards_never_overlap_and_a_place_finds_its_head(layers: int, heads: int, room: QSize) -> None:
    for scale in (1.0, 1.6):
        layout = AtlasLayout.fitted(range(layers), heads, None, room, 1.0, replace(DARK, scale=scale))
        whole = QRect(QPoint(0, 0), layout.size)
        cards = layout.within(whole)
        assert len(cards) == layers * heads
        assert all(whole.contains(card) and layout.head_at(*card.center().toTuple()) == ref for ref, card in cards)
        assert all(layout.card(ref) == card for ref, card in cards)
        assert sum(block.width() * block.height() for block in layout.blocks(whole)) == (
            len(cards) * layout.pitch.width() * layout.pitch.height()
        )


def test_that_a_sorted_grid_takes_the_columns_that_give_the_largest_pictures() -> None:
    order = tuple(HeadRef(layer, head) for layer in range(2) for head in range(4))
    layout = AtlasLayout.fitted(range(2), 4, order, QSize(436, 250), 1.0, DARK)
    assert layout.columns == 4
    assert AtlasLayout.fitted(range(2), 4, order, QSize(200, 800), 1.0, DARK).columns == 2


@pytest.mark.parametrize("order", [None, tuple(HeadRef(0, head) for head in range(8))])
def test_that_few_heads_in_much_room_are_drawn_large_and_still_fit(order: tuple[HeadRef, ...] | None) -> None:
    room = QSize(900, 460)
    layout = AtlasLayout.fitted(range(2), 4, order, room, 1.0, DARK)
    assert layout.side > 160
    assert layout.size.width() <= room.width() and layout.size.height() <= room.height()


def test_that_saying_the_same_again_paints_nothing(qtbot: QtBot, atlas: AtlasView) -> None:
    mask = np.eye(SIDE, dtype=np.bool_)

    def say() -> None:
        atlas.set_removed(frozenset({HeadRef(0, 1)}))
        atlas.set_selected(HeadRef(1, 2))
        atlas.set_hovered(None)
        atlas.set_focus_cells(3, 3, SIDE)
        atlas.set_stripe(mask)

    say()
    painted = Painted(atlas.viewport(), qtbot)
    say()
    assert painted.region().isEmpty()


def test_that_the_grid_can_be_cut_down_to_some_layers_in_either_order(qtbot: QtBot, atlas: AtlasView) -> None:
    atlas.set_thumbnails(thumbnails(30, 9))
    atlas.set_layers(range(10, 15))
    assert atlas.card_rect(HeadRef(9, 0)).isEmpty() and not atlas.card_rect(HeadRef(14, 8)).isEmpty()
    assert atlas.card_rect(HeadRef(14, 0)).top() < atlas.card_rect(HeadRef(10, 0)).top()
    atlas.set_order([HeadRef(layer, head) for head in range(9) for layer in range(30)])
    assert atlas.card_rect(HeadRef(9, 0)).isEmpty()
    assert atlas.card_rect(HeadRef(10, 0)).left() < atlas.card_rect(HeadRef(11, 0)).left()
    atlas.set_layers(None)
    atlas.set_order(None)
    assert not atlas.card_rect(HeadRef(0, 0)).isEmpty() and not atlas.card_rect(HeadRef(29, 8)).isEmpty()
