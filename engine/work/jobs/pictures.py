"""Every head's pattern as the window needs it: in half precision, and as a small picture. Made layer by layer as they
pass, so that never more than one layer is there in full precision.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from engine.work.jobs.running import frozen

THUMBNAIL = 64  # pixels a side at most
MANY_HEADS, SMALL_THUMBNAIL = 256, 48  # their cards are as small as the window draws them
GAMMA = 0.7  # lifts faint attention so that it can be seen
ONE = 0x3C00  # the bits of 1.0 in half precision; those of every weight from 0 to 1 lie below, in order
LEVELS = (torch.arange(ONE + 1, dtype=torch.int16).view(torch.half).float().pow(GAMMA) * 255.0 + 0.5).to(torch.uint8)


class Pictures:
    """A tap over the run of one prompt in a model of `heads` heads in all."""

    def __init__(self, heads: int) -> None:
        self.heads = heads
        self._patterns: list[Tensor] = []
        self._thumbnails: list[Tensor] = []
        self._without_first: list[Tensor] = []

    def __call__(self, name: str, x: Tensor) -> Tensor:
        if name.endswith(".pattern"):
            halves = x[0].half()  # (H, T, T)
            self._patterns.append(halves)
            self._thumbnails.append(thumbnails(halves, self.heads))
            self._without_first.append(self._bare(halves))
        return x

    def _bare(self, halves: Tensor) -> Tensor:
        """The thumbnails without source 0, (H, S, S)."""
        small = self._thumbnails[-1]
        bare = small.clone() if small.shape[-1] == halves.shape[-1] else halves.clone()
        bare[..., 0] = 0
        return bare if bare.dtype == torch.uint8 else thumbnails(bare, self.heads)

    @property
    def patterns(self) -> NDArray[np.float16]:
        """(L, H, T, T)"""
        return frozen(torch.stack(self._patterns))

    @property
    def thumbnails(self) -> NDArray[np.uint8]:
        """(L, H, S, S)"""
        return frozen(torch.stack(self._thumbnails))

    @property
    def without_first(self) -> NDArray[np.uint8]:
        """(L, H, S, S), source 0 left out."""
        return frozen(torch.stack(self._without_first))


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
