"""Whether a model fits this computer's memory, asked before anything of it is read."""

from __future__ import annotations

import psutil

from engine.model.loaders.header import ModelFileError

GIGABYTE = 1e9


def require(size: int, title: str) -> None:
    """Raises ModelFileError when `size` bytes are not free: a computer that swaps is worse than a model not opened."""
    free = psutil.virtual_memory().available
    if size > free:
        needed = f"{title} needs about {size / GIGABYTE:.1f} GB of memory and {free / GIGABYTE:.1f} GB are free"
        raise ModelFileError(f"{needed}: close other programs or take something smaller")
