"""What may happen at a tap: look, replace, or stop. Each is a callable (name, x) -> x, and they compose.

Here are those that look and stop; what replaces is made of interventions (circuits).
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from engine.model.transformer import Tap


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


class Pause:
    """Calls `pause` between layers (`resid_pre` is seen once a layer): it may let others pass, or raise Cancelled."""

    def __init__(self, pause: Callable[[], None]) -> None:
        self.pause = pause

    def __call__(self, name: str, x: Tensor) -> Tensor:
        if name.endswith("resid_pre"):
            self.pause()
        return x


def chain(*taps: Tap) -> Tap:
    """One tap that applies the given ones from left to right."""

    def tapped(name: str, x: Tensor) -> Tensor:
        for tap in taps:
            x = tap(name, x)
        return x

    return tapped
