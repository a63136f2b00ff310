"""What the weights of a two-layer model have learned by heart of the circuit: three memories, after Bietti et al. 2023.

*Position*: a head's positional circuit puts the place one back first. *Match*: a later head's query of a token puts the
key first that an earlier head wrote for that very token. *Copy*: a head's full OV circuit raises the token it reads
most. Each is a share of places or tokens, by position and token alone, on no prompt; chance is one in as many.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.circuits.weights.factored import Factored
from engine.circuits.weights.ovqk import full_ov, k_composed_qk, positional_qk
from engine.model.config import HeadRef
from engine.model.transformer import Transformer

Grid = list[list[float | None]]


def positions(model: Transformer) -> Grid | None:
    """For each head (L, H) the share of places 1.. whose best place, of those up to it, is the one before; None where
    positions are no embedding."""
    config = model.config
    if config.positions not in ("shortformer", "absolute"):
        return None
    places = torch.arange(config.context)
    later = places > places[:, None]  # (P, P)

    def share(head: HeadRef) -> float:
        best = positional_qk(model, head).block(places, places).masked_fill(later, -torch.inf).argmax(-1)  # (P)
        return float((best[1:] == places[:-1]).float().mean())

    return _grid(model, [share(head) for head in config.all_heads])


def matches(model: Transformer, tokens: Tensor) -> Grid | None:
    """(earlier head, later head) over all heads, (N, N): the share of `tokens` (n) whose query scores its own note
    highest; None in pairs out of order. None for one layer, and for rotary models, where it would differ by distance.
    """
    config = model.config
    if config.layers < 2 or config.positions == "rotary":
        return None
    embedding = model.W_E[tokens]  # (n, d)
    return [
        [
            _diagonal(k_composed_qk(model, reader, writer, embedding=embedding))
            if writer.layer < reader.layer
            else None
            for reader in config.all_heads
        ]
        for writer in config.all_heads
    ]


def copies(model: Transformer, tokens: Tensor) -> Grid:
    """For each head (L, H) the share of `tokens` (n) that its full OV circuit raises most among them; None where the
    head writes nothing."""
    embedding = model.W_E[tokens]  # (n, d)
    circuits = (full_ov(model, head, embedding) for head in model.config.all_heads)  # (n, V) each
    return _grid(model, [_diagonal(Factored(one.left, one.right[:, tokens])) for one in circuits])


def _diagonal(circuit: Factored) -> float | None:
    rates = circuit.diagonal_rates()
    return None if rates is None else rates.top1


def _grid(model: Transformer, values: list[float] | list[float | None]) -> Grid:
    heads = model.config.heads
    return [list(values[start : start + heads]) for start in range(0, len(values), heads)]
