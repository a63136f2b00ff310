"""One selection drives every panel, says itself as a path, and can be let go of step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from engine.circuits.interventions.values import Ablate
from engine.model.config import HeadRef
from engine.work.requests import Pair, Prompt
from gui.cli import VIEWS, Pins
from gui.export import Drawing, save_figure
from gui.state import Hover
from gui.steps import Step
from gui.studio import Studio
from gui.theme import load_fonts

PROMPT = Prompt("A B C D E F G A B")
FIRST, SECOND = HeadRef(0, 0), HeadRef(1, 0)
K = Pair("0.0", "1.0", "k")


@pytest.fixture
def studio(qapp: QApplication) -> Iterator[Studio]:
    load_fonts()
    made = Studio("dark", (1280, 800))
    made.show("handbuilt-k", PROMPT)
    yield made
    made.close()


# What each panel says; it must be another thing when another head, token or intervention is chosen.
SAYS: dict[str, tuple[Callable[[Studio], object], dict[str, object]]] = {
    "heads": (lambda s: s.window.heads.view.grab().toImage(), {"head": FIRST}),
    "roles": (lambda s: s.window.roles.table.grab().toImage(), {"head": FIRST}),
    "head": (lambda s: s.window.head.accessibleName(), {"head": FIRST}),
    "prediction": (lambda s: s.window.prediction.numbers().rows, {"steps": (Step(Ablate((SECOND,))),)}),
    "interventions": (lambda s: s.window.interventions.numbers().rows, {"steps": (Step(Ablate((SECOND,))),)}),
    "diagram": (lambda s: s.window.diagram.view.caption(), {"pair": K}),
    "matrix": (lambda s: s.window.matrix.view.caption(), {"pair": K}),
    "pair": (lambda s: s.window.pair.accessibleName(), {"pair": K}),
    "page": (lambda s: s.window.page.numbers().rows, {"head": FIRST}),
    "attention": (lambda s: s.window.attention.sentence.text(), {"token": 8, "source": 2}),
    "logits": (lambda s: s.window.logits.sentence.text(), {"token": 8}),
    "sweep": (lambda s: s.window.sweep.numbers().rows, {"token": 4}),
    "walk": (lambda s: s.window.walk.numbers().rows, {"token": 8}),
    "gallery": (lambda s: s.window.gallery.title.text(), {"head": FIRST, "experiment": "gap"}),
    "verdict": (lambda s: s.window.verdict.numbers().rows, {"token": 5}),
}


@pytest.mark.parametrize("panel", SAYS)
def test_that_every_panel_follows_the_one_selection(studio: Studio, panel: str) -> None:
    says, change = SAYS[panel]
    others = {"reader", "timeline", "live"}  # a text, and time: test_timeline.py
    assert set(SAYS) | others == set(studio.window.panels)
    studio.state.select(head=SECOND, token=9)
    studio.bring(panel)
    studio.settle()
    before = says(studio)
    studio.state.select(**change)
    studio.settle()
    assert says(studio) != before
    studio.state.undo()
    studio.settle()
    if panel not in ("interventions", "gallery"):  # a log keeps what was seen, a lesson is no pin
        assert says(studio) == before


def crumbs(studio: Studio) -> list[str]:
    return [button.text() for button in studio.window.prompt.crumbs.buttons if button.isVisible()]


def test_that_what_is_pinned_is_a_path_and_a_crumb_lets_go_of_what_follows_it(studio: Studio) -> None:
    assert crumbs(studio) == []
    studio.state.select(token=9, source=3)
    studio.state.toggle_pair(K)
    studio.settle()
    assert crumbs(studio) == ["Prompt", "“B” (9)", "to “C” (3)", "head 1.0", "0.0 → 1.0 by keys"]
    QTest.mouseClick(studio.window.prompt.crumbs.buttons[1], Qt.MouseButton.LeftButton)
    chosen = studio.state.selection
    assert (chosen.token, chosen.source, chosen.head, chosen.pair) == (9, None, None, None)
    assert crumbs(studio) == ["Prompt", "“B” (9)"]
    QTest.keyClick(studio.window, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert len(crumbs(studio)) == 5
    QTest.mouseClick(studio.window.prompt.crumbs.buttons[0], Qt.MouseButton.LeftButton)
    assert crumbs(studio) == []


def test_that_choices_that_the_next_model_has_not_are_let_go_of(studio: Studio) -> None:
    studio.state.select(head=SECOND, token=9, pair=K, steps=(Step(Ablate((SECOND,))),))
    studio.settle()
    studio.show("default-1-layer", Prompt("the lantern keeper and the lantern"))
    chosen = studio.state.selection
    assert (chosen.token, chosen.head, chosen.pair) == (None, None, None)
    assert len(chosen.steps) == 1 and studio.state.in_force == ()  # kept, and says why it does not act
    assert "no head 1.0" in studio.window.interventions.list.item(0).toolTip()


def test_that_a_panel_is_opened_and_closed_by_its_command(studio: Studio) -> None:
    action = studio.window.commands.action("panel.sweep")
    assert not action.isChecked()
    action.trigger()
    QApplication.processEvents()
    assert studio.window.sweep.isVisible() and action.isChecked()
    action.trigger()
    QApplication.processEvents()
    assert not studio.window.sweep.isVisible()
    studio.settle()


def test_that_every_panel_can_be_drawn_by_itself(studio: Studio) -> None:
    assert set(studio.window.panels) | {"window", "tokens"} <= set(VIEWS)


def test_that_a_diagram_for_paper_keeps_its_paths(studio: Studio, tmp_path: Path) -> None:
    studio.bring("circuit")
    studio.settle()
    view = studio.window.diagram.view
    for hover in (Hover(), Hover(pair=K)):
        studio.state.point(hover)
        save_figure(Drawing.of(view), tmp_path / "d.svg")
        text = (tmp_path / "d.svg").read_text()
        assert "<image" not in text and text.count("<path") > 10
    studio.state.point(Hover())


def test_that_a_pair_is_pinned_from_the_command_line_and_a_bad_one_says_how() -> None:
    assert Pins.parse("head=1.0,pair=0.0>1.0:k").pair == K
    for text in ("pair=0.0-1.0", "pair=0.0>1.0:z", "pair=a>b:k"):
        with pytest.raises(ValueError, match="written"):
            Pins.parse(text)
