"""Small taps that interventions are made of: change an activation by name, hold it at a given value, run and keep.

Nothing here knows which intervention it serves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from engine.model.taps import Capture, chain
from engine.model.transformer import Tap, Transformer

Change = Callable[[Tensor], Tensor]


def edit(changes: Mapping[str, Change]) -> Tap:
    """A tap that passes each named activation through its change and leaves the others alone."""

    def edited(name: str, x: Tensor) -> Tensor:
        change = changes.get(name)
        return x if change is None else change(x)

    return edited


def hold(values: Mapping[str, Tensor]) -> Tap:
    """A tap that puts these values in place of the activations of that name."""
    return lambda name, x: values.get(name, x)


def kept_of(model: Transformer, tokens: Tensor, tap: Tap, wanted: Callable[[str], bool]) -> dict[str, Tensor]:
    """The activations that `wanted` accepts, as they leave `tap`, of one run without the unembedding."""
    capture = Capture(wanted)
    with torch.no_grad():
        model.residual(tokens, chain(tap, capture))
    return capture.kept
