"""What may happen at a tap: look, replace, or stop. Each is a callable (name, x) -> x, and they compose.

A head is removed at `z`, before the output projection, where heads are still apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

from torch import Tensor

from engine.model.config import HeadRef
from engine.model.transformer import Tap

AblationKind = Literal["zero", "mean"]


class Cancelled(Exception):
    """Raised inside a run that nobody waits for any more."""


class Capture:
    """Keeps the activations whose names `wanted` accepts, e.g. `lambda name: name.endswith(".pattern")`."""

    def __init__(self, wanted: Callable[[str], bool]) -> None:
        self.wanted = wanted
        self.kept: dict[str, Tensor] = {}

    def __call__(self, name: str, x: Tensor) -> Tensor:
        if self.wanted(name):
            self.kept[name] = x
        return x


class AblateHeads:
    """Replaces what the given heads read out (`z`, so also what they write) by zero or by its mean.

    `mean` is over the batch and over positions of the very run, one vector per head.
    """

    def __init__(self, heads: Iterable[HeadRef], kind: AblationKind = "zero") -> None:
        self.kind = kind
        self.by_name: dict[str, list[int]] = {}
        for layer, head in heads:
            self.by_name.setdefault(f"{layer}.z", []).append(head)

    def __call__(self, name: str, x: Tensor) -> Tensor:
        heads = self.by_name.get(name)
        if not heads:
            return x
        x = x.clone()  # (B, T, H, h)
        for head in heads:
            x[:, :, head] = 0.0 if self.kind == "zero" else x[:, :, head].mean(dim=(0, 1))
        return x


class CancelCheck:
    """Stops the run between layers when `cancelled()` is true; `resid_pre` is seen once a layer."""

    def __init__(self, cancelled: Callable[[], bool]) -> None:
        self.cancelled = cancelled

    def __call__(self, name: str, x: Tensor) -> Tensor:
        if name.endswith("resid_pre") and self.cancelled():
            raise Cancelled
        return x


def chain(*taps: Tap) -> Tap:
    """One tap that applies the given ones from left to right."""

    def tapped(name: str, x: Tensor) -> Tensor:
        for tap in taps:
            x = tap(name, x)
        return x

    return tapped
