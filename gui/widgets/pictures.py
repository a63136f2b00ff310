"""From arrays to images: colour tables, max-pooling, and images that own their pixels. No widgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage


def packed(lut: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """A colour table (256, 3) as 32-bit opaque pixels (256)."""
    red, green, blue = (lut[:, channel].astype(np.uint32) for channel in range(3))
    return np.uint32(0xFF000000) | (red << np.uint32(16)) | (green << np.uint32(8)) | blue


def image_of(values: NDArray[np.uint8], lut: NDArray[np.uint8]) -> QImage:
    """`values` (height, width) through a colour table (256, 3). The image owns its pixels.

    Qt looks the colours up: several times faster than numpy, and 32-bit pixels are several times faster to draw
    than indexed ones.
    """
    height, width = values.shape
    data = np.ascontiguousarray(values)
    indexed = QImage(data.data, width, height, width, QImage.Format.Format_Indexed8)
    indexed.setColorTable(packed(lut).tolist())
    return indexed.convertToFormat(QImage.Format.Format_RGB32)


def owned(pixels: NDArray[np.uint32], form: QImage.Format) -> QImage:
    """32-bit pixels (height, width) as an image that outlives the array."""
    height, width = pixels.shape
    data = np.ascontiguousarray(pixels)
    return QImage(data.data, width, height, width * 4, form).copy()


def max_pooled(values: NDArray[Any], size: int) -> NDArray[Any]:
    """(height, width) cut to at most `size` each way by the largest of each block: a one-cell stripe stays visible."""
    height, width = values.shape
    return pooled_tiles(pooled_tiles(values, 0, height, size), 1, width, size)


def strongest(pool: Callable[[NDArray[Any]], NDArray[Any]], values: NDArray[Any], neutral: int) -> NDArray[Any]:
    """`pool`, which takes the largest, for unsigned numbers that mean signed ones: the farthest from `neutral` stays.

    0 stands for nothing at all and gives way to anything.
    """
    high, low = pool(values), ~pool(~np.where(values == 0, values.dtype.type(neutral), values))
    gain, loss = high.astype(np.int32) - neutral, neutral - low.astype(np.int32)
    return np.where((gain >= loss) | (high == 0), high, low)


def pooled_tiles(values: NDArray[Any], axis: int, side: int, size: int) -> NDArray[Any]:
    """Along one axis, each tile of `side` cells cut to at most `size`, the largest of each block.

    Takes whole slices: numpy's reduceat does the same several times slower.
    """
    if side <= size:
        return values
    tiles = np.arange(values.shape[axis] // side)[:, None] * side
    edges = np.arange(size + 1) * side // size
    result = np.take(values, (tiles + edges[:-1]).ravel(), axis)
    for step in range(1, int(np.diff(edges).max())):
        cells = np.minimum(edges[:-1] + step, edges[1:] - 1)
        np.maximum(result, np.take(values, (tiles + cells).ravel(), axis), out=result)
    return result
