"""Diagram, matrix and pair panel under a person's hands, with the real engine behind them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from engine.model.config import HeadRef
from engine.work.requests import Pair, Prompt
from gui.studio import Studio
from gui.theme import load_fonts
from tests.gui.mouse import click, move

TOY = Prompt("A B C D E F A")
ORLA = Prompt("The lantern keeper Orla hums a tune. At dusk the lantern keeper")
BEST = Pair("0.3", "1.1", "k")


@pytest.fixture
def studio(qapp: QApplication) -> Iterator[Studio]:
    load_fonts()
    made = Studio("dark", (1280, 800))
    yield made
    made.close()


@pytest.fixture
def default(studio: Studio) -> Studio:
    return opened(studio, "default", ORLA)


def opened(studio: Studio, model: str, prompt: Prompt) -> Studio:
    studio.show(model, prompt)
    studio.bring("circuit")
    studio.settle()
    return studio


# ---------------------------------------------------------------- which edges there are
@pytest.mark.parametrize("kind", ["k", "q", "v"])
def test_that_a_hand_built_circuit_has_exactly_its_one_edge(studio: Studio, kind: str) -> None:
    view = opened(studio, f"handbuilt-{kind}", TOY).window.diagram.view
    edges = [(pair, round(fraction, 2)) for pair, fraction in view.seen.fractions.items()]
    assert edges == [(("0.0", "1.0", kind), 1.0)]
    assert "From weights: 1 edge shown, 2 of 3 hidden" in view.caption()
    studio.window.diagram.prompt.click()
    studio.settle()
    assert [pair for pair in view.seen.fractions] == [("0.0", "1.0", kind)], "and the same one was used here"


def test_that_the_default_models_previous_token_heads_feed_the_keys_of_its_induction_heads_first(
    default: Studio,
) -> None:
    edges = list(reversed(default.window.diagram.view.seen.fractions))
    assert {pair.kind for pair in edges} == {"k"}
    assert {(pair.writer, pair.reader) for pair in edges[:2]} == {("0.3", "1.1"), ("0.2", "1.1")}
    marks = default.window.diagram.numbers()
    assert marks.rows[0][:3] == tuple(edges[0]) and marks.rows[0][-1] == 1


def test_that_top_and_threshold_hide_edges_and_the_line_says_how_many(default: Studio, qtbot: QtBot) -> None:
    panel = default.window.diagram
    assert "12 edges shown, 36 of 48 hidden" in panel.view.caption()
    panel.edges.tops[3].trigger()
    assert default.state.selection.diagram.top == 3
    assert "3 edges shown, 45 of 48 hidden: not among the 3 strongest of each kind" in panel.view.caption()
    for _ in range(2):
        qtbot.keyClick(panel.edges.slider, Qt.Key.Key_PageUp)
    assert default.state.selection.diagram.threshold == pytest.approx(0.7)
    assert "2 edges shown, 46 of 48 hidden" in panel.view.caption() and "under 0.70" in panel.view.caption()
    qtbot.mouseClick(panel.kinds["k"], Qt.MouseButton.LeftButton)
    assert "no edges shown, 32 of 32 hidden" in panel.view.caption()


def test_that_this_prompt_has_a_threshold_of_its_own_and_says_for_which_token(default: Studio) -> None:
    panel = default.window.diagram
    panel.prompt.click()
    assert panel.view.caption().startswith("Not traced on this prompt yet")
    assert not panel.view.node_point("1.3").isNull() and not panel.view.seen.fractions
    default.settle()
    assert panel.view.caption().startswith("At “keeper” (13) for “Orla” (96 %)")
    panel.edges.slider.setValue(40)
    chosen = default.state.selection.diagram
    assert (chosen.threshold, chosen.strength) == (0.5, pytest.approx(0.4))
    assert list(panel.view.seen.fractions) == [("0.2", "1.1", "k")]
    default.state.toggle_token(4)
    default.settle()
    assert panel.view.caption().startswith("At “Orla” (4) for")


def test_that_nodes_stay_where_they_are_from_prompt_to_prompt(default: Studio) -> None:
    view = default.window.diagram.view
    places = {node: view.node_point(node) for node in ("0.0", "1.3", "pos", "unembed")}
    default.window.diagram.prompt.click()
    default.settle()
    default.state.select(prompt=Prompt("Another tune, another"))
    assert {node: view.node_point(node) for node in places} == places
    default.settle()
    assert {node: view.node_point(node) for node in places} == places


def test_that_one_layer_shows_what_remains(studio: Studio) -> None:
    window = opened(studio, "default-1-layer", ORLA).window
    assert "Heads of one layer cannot feed one another" in window.diagram.view.caption()
    edges = window.diagram.view.seen.fractions
    assert edges and all({pair.writer, pair.reader} & {"embed", "pos", "unembed"} for pair in edges)
    assert window.diagram.ends.isChecked() and not window.diagram.ends.isEnabled()
    assert "it takes two layers" in window.pair.sentence.text()
    window.diagram.kinds["q"].click()
    assert not studio.state.selection.diagram.ends, "the switch keeps its place for other models"


# ---------------------------------------------------------------- pointing and pinning
def test_that_hover_goes_from_edge_to_cell_and_from_cell_to_edge(default: Studio, qtbot: QtBot) -> None:
    diagram, matrix = default.window.diagram.view, default.window.matrix.view
    move(qtbot, diagram, diagram.edge_point(BEST, 0.3))
    assert default.state.hover.pair == BEST
    assert matrix.caption().startswith("0.3 → 1.1, keys (K): 0.79 of its ceiling")
    move(qtbot, diagram, diagram.node_point("1.1"))
    assert default.state.hover.head == HeadRef(1, 1), "straight from the edge to its head"
    move(qtbot, matrix, matrix.cell_rect("0.1", "1.0").center())
    assert diagram.caption().startswith("0.1 → 1.0, keys (K)"), "though the filter hides it"


def test_that_a_click_pins_the_pair_and_escape_lets_go_of_it_and_of_the_head(default: Studio, qtbot: QtBot) -> None:
    state, window = default.state, default.window
    click(qtbot, window.matrix.kinds["q"], window.matrix.kinds["q"].rect().center())
    click(qtbot, window.diagram.view, window.diagram.view.edge_point(BEST, 0.3))
    default.settle()
    assert (state.selection.pair, state.selection.head) == (BEST, HeadRef(1, 1))
    assert state.selection.diagram.matrix == "k", "the matrix shows the kind that was pinned"
    assert window.matrix.view.caption().startswith("0.3 → 1.1, keys")
    assert window.page.accessibleName().startswith("Head 1.1")
    move(qtbot, window.diagram.view, window.diagram.view.rect().topLeft())
    for left in ((None, HeadRef(1, 1)), (None, None)):
        qtbot.keyClick(window.diagram.view, Qt.Key.Key_Escape)
        assert (state.selection.pair, state.selection.head) == left


def test_that_a_head_is_pinned_by_its_node_and_a_removed_one_is_struck_through(default: Studio, qtbot: QtBot) -> None:
    view = default.window.diagram.view
    click(qtbot, view, view.node_point("0.2"))
    assert default.state.selection.head == HeadRef(0, 2)
    default.state.toggle_removal(HeadRef(0, 2))
    default.settle()
    move(qtbot, view, view.node_point("0.2"))
    assert "removed from the model" in view.caption()


# ---------------------------------------------------------------- the pair
def test_that_the_strongest_pairs_are_offered_and_a_click_pins_one(default: Studio, qtbot: QtBot) -> None:
    panel = default.window.pair
    assert "0.3 → 1.1 K 0.79" in panel.suggestion.accessibleDescription()
    click(qtbot, panel.suggestion, panel.suggestion.row_rect(0).center())
    assert default.state.selection.pair == BEST
    assert not panel.suggestion.isVisible()


def test_that_the_pair_says_what_is_used_beside_what_is_possible(default: Studio, qtbot: QtBot) -> None:
    panel = default.window.pair
    default.state.toggle_pair(BEST)
    assert panel.sentence.text().startswith("Patching the path")
    assert "used not measured, possible 0.79" in panel.table.accessibleDescription()
    default.settle()
    proof = default.state.findings.proof
    assert proof is not None
    used = {one.kind: one.value for one in proof.effects if (one.direction, one.metric) == ("noising", "attention")}
    assert used["k"] is not None and used["k"] > 0.4
    assert panel.sentence.text().startswith("Through 1.1's keys alone: its attention to “Orla” goes from")
    said = panel.table.accessibleDescription()
    assert f"keys: used {used['k']:.0%}".replace("%", " %") in said and "rank 1 of 16" in said
    assert "the other heads of layer 0" in panel.how.text()
    assert "Pattern product: from “keeper” to “keeper” (3)" in panel.virtual.text()
    assert panel.pattern.isVisibleTo(panel.page)
    saved = {row[:2]: row[2] for row in panel.numbers().rows}
    assert saved["composition, rank", "k"] == 1 and saved["path, noising, attention", "k"] == used["k"]
    click(qtbot, panel.table, panel.table.row_rect(2).center())
    assert default.state.selection.pair == Pair("0.3", "1.1", "v")
    qtbot.keyClick(panel.table, Qt.Key.Key_Up)
    assert default.state.selection.pair == BEST


def test_that_a_prompt_without_an_earlier_copy_says_why_nothing_is_proven(default: Studio) -> None:
    default.state.select(prompt=Prompt("A tune at dusk"), pair=BEST)
    default.settle()
    panel = default.window.pair
    assert panel.sentence.text().startswith("No earlier ' dusk' in this prompt")
    assert "used not measured, possible 0.79" in panel.table.accessibleDescription()


def test_that_an_end_of_the_stream_has_figures_but_no_path_to_patch(default: Studio) -> None:
    default.state.toggle_pair(Pair("embed", "1.1", "q"))
    default.settle()
    panel = default.window.pair
    assert "no heads" in panel.sentence.text() and "score" in panel.how.text()
    assert not panel.table.isVisible()
    QTest.keyClick(default.window, Qt.Key.Key_Escape)
    assert panel.suggestion.isVisibleTo(panel.page)
