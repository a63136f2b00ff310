"""How much memory one computation may take: large ones work in portions of that size, or say that they cannot.

One number for the process; the window's settings and the command line set it.
"""

from __future__ import annotations

MEGABYTE = 1 << 20
DEFAULT_MEGABYTES = 512

_limit = DEFAULT_MEGABYTES * MEGABYTE


class TooLarge(ValueError):
    """A result that does not fit the budget; the message says what to do."""


def set_limit(megabytes: int) -> None:
    """Raises ValueError below 16 MB, where nothing useful fits."""
    global _limit
    if megabytes < 16:
        raise ValueError(f"a memory budget of {megabytes} MB is too small: give at least 16")
    _limit = megabytes * MEGABYTE


def limit() -> int:
    """Bytes."""
    return _limit


def portion(each: int, total: int) -> int:
    """How many of `total` items of `each` bytes may be worked on at a time: at least 1."""
    return max(1, min(total, _limit // max(1, each)))


def require(size: int, what: str) -> None:
    """Raises TooLarge for a result of `size` bytes over the budget; `what` names it and what to ask instead."""
    if size > _limit:
        raise TooLarge(f"{what} needs {-(-size // MEGABYTE)} MB and the memory budget is {_limit // MEGABYTE} MB")
