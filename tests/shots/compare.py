"""Whether two pictures look the same to a person, and where those of the documentation are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage

DOCS = Path(__file__).resolve().parents[2] / "docs"
SIZES = ((1280, 800), (1920, 1080))
FAR = 48  # of 255: a pixel that a person would call different
MOST_FAR = 0.005  # of all pixels; another text rasteriser moves fewer than that


def pixels(image: QImage) -> NDArray[np.int16]:
    """(height, width, 3)."""
    plain = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(plain.constBits(), np.uint8).reshape(plain.height(), plain.bytesPerLine())
    return rows[:, : 3 * plain.width()].reshape(plain.height(), plain.width(), 3).astype(np.int16)


def share_of_different_pixels(one: QImage, other: QImage) -> float:
    if one.size() != other.size():
        return 1.0
    far = np.abs(pixels(one) - pixels(other)).max(axis=-1) > FAR
    return float(far.mean())
