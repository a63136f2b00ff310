"""Recent answers, kept within a number of bytes: what was asked again is not computed again. No torch, no
Qt.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

LIMIT = 256 * 1024 * 1024  # bytes
SMALL_PARTS = 4096  # bytes counted for an answer beside its arrays, so that answers without any are bounded as well


class RecentRuns:
    """Least recently used answers go first when the arrays inside them exceed `limit` bytes."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.used = 0
        self._kept: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()

    def get(self, key: Hashable) -> Any | None:
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def put(self, key: Hashable, answer: Any) -> None:
        """Keep `answer`, unless it alone exceeds the limit."""
        self._drop(key)
        size = SMALL_PARTS + array_bytes(answer)
        if size > self.limit:
            return
        self._kept[key] = (answer, size)
        self.used += size
        while self.used > self.limit:
            self._drop(next(iter(self._kept)))

    def clear(self) -> None:
        self._kept.clear()
        self.used = 0

    def _drop(self, key: Hashable) -> None:
        _, size = self._kept.pop(key, (None, 0))
        self.used -= size


def array_bytes(answer: Any) -> int:
    """Bytes of the arrays in the fields of a result, and of results inside it; all else is small beside them."""
    if not is_dataclass(answer):
        return 0
    values = (getattr(answer, field.name) for field in fields(answer))
    return sum(value.nbytes if isinstance(value, np.ndarray) else array_bytes(value) for value in values)
