"""SmolLM2 in the circuit and the evidence workspace: what stands in docs/ is what the program draws now."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product

import pytest
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication

from engine.model import smollm2
from engine.model.config import HeadRef
from engine.work.requests import Prompt
from gui.studio import Studio
from gui.theme import Choice, load_fonts
from tests.shots.compare import DOCS, MOST_FAR, SIZES, share_of_different_pixels

PROMPT = Prompt("The lantern keeper Orla hums a tune. At dusk the lantern keeper")
THEMES: tuple[Choice, ...] = ("dark", "light")
FIRST_LOOKED_AT = HeadRef(18, 6)


@pytest.fixture(scope="module")
def studio(qapp: QApplication) -> Iterator[Studio]:
    assert smollm2.find() is not None, "SmolLM2 is not here: run `make smollm2` once"
    load_fonts()
    made = Studio("dark", SIZES[0])
    made.show("smollm2", PROMPT)
    made.state.select(head=FIRST_LOOKED_AT)
    yield made
    made.close()


@pytest.mark.parametrize("workspace", ["circuit", "evidence"])
def test_that_thirty_layers_look_as_in_the_documentation(studio: Studio, workspace: str, qapp: QApplication) -> None:
    studio.bring(workspace)
    studio.settle()
    changed = {}
    for theme, (width, height) in product(THEMES, SIZES):
        studio.window.themes.set_choice(theme)
        studio.window.resize(width, height)
        qapp.processEvents()
        drawn, path = studio.window.grab().toImage(), DOCS / f"smollm2-{workspace}-{theme}-{width}x{height}.png"
        if os.environ.get("HEADSCOPE_UPDATE_SHOTS"):
            assert drawn.save(str(path))
        share = share_of_different_pixels(drawn, QImage(str(path)))
        if share > MOST_FAR:
            changed[path.name] = share
    assert not changed, f"these pictures no longer match (share of pixels): {changed}"
