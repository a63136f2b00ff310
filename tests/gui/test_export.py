"""Figures and numbers as files: whole or not at all, and readable by other programs."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from PySide6.QtGui import QImage
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QLabel
from pytestqt.qtbot import QtBot

from gui.export import Drawing, ExportError, Table, save_figure, save_numbers

TABLE = Table("two, things", ("token", "value"), [(" a,b", 0.5), ("“", None)])


def test_that_numbers_come_back_as_they_went(tmp_path: Path) -> None:
    path = tmp_path / "n.csv"
    save_numbers([TABLE, TABLE], path)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    once = [["# two, things"], ["token", "value"], [" a,b", "0.5"], ["“", ""]]
    assert rows == [*once, [], *once]


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_that_a_figure_can_be_read_again(qtbot: QtBot, tmp_path: Path, ending: str) -> None:
    label = QLabel("seen")
    qtbot.addWidget(label)
    label.resize(80, 30)
    path = tmp_path / f"f.{ending}"
    save_figure(Drawing.of(label), path)
    assert QSvgRenderer(str(path)).isValid() if ending == "svg" else not QImage(str(path)).isNull()


def test_that_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="cannot write"):
        save_numbers([TABLE], tmp_path / "nowhere" / "n.csv")
    assert list(tmp_path.iterdir()) == []
