"""The window as a picture: what stands in docs/ is what the program draws now.

`HEADSCOPE_UPDATE_SHOTS=1` writes the pictures anew; look at them before you commit them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Literal

import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from engine.work.requests import Prompt
from gui.studio import Studio
from gui.theme import Choice, load_fonts
from gui.workspaces import WORKSPACES
from tests.shots.compare import DOCS, MOST_FAR, SIZES, share_of_different_pixels


@pytest.fixture(scope="module", params=["dark", "light"])
def theme(request: pytest.FixtureRequest) -> Literal["dark", "light"]:
    return "dark" if request.param == "dark" else "light"


@pytest.fixture
def studio(qapp: QApplication, theme: Literal["dark", "light"]) -> Iterator[Studio]:
    load_fonts()
    made = Studio(theme, SIZES[0])
    made.show("default", Prompt())
    yield made
    made.close()


@pytest.mark.parametrize("workspace", WORKSPACES)
def test_that_the_window_looks_as_in_the_documentation(
    studio: Studio, theme: str, workspace: str, qapp: QApplication
) -> None:
    studio.bring(workspace)
    studio.settle()
    changed = pictures_that_changed(studio, workspace, theme, qapp)
    assert not changed, f"these pictures no longer match (share of pixels): {changed}"


BEFORE_IN_AFTER = {"before": "instant@80", "in": "instant@175", "after": "instant"}


@pytest.mark.parametrize("when", BEFORE_IN_AFTER)
def test_that_the_phase_change_looks_as_in_the_documentation(theme: Choice, when: str, qapp: QApplication) -> None:
    load_fonts()
    studio = Studio("light" if theme == "light" else "dark", SIZES[0])
    try:
        studio.show(BEFORE_IN_AFTER[when], Prompt("the red fish sees a bird the red"))
        studio.bring("emergence")
        studio.settle()
        changed = pictures_that_changed(studio, f"emergence-{when}", theme, qapp)
    finally:
        studio.close()
    assert not changed, f"these pictures no longer match (share of pixels): {changed}"


CHARTS = {"seeds": ("instant", "Seeds", "the red fish"), "counting": ("markov", "Counting", "red green blue red")}


@pytest.mark.parametrize("name", CHARTS)
def test_that_other_curves_look_as_in_the_documentation(theme: Choice, name: str, qapp: QApplication) -> None:
    load_fonts()
    model, chart, prompt = CHARTS[name]
    studio = Studio("light" if theme == "light" else "dark", SIZES[0])
    try:
        studio.show(model, Prompt(prompt))
        studio.bring("emergence")
        studio.state.select(chart=chart)
        studio.settle()
        changed = pictures_that_changed(studio, f"emergence-{name}", theme, qapp)
    finally:
        studio.close()
    assert not changed, f"these pictures no longer match (share of pixels): {changed}"


def pictures_that_changed(studio: Studio, name: str, theme: str, qapp: QApplication) -> dict[str, float]:
    """At both sizes; writes the pictures anew where that is asked for."""
    changed = {}
    for width, height in SIZES:
        studio.window.resize(width, height)
        qapp.processEvents()
        drawn, path = studio.window.grab().toImage(), DOCS / f"{name}-{theme}-{width}x{height}.png"
        if os.environ.get("HEADSCOPE_UPDATE_SHOTS"):
            assert drawn.save(str(path))
        assert path.is_file(), f"{path.name} is missing: run with HEADSCOPE_UPDATE_SHOTS=1"
        share = share_of_different_pixels(drawn, QImage(str(path)))
        if share > MOST_FAR:
            changed[path.name] = share
    return changed
