"""Lookup tables for attention and for signed values: 256 steps that look equally far apart.

Colours are mixed in Oklab (Ottosson 2020), then re-spaced along the curve, so that equal steps of a value are
equal steps to the eye and lightness alone orders them (safe for colour-blind readers and grey print).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_LAB_TO_LMS = np.linalg.inv(_LMS_TO_LAB)
_LMS_TO_RGB = np.linalg.inv(_RGB_TO_LMS)


def oklab(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """sRGB bytes (..., 3) to Oklab (..., 3)."""
    value = rgb.astype(np.float64) / 255.0
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    lab: NDArray[np.float64] = np.cbrt(linear @ _RGB_TO_LMS.T) @ _LMS_TO_LAB.T
    return lab


def _srgb(lab: NDArray[np.float64]) -> NDArray[np.uint8]:
    linear = np.clip((lab @ _LAB_TO_LMS.T) ** 3 @ _LMS_TO_RGB.T, 0.0, 1.0)
    value = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(value * 255.0).astype(np.uint8)


def _bytes(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def ramp(colours: Sequence[str], steps: int) -> NDArray[np.uint8]:
    """`steps` evenly spaced colours (steps, 3) through the given "#rrggbb" stops."""
    stops = oklab(np.array([_bytes(colour) for colour in colours], dtype=np.uint8))  # (n, 3)
    at = np.linspace(0.0, 1.0, len(stops))
    fine = np.linspace(0.0, 1.0, 2048)
    curve = np.stack([np.interp(fine, at, stops[:, axis]) for axis in range(3)], axis=1)  # (2048, 3)
    lengths = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    wanted = np.linspace(0.0, lengths[-1], steps)
    even = np.stack([np.interp(wanted, lengths, curve[:, axis]) for axis in range(3)], axis=1)
    table = _srgb(even)
    table[0], table[-1] = _bytes(colours[0]), _bytes(colours[-1])
    return table


def diverging(low: Sequence[str], neutral: str, high: Sequence[str]) -> NDArray[np.uint8]:
    """256 colours; index 128 is `neutral`, 0 the last of `low`, 255 the last of `high`."""
    down = ramp([neutral, *low], 129)  # (129, 3), neutral first
    up = ramp([neutral, *high], 128)  # (128, 3)
    return np.concatenate([down[:0:-1], up])
