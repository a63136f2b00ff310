"""Pictures without a display, by the same code that draws the window; a model built by hand behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtGui import QImage
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

from engine.model.config import HeadRef
from gui import cli

MODEL, PROMPT = "handbuilt-k", "A B C D E A B"


def draw(out: Path, view: str | None = None, select: str = "", prompt: str = PROMPT, model: str = MODEL) -> int:
    return cli.render(
        model=model, prompt=prompt, view=view, select=select, size=(900, 640), theme="light", out=str(out)
    )


@pytest.mark.parametrize("view", cli.list_views())
def test_that_every_view_becomes_a_picture(qapp: QApplication, tmp_path: Path, view: str) -> None:
    target = tmp_path / f"{view}.png"
    assert draw(target, view) == 0
    image = QImage(str(target))
    assert image.width() >= 900
    colours = {image.pixel(x, y) for x in range(0, image.width(), 7) for y in range(0, image.height(), 7)}
    assert len(colours) > 3


def test_that_a_drawing_is_written_as_svg(qapp: QApplication, tmp_path: Path) -> None:
    target = tmp_path / "head.svg"
    assert draw(target, "head", "head=1.0,token=6") == 0
    assert QSvgRenderer(str(target)).isValid()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"view": "nothing"}, "there is no view 'nothing'"),
        ({"select": "head=1"}, "a head is written layer.head"),
        ({"select": "head=7.0"}, "there is no head 7.0"),
        ({"select": "token=99"}, "there is no token 99"),
        ({"select": "token=x"}, "a token is chosen by its position"),
        ({"select": "neck=1"}, "--select is written"),
        ({"prompt": "A B Q"}, "does not know 'Q'"),
        ({"model": "no-such-model"}, "there is no model 'no-such-model'"),
    ],
)
def test_that_bad_input_is_one_line_and_leaves_no_file(
    qapp: QApplication, tmp_path: Path, change: dict[str, str], words: str
) -> None:
    target = tmp_path / "picture.png"
    with pytest.raises(ValueError, match=words) as caught:
        draw(target, **change)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert not target.exists()


def test_that_an_unknown_kind_of_file_is_refused(qapp: QApplication, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a picture is written as"):
        draw(tmp_path / "picture.gif")


def test_that_an_unwritable_place_is_an_error_of_one_line(qapp: QApplication, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot write picture"):
        draw(tmp_path / "nowhere" / "picture.png")


def test_that_pins_are_read() -> None:
    assert cli.Pins.parse("head=1.3, token=13") == cli.Pins(HeadRef(1, 3), 13)
    assert cli.Pins.parse("") == cli.Pins()
