"""The circuit that one position of one run used: what every source of the stream gave every head's query, key, values.

Every head is looked at where it attends most from the destination. Its score there, less the row's mean, is linear in
the sources of its keys (the query as it was) and in those of its query (the keys as they were); the logit that it adds
is linear in the sources of its values. Norm scales and patterns are those of the run, so each is an exact sum, and what
the sources leave of it (query and key biases, ALiBi's penalty, an intervention) is the rest.

Only one row is split, and a head is one product over all sources: far cheaper than the whole score split.
S sources, T keys of the row, H heads, h d_head, d d_model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.circuits import budget
from engine.circuits.attribution.stream import Stream, source_taps
from engine.circuits.weights.view import HeadWeights, Weights
from engine.model.transformer import Rotation, Transformer

TAPS = ("q", "k", "scores", "pattern", "norm_1.scale")


def circuit_taps(model: Transformer) -> frozenset[str]:
    """What a run must keep: its sources, and queries, keys, scores and patterns; memory B H T (2 h + 2 T) a layer."""
    own = (f"{number}.{name}" for number in range(model.config.layers) for name in TAPS)
    return source_taps(model) | {"positions"}.union(own)


@dataclass(frozen=True)
class LayerCircuit:
    """The heads of one layer as readers of the sources `names` before it.

    `source` (H) is the key that each attends to most, the first one only if it attends to nothing else; `attention` (H)
    the weight. `q`, `k`, `v` (S, H) are what the sources add: to the centred score at that key (q, k), to the logit
    through the values (v). `rest` (3, H) is what they leave of each sum, in the order q, k, v.
    """

    names: tuple[str, ...]
    source: Tensor
    attention: Tensor
    q: Tensor
    k: Tensor
    v: Tensor
    rest: Tensor


def trace(stream: Stream, destination: int, reader: Tensor) -> Iterator[LayerCircuit]:
    """Layer by layer. `reader` (d) is what the final stream at `destination` is multiplied with to give the logit.

    The run must have kept `circuit_taps`. Memory S T d: raises TooLarge over the budget.
    """
    names, size = stream.names(), destination + 1
    budget.require(len(names) * size * reader.nbytes, "what every source wrote, all at once")
    parts = torch.stack([stream.part(name)[:size] for name in names])  # (S, T, d)
    for number in range(stream.model.config.layers):
        before = len(stream.names(number))
        yield _Readers(stream, number, size).circuit(names[:before], parts[:before], reader)


class _Readers:
    """The heads of one layer at the last of `size` positions."""

    def __init__(self, stream: Stream, number: int, size: int) -> None:
        self.stream, self.number, self.config = stream, number, stream.model.config
        self.positions = stream.tap("positions")[:size]  # (T)
        self.weights = Weights(stream.model).layer(number)
        q, k = (stream.tap(f"{number}.{name}")[:size].transpose(0, 1) for name in ("q", "k"))  # (H, T, h)
        self.q = self._turned(q, self.positions)[:, -1] / math.sqrt(self.config.d_head)  # (H, h)
        self.k = self._turned(k, self.positions)  # (H, T, h)
        self.row = stream.tap(f"{number}.pattern")[:, size - 1, :size]  # (H, T)
        self.scores = stream.tap(f"{number}.scores")[:, size - 1, :size]  # (H, T)
        self.source = strongest_keys(self.row)  # (H)
        self.heads = torch.arange(self.config.heads)

    def circuit(self, names: tuple[str, ...], parts: Tensor, reader: Tensor) -> LayerCircuit:
        scale = self.stream.scale(f"{self.number}.norm_1")[: parts.shape[1]]  # (T, 1)
        seen = parts * scale  # (S, T, d)
        by_query, by_key = self._scores(seen, self.weights)  # (S, H), (S, H)
        wanted = (self.weights.W_V @ (self.weights.W_O @ reader)[..., None])[..., 0]  # (H, d)
        by_value = torch.einsum("ht,std,hd->sh", self.row, seen, wanted)  # (S, H)
        if self.config.positions == "shortformer":  # they join behind the norm, and no value reads them
            places = self.stream.tap("pos")[None, : parts.shape[1]]  # (1, T, d)
            raw = Weights(self.stream.model, folded=False).layer(self.number)
            own_query, own_key = self._scores(places, raw)  # (1, H), (1, H)
            names = (*names, "pos")
            by_query, by_key = torch.cat((by_query, own_query)), torch.cat((by_key, own_key))
            by_value = torch.cat((by_value, torch.zeros_like(own_key)))
        centred = self.scores[self.heads, self.source] - self.scores.mean(-1)  # (H)
        last = parts.shape[1] - 1
        written = torch.stack([self.stream.part(f"{self.number}.{head}")[last] for head in self.heads.tolist()])
        totals = torch.stack((centred, centred, written @ reader))  # (3, H)
        sums = torch.stack([x.sum(0) for x in (by_query, by_key, by_value)])  # (3, H)
        weight = self.row[self.heads, self.source]  # (H)
        return LayerCircuit(names, self.source, weight, by_query, by_key, by_value, totals - sums)

    def _scores(self, seen: Tensor, weights: HeadWeights) -> tuple[Tensor, Tensor]:
        """What parts (S, T, d) add to the centred score of each head at its source, by its query and by its keys."""
        apart = self.k[self.heads, self.source] - self.k.mean(1)  # (H, h)
        here = self._turned(apart[:, None], -self.positions[-1:])  # (H, 1, h)
        reads = (weights.W_Q @ here.transpose(1, 2))[..., 0] / math.sqrt(self.config.d_head)  # (H, d)
        by_query = seen[:, -1] @ reads.T  # (S, H)
        there = self._turned(self.q[:, None].expand_as(self.k), -self.positions)  # (H, T, h)
        keys = torch.einsum("std,htd->sht", seen, there @ weights.W_K.transpose(1, 2))  # (S, H, T)
        return by_query, keys[:, self.heads, self.source] - keys.mean(-1)

    def _turned(self, x: Tensor, positions: Tensor) -> Tensor:
        """(H, T, h) turned as rotary positions (T) turn; negative ones turn back. As it is in other models."""
        if self.config.positions != "rotary":
            return x
        return Rotation(self.config, positions[None], x).turn(x.transpose(0, 1)[None])[0].transpose(0, 1)


def strongest_keys(row: Tensor) -> Tensor:
    """(H): where each row (H, T) is largest, the first key left out unless nothing else is attended to."""
    bare = row.clone()
    bare[:, 0] = 0.0
    return bare.argmax(-1).where(bare.sum(-1) > 0, 0)
