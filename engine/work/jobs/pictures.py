"""Every head's pattern as the window needs it: in half precision, and as a small picture. Made layer by layer as they
pass, so that never more than one layer is there in full precision. Of a prompt too long for all of them only the small
pictures stay, and the stream before every layer, from which any head's pattern is soon made again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from engine.circuits import budget
from engine.work.jobs.running import frozen

THUMBNAIL = 64  # pixels a side at most
MANY_HEADS, SMALL_THUMBNAIL = 256, 48  # their cards are as small as the window draws them
GAMMA = 0.7  # lifts faint attention so that it can be seen
ONE = 0x3C00  # the bits of 1.0 in half precision; those of every weight from 0 to 1 lie below, in order
HALF = 2  # bytes
LEVELS = (torch.arange(ONE + 1, dtype=torch.int16).view(torch.half).float().pow(GAMMA) * 255.0 + 0.5).to(torch.uint8)


@dataclass(frozen=True)
class Streams:
    """The residual stream before every layer of one run, (L, T, d) float32."""

    before: NDArray[np.float32]


def fits(layers: int, heads: int, length: int) -> bool:
    """Whether the patterns of all heads on `length` tokens may be kept."""
    return layers * heads * length * length * HALF <= budget.limit()


class Pictures:
    """A tap over the run of one prompt of `length` tokens in a model of `layers` times `heads` heads."""

    def __init__(self, layers: int, heads: int, length: int) -> None:
        self.heads = layers * heads
        shape = (layers, heads, length, length)
        self._patterns = torch.empty(shape, dtype=torch.half) if fits(layers, heads, length) else None  # (L, H, T, T)
        self._streams: list[Tensor] = []
        self._thumbnails: list[Tensor] = []
        self._without_first: list[Tensor] = []

    def __call__(self, name: str, x: Tensor) -> Tensor:
        if name.endswith(".pattern"):
            halves = x[0].half()  # (H, T, T)
            if self._patterns is not None:
                self._patterns[len(self._thumbnails)] = halves
            self._thumbnails.append(thumbnails(halves, self.heads))
            self._without_first.append(self._bare(halves))
        elif self._patterns is None and name.endswith(".resid_pre"):
            self._streams.append(x[0].clone())  # (T, d)
        return x

    def _bare(self, halves: Tensor) -> Tensor:
        """The thumbnails without source 0, (H, S, S)."""
        small = self._thumbnails[-1]
        bare = small.clone() if small.shape[-1] == halves.shape[-1] else halves.clone()
        bare[..., 0] = 0
        return bare if bare.dtype == torch.uint8 else thumbnails(bare, self.heads)

    @property
    def patterns(self) -> NDArray[np.float16] | None:
        """(L, H, T, T); None where they are too many to be kept."""
        return None if self._patterns is None else frozen(self._patterns)

    @property
    def streams(self) -> Streams | None:
        """What stands in for the patterns where they are not kept."""
        return None if self._patterns is not None else Streams(frozen(torch.stack(self._streams)))

    @property
    def thumbnails(self) -> NDArray[np.uint8]:
        """(L, H, S, S)"""
        return frozen(torch.stack(self._thumbnails))

    @property
    def without_first(self) -> NDArray[np.uint8]:
        """(L, H, S, S), source 0 left out."""
        return frozen(torch.stack(self._without_first))


def signed_thumbnails(differences: Tensor, heads: int) -> Tensor:
    """(H, T, T) from -1 to 1, NaN where there is none, to (H, S, S) bytes: 128 is none, the largest of a block either
    way; sizes and gamma as of `thumbnails`.
    """
    known = differences.nan_to_num(0.0)
    halves = known.relu().half(), known.neg().relu().abs().half()  # abs: a negative zero has bits of its own
    gain, loss = (thumbnails(half, heads).int() for half in halves)  # (H, S, S)
    return torch.where(gain >= loss, 128 + gain * 127 // 255, 128 - loss * 127 // 255).to(torch.uint8)


def thumbnails(patterns: Tensor, heads: int) -> Tensor:
    """(H, T, T) attention of a layer, in half precision, to (H, S, S) bytes; `heads` is how many the model has in all.

    The maximum of a block, as a mean would wash out a stripe.
    """
    length = patterns.shape[-1]
    if heads > MANY_HEADS:
        if length > SMALL_THUMBNAIL:
            patterns = functional.adaptive_max_pool2d(patterns.float(), SMALL_THUMBNAIL).half()  # (H, 48, 48)
    elif length > THUMBNAIL:
        step = math.ceil(length / THUMBNAIL)
        patterns = functional.max_pool2d(patterns.float(), step, ceil_mode=True).half()  # (H, S, S)
    return LEVELS[patterns.view(torch.int16).long()]
