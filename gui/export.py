"""Figures and numbers out of a panel: PNG, SVG or PDF of a drawing, CSV or JSON of tables, each with its provenance.

Files are written whole or not at all.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QMarginsF, QPoint, QRect, QSaveFile, QSize, QSizeF
from PySide6.QtGui import QColor, QImage, QPageSize, QPainter, QPdfWriter
from PySide6.QtSvg import QSvgGenerator
from PySide6.QtWidgets import QWidget

Cell = str | int | float | None
Provenance = Mapping[str, Any]
PIXELS_PER_INCH = 96


class ExportError(OSError):
    """The file could not be written; the message is one line for the user."""


@dataclass(frozen=True)
class Table:
    """The numbers of one panel; None is an empty cell: not defined or not measured."""

    name: str
    header: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]


@dataclass(frozen=True)
class Drawing:
    """Something that can be painted at any resolution: its size in px, the colour behind it, and how."""

    size: QSize
    ground: str
    paint: Callable[[QPainter], None]

    @classmethod
    def of(cls, widget: QWidget) -> Drawing:
        """A widget as it is shown."""
        ground = widget.palette().window().color().name()
        return cls(widget.size(), ground, lambda painter: widget.render(painter, QPoint()))

    def image(self, ratio: float) -> QImage:
        """As pixels, `ratio` of them to a px each way."""
        image = QImage(self.size * ratio, QImage.Format.Format_RGB32)
        image.setDevicePixelRatio(ratio)
        image.fill(QColor(self.ground))
        painter = QPainter(image)
        self.paint(painter)
        painter.end()
        return image


# ---------------------------------------------------------------- figures
def save_figure(drawing: Drawing, path: Path, ratio: float = 1.0, provenance: Provenance | None = None) -> None:
    """SVG or PDF by the name's ending, else PNG at `ratio` pixels to a px. Raises ExportError."""
    told = json.dumps(provenance or {}, ensure_ascii=False)
    kinds = {".svg": _svg, ".pdf": _pdf}
    kind = kinds.get(path.suffix.lower())
    write(path, kind(drawing, told) if kind is not None else _png(drawing, told, ratio))


def _png(drawing: Drawing, told: str, ratio: float) -> bytes:
    image = drawing.image(ratio)
    image.setText("Provenance", told)
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")  # type: ignore[call-overload]  # its stub wants bytes, which the program refuses
    return bytes(content.data())


def _svg(drawing: Drawing, told: str) -> bytes:
    content = QByteArray()
    buffer = QBuffer(content)
    generator = QSvgGenerator()
    generator.setOutputDevice(buffer)
    generator.setSize(drawing.size)
    generator.setViewBox(QRect(QPoint(), drawing.size))
    generator.setTitle("Headscope")
    generator.setDescription(told)
    _paint_on(generator, drawing)
    return bytes(content.data())


def _pdf(drawing: Drawing, told: str) -> bytes:
    """One page of the drawing's size."""
    content = QByteArray()
    buffer = QBuffer(content)
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    writer = QPdfWriter(buffer)
    writer.setCreator("Headscope")
    writer.setTitle("Headscope")
    writer.addFileAttachment("provenance.json", QByteArray(told.encode()), "application/json")
    points = QSizeF(drawing.size) * (72 / PIXELS_PER_INCH)
    writer.setPageSize(QPageSize(points, QPageSize.Unit.Point, "", QPageSize.SizeMatchPolicy.ExactMatch))
    writer.setPageMargins(QMarginsF(0, 0, 0, 0))
    writer.setResolution(PIXELS_PER_INCH)
    _paint_on(writer, drawing)
    return bytes(content.data())


def _paint_on(device: QSvgGenerator | QPdfWriter, drawing: Drawing) -> None:
    painter = QPainter(device)
    painter.fillRect(QRect(QPoint(), drawing.size), QColor(drawing.ground))
    drawing.paint(painter)
    painter.end()


# ---------------------------------------------------------------- numbers
def save_numbers(tables: Sequence[Table], path: Path, provenance: Provenance | None = None) -> None:
    """JSON by the name's ending, else CSV: every table under its name in one file. Raises ExportError."""
    text = _json(tables, provenance or {}) if path.suffix.lower() == ".json" else _csv(tables, provenance or {})
    write(path, text.encode("utf-8"))


def _csv(tables: Sequence[Table], provenance: Provenance) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for name, value in provenance.items():
        writer.writerow([f"# {name}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)])
    for index, table in enumerate(tables):
        if index or provenance:
            writer.writerow([])
        writer.writerow([f"# {table.name}"])
        writer.writerow(table.header)
        writer.writerows(table.rows)
    return text.getvalue()


def _json(tables: Sequence[Table], provenance: Provenance) -> str:
    """Numbers that are not finite have no place in JSON: they are not measured, so null."""
    document = {
        "provenance": dict(provenance),
        "tables": [
            {"name": table.name, "header": table.header, "rows": [[_plain(cell) for cell in row] for row in table.rows]}
            for table in tables
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def _plain(cell: Cell) -> Cell:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell


def write(path: Path, content: bytes) -> None:
    """All or nothing: an old file of that name stays until the new one is complete. Raises ExportError."""
    file = QSaveFile(str(path))
    file.setDirectWriteFallback(False)
    ready = file.open(QIODevice.OpenModeFlag.WriteOnly)
    if not ready or file.write(content) != len(content) or not file.commit():
        raise ExportError(f"cannot write {path.name}: {file.errorString()}")
