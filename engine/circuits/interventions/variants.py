"""Many variants of one run as the rows of one batch, branching off before the layer in which they first differ.

Variant v of prompt b is row v * B + b. A `Walk` is the common run, halted before each layer, so that what the variants
share is computed once and only one layer of it is in memory. What a variant changes is a tap; nothing here knows which.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from engine.circuits import budget
from engine.model.taps import Capture, chain
from engine.model.transformer import Frame, Tap, Transformer, untapped


class Run(NamedTuple):
    """What a run of N rows leaves: the normed final stream (N, T, d), and the activations that were asked for."""

    final: Tensor
    kept: Mapping[str, Tensor]


class Walk:
    """A run over tokens (B, T), halted before layer `number`, where the stream is `stream` (B, T, d).

    `kept` holds the activations named in `reads`, as far as the walk has come. `tap` is in force all the way; where it
    changes the stream before a layer, `stream` is what it was before that. Memory: one layer, and what is kept.
    """

    def __init__(self, model: Transformer, tokens: Tensor, reads: Iterable[str] = (), tap: Tap = untapped) -> None:
        self.model, self.tap, self.number = model, tap, 0
        self._reads = Capture(frozenset(reads).__contains__)
        self.stream, self.frame = model.begin(tokens, chain(tap, self._reads))

    @property
    def kept(self) -> dict[str, Tensor]:
        return self._reads.kept

    def step(self, *wanted: str) -> dict[str, Tensor]:
        """Run one layer. Returns its activations `wanted`, named without the layer ("z"), as the tap leaves them."""
        seen = Capture(frozenset(f"{self.number}.{name}" for name in wanted).__contains__)
        layer = self.model.layers[self.number]
        self.stream = layer(self.stream, self.frame, str(self.number), chain(self.tap, seen, self._reads))
        self.number += 1
        return {name.partition(".")[2]: x for name, x in seen.kept.items()}

    def to(self, number: int) -> Walk:
        """Go on to just before a layer."""
        while self.number < number:
            self.step()
        return self

    def branch(self, stream: Tensor, tap: Tap = untapped, kept: Mapping[str, Tensor] | None = None) -> Run:
        """Variants that start here from `stream` (n*B, T, d) and run to the end under `tap` alone.

        What they read of the layers below is the walk's, or theirs where it is given as `kept`.
        """
        count = stream.shape[0] // self.stream.shape[0]
        seen = Capture(self._reads.wanted)
        final = self.model.resume(stream, widened(self.frame, count), self.number, chain(tap, seen))  # (n*B, T, d)
        below = {name: repeated(x, count) for name, x in self.kept.items()}
        return Run(final, below | dict(kept or {}) | seen.kept)


def repeated(x: Tensor, count: int) -> Tensor:
    """(B, ...) to (count * B, ...), variant by variant; a view where B is 1."""
    return x[None].expand(count, *x.shape).flatten(0, 1)


def widened(frame: Frame, count: int) -> Frame:
    """A frame of B rows for count * B; what it shares among rows stays shared."""
    places, rotation, mask = frame
    if places is not None:
        places = repeated(places, count)  # (n*B, T, d)
    if rotation is not None and rotation.cos.shape[0] > 1:
        rotation = copy.copy(rotation)
        rotation.cos, rotation.sin = repeated(rotation.cos, count), repeated(rotation.sin, count)
    if mask.ndim == 4 and mask.shape[0] > 1:
        mask = repeated(mask, count)  # (n*B, H, T, T)
    return Frame(places, rotation, mask)


def each_variant(tap: Tap, rows: int) -> Tap:
    """A tap written for `rows` prompts, applied to every variant by itself, as in a run of its own.

    So values given per prompt fit, and means over the batch do not mix variants.
    """

    def tapped(name: str, x: Tensor) -> Tensor:
        parts = x.split(rows)
        changed = [tap(name, part) for part in parts]
        return x if all(new is old for new, old in zip(changed, parts, strict=True)) else torch.cat(changed)

    return untapped if tap is untapped else tapped


def at_a_time(model: Transformer, tokens: Tensor, total: int) -> int:
    """How many of `total` variants of tokens (B, T) the memory budget lets run together.

    A variant takes about what one layer holds at once: some copies of the stream, of q, k, v and z, of the scores and
    of the MLP's hidden layer.
    """
    config, size = model.config, tokens.shape[1]
    each = 8 * config.d_model + 8 * config.heads * config.d_head + 3 * config.heads * size + 4 * config.d_mlp
    return budget.portion(tokens.numel() * each * model.W_E.element_size(), total)
