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
from gui.theme import load_fonts
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
    differences = {}
    studio.bring(workspace)
    studio.settle()
    for width, height in SIZES:
        studio.window.resize(width, height)
        qapp.processEvents()
        drawn = studio.window.grab().toImage()
        path = DOCS / f"{workspace}-{theme}-{width}x{height}.png"
        if os.environ.get("HEADSCOPE_UPDATE_SHOTS"):
            assert drawn.save(str(path))
            continue
        assert path.is_file(), f"{path.name} is missing: run with HEADSCOPE_UPDATE_SHOTS=1"
        differences[path.name] = share_of_different_pixels(drawn, QImage(str(path)))
    changed = {name: share for name, share in differences.items() if share > MOST_FAR}
    assert not changed, f"these pictures no longer match (share of pixels): {changed}"
