"""The circuit workspace under a person's hands, on the hand-built circuit with the real engine behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from engine.model.config import HeadRef
from engine.work.requests import Pair, Prompt
from gui.code_sheet import CodeSheet
from gui.state import Hover
from gui.studio import Studio
from gui.theme import load_fonts
from gui.workspaces import WORKSPACES

PROMPT, INDUCTION = Prompt("A B C D E A B"), HeadRef(1, 0)
K = Pair("0.0", "1.0", "k")


@pytest.fixture
def studio(qapp: QApplication) -> Iterator[Studio]:
    load_fonts()
    made = Studio("dark", (1280, 800))
    made.show("handbuilt-k", PROMPT)
    yield made
    made.close()


def go(studio: Studio, workspace: str) -> None:
    studio.window.commands.action(f"workspace.{workspace}").trigger()
    studio.settle()


def hover(widget: QWidget, point: QPoint) -> None:
    QTest.mouseMove(widget, point - QPoint(1, 0))
    QTest.mouseMove(widget, point)
    QApplication.processEvents()


def click(widget: QWidget, point: QPoint) -> None:
    hover(widget, point)
    QTest.mouseClick(widget, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, point)


def test_that_every_workspace_shows_its_panels_and_only_those(studio: Studio) -> None:
    for name, workspace in WORKSPACES.items():
        go(studio, name)
        wanted = {cell.panels[0] for column in workspace.columns for cell in column.cells}  # the others lie behind
        assert studio.state.selection.panels == wanted
        seen = {panel for panel, dock in studio.window.panels.items() if not dock.visibleRegion().isEmpty()}
        assert seen == wanted


def test_that_going_through_the_workspaces_leaves_the_window_as_large_as_it_was(studio: Studio) -> None:
    for _ in range(2):
        for name in WORKSPACES:
            go(studio, name)
            assert studio.window.size().toTuple() == (1280, 800), name


def test_that_what_is_out_of_sight_is_not_computed(studio: Studio) -> None:
    found = studio.state.findings
    assert found.composition is None and found.sweep is None
    go(studio, "circuit")
    assert studio.state.findings.composition is not None and studio.state.findings.sweep is None


def test_that_the_hand_built_circuit_has_one_edge_and_a_click_on_it_is_followed_everywhere(studio: Studio) -> None:
    go(studio, "circuit")
    window, view = studio.window, studio.window.diagram.view
    assert list(view.seen.fractions) == [K]
    click(view, view.edge_point(K).toPoint())
    studio.settle()
    assert studio.state.selection.pair == K and studio.state.selection.head == INDUCTION
    assert "0.0 → 1.0, keys" in window.pair.accessibleName()
    assert (
        "goes from 1.00 to 0.00" in window.pair.sentence.text() and "Through 1.0's keys" in window.pair.sentence.text()
    )
    assert window.matrix.view.cell_rect("0.0", "1.0").isValid()
    assert window.page.accessibleName().startswith("Head 1.0")
    assert window.head.accessibleName().startswith("Head 1.0")
    QTest.keyClick(window, Qt.Key.Key_Escape)
    studio.state.point(Hover())
    QTest.keyClick(window, Qt.Key.Key_Escape)
    assert studio.state.selection.pair is None


def test_that_hovering_an_edge_lights_the_cell_of_the_matrix_and_the_other_way_round(studio: Studio) -> None:
    go(studio, "circuit")
    diagram, matrix = studio.window.diagram.view, studio.window.matrix.view
    hover(diagram, diagram.edge_point(K).toPoint())
    assert studio.state.hover.pair == K
    assert "0.0 → 1.0" in matrix.caption()
    studio.state.point(Hover())
    hover(matrix, matrix.cell_rect("0.0", "1.0").center().toPoint())
    assert "path-patch it" in diagram.caption() and "0.0 → 1.0" in diagram.caption()


def test_that_this_prompt_has_a_circuit_of_its_own(studio: Studio) -> None:
    go(studio, "circuit")
    panel = studio.window.diagram
    QTest.mouseClick(panel.prompt, Qt.MouseButton.LeftButton)
    studio.settle()
    assert studio.state.findings.circuit is not None
    panel.view.set_hovered(None, K)
    assert "0.0 adds" in panel.view.caption() and "through its key" in panel.view.caption()


def test_that_a_kind_that_is_switched_off_has_no_edges_and_the_line_says_how_many_are_hidden(studio: Studio) -> None:
    go(studio, "circuit")
    panel = studio.window.diagram
    QTest.mouseClick(panel.kinds["k"], Qt.MouseButton.LeftButton)
    assert not panel.view.seen.fractions and "hidden" in panel.view.caption()


def test_that_the_evidence_follows_the_prompt_and_vanishes_with_the_circuit(studio: Studio) -> None:
    go(studio, "evidence")
    window = studio.window
    assert "“B” attends to “C” with 1.00" in window.attention.sentence.text()
    assert "query from embed, key from 0.0" in window.attention.sentence.text()
    assert "names “B”, the token before" in window.attention.note.text()
    assert "1.0 adds most by itself" in window.logits.sentence.text()
    assert "the chance of “C” falls from" in window.sweep.sentence.text()
    before = studio.state.findings.analysis
    assert before is not None
    studio.state.toggle_removal(HeadRef(0, 0))
    studio.settle()
    after = studio.state.findings.analysis
    assert after is not None and after.chance_of(before.predictions[0].id) < 0.2
    assert "“C” with 1.00" not in window.attention.sentence.text()
    studio.state.undo()
    studio.settle()
    assert "“B” attends to “C” with 1.00" in window.attention.sentence.text()


def test_that_a_term_of_the_score_leads_to_the_pair_that_made_it(studio: Studio) -> None:
    go(studio, "evidence")
    studio.window.attention.bars.rowClicked.emit(0)
    assert studio.state.selection.pair == K


def test_that_a_typed_token_is_asked_about_and_a_bad_one_is_said(studio: Studio) -> None:
    go(studio, "evidence")
    panel = studio.window.logits
    QTest.keyClicks(panel.target, "D")
    QTest.keyClick(panel.target, Qt.Key.Key_Return)
    studio.settle()
    assert "the logit of “D”" in panel.sentence.text()
    QTest.keyClicks(panel.target, "nonsense")
    QTest.keyClick(panel.target, Qt.Key.Key_Return)
    studio.settle()
    assert "does not know" in panel.sentence.text()


def test_that_every_panel_gives_numbers_and_code(studio: Studio) -> None:
    studio.state.toggle_pair(K)
    studio.state.select(guess=True)
    for workspace in WORKSPACES:
        go(studio, workspace)
        for name in sorted(studio.state.selection.panels):
            panel = studio.window.panels[name]
            if name not in ("timeline", "live"):  # a model built by hand has no film
                assert panel.numbers().rows, name
                assert panel.requests() or name == "reader", name  # a text asks nothing


def test_that_the_code_of_a_panel_opens_as_a_page(studio: Studio) -> None:
    go(studio, "evidence")
    studio.window.attention.showCode.emit()
    (sheet,) = [child for child in studio.window.findChildren(CodeSheet) if child.isVisible()]
    assert "ExplainAttention(" in sheet.page.toPlainText()
    sheet.copy()
    assert QApplication.clipboard().text() == sheet.page.toPlainText()
    sheet.reject()


def test_that_a_panel_floats_closes_and_comes_back(studio: Studio) -> None:
    go(studio, "circuit")
    panel = studio.window.pair
    panel.setFloating(True)
    assert panel.isFloating()
    panel.close()
    assert "pair" not in studio.state.selection.panels
    studio.window.commands.action("panels.rearrange").trigger()
    assert panel.isVisible() and not panel.isFloating() and "pair" in studio.state.selection.panels


def test_that_one_layer_says_why_there_are_no_edges(studio: Studio) -> None:
    go(studio, "circuit")
    studio.state.select(model="instant-1-layer", prompt=Prompt(""))
    studio.settle()
    assert studio.window.diagram.view.caption().startswith("Heads of one layer cannot feed")
