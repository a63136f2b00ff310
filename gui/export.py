"""Figures and numbers out of a panel: PNG or SVG of a widget, CSV of a table.

Files are written whole or not at all.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QPoint, QSaveFile, QSize
from PySide6.QtGui import QPainter, QPixmap
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QWidget

Cell = str | int | float | None


class ExportError(OSError):
    """The file could not be written; the message is one line for the user."""


@dataclass(frozen=True)
class Table:
    """The numbers of one panel; None is an empty cell: not defined or not measured."""

    name: str
    header: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]


def save_figure(widget: QWidget, path: Path) -> None:
    """PNG, or SVG by the name's ending. Raises ExportError."""
    write(path, _svg(widget) if path.suffix.lower() == ".svg" else _png(widget.grab()))


def save_numbers(tables: Sequence[Table], path: Path) -> None:
    """Every table under its name in one CSV file. Raises ExportError."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for index, table in enumerate(tables):
        if index:
            writer.writerow([])
        writer.writerow([f"# {table.name}"])
        writer.writerow(table.header)
        writer.writerows(table.rows)
    write(path, text.getvalue().encode("utf-8"))


def write(path: Path, content: bytes) -> None:
    """All or nothing: an old file of that name stays until the new one is complete. Raises ExportError."""
    file = QSaveFile(str(path))
    file.setDirectWriteFallback(False)
    ready = file.open(QIODevice.OpenModeFlag.WriteOnly)
    if not ready or file.write(content) != len(content) or not file.commit():
        raise ExportError(f"cannot write {path.name}: {file.errorString()}")


def _png(pixmap: QPixmap) -> bytes:
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    pixmap.save(buffer, "PNG")
    return bytes(content.data())


def _svg(widget: QWidget) -> bytes:
    content = QByteArray()
    buffer = QBuffer(content)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setSize(QSize(widget.width(), widget.height()))
    generator.setViewBox(widget.rect())
    generator.setTitle("Headscope")
    painter = QPainter(generator)
    widget.render(painter, QPoint())
    painter.end()
    return bytes(content.data())
