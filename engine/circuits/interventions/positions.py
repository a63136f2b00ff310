"""Positions removed, shuffled or shifted: everywhere, or in what the queries and keys of single heads see of them.

Everywhere is one change where the run begins. In single heads it depends on how the model knows positions: rotary
queries and keys are turned on, ALiBi's term of the scores is exchanged, and where positions are embedded the position
part of the head's input is: for shortformer what joins queries and keys, else all that comes from the position
embedding, also what earlier heads carried of it (a pointer), traced through the attention patterns, norm scales and
MLP outputs of the run without the change (Elhage et al. 2021, frozen attention patterns).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from engine.circuits import budget
from engine.circuits.interventions.edits import Change, edit, hold, kept_of
from engine.circuits.interventions.values import ChangePositions
from engine.model.config import HeadRef, ModelConfig
from engine.model.taps import Capture, chain
from engine.model.transformer import Rotation, Tap, Transformer, distance_penalty

TRACED = (".pattern", ".scale", ".mlp_out")  # held, the rest of a run is linear in the position embedding


def position_tap(model: Transformer, tokens: Tensor, change: ChangePositions, before: Tap) -> Tap:
    """The change as a tap to go behind `before`. tokens (B, T).

    Where positions are embedded, a change in single heads makes two runs and holds the patterns of one, B H T T
    numbers a layer. Raises ValueError for a shift beyond the context, TooLarge over the memory budget.
    """
    config = model.config
    here = _positions(model, tokens, before)  # (1, T)
    if change.how == "shift" and int(here.max()) + change.by >= config.context:
        size = tokens.shape[1]
        raise ValueError(f"{size} tokens shifted by {change.by} do not fit this model's context of {config.context}")
    everywhere = _everywhere(config, tokens.shape[1], change)
    if change.heads is None:
        return everywhere
    heads = _by_layer(change.heads)
    if config.positions in ("absolute", "shortformer"):
        return _read_differently(model, tokens, heads, before, everywhere)
    there = everywhere("positions", here)  # (1, T)
    if config.positions == "rotary":
        turn = Rotation(config, there - here, model.W_E)  # turns of a plane add up
        return edit({f"{n}.{part}": _turned(turn, which) for n, which in heads.items() for part in "qk"})
    term = distance_penalty(config, there) - distance_penalty(config, here)  # (1, H, T, T)
    return edit({f"{n}.scores": _added(term[:, which].to(model.W_E), which, axis=1) for n, which in heads.items()})


def require_order(changes: Iterable[ChangePositions]) -> None:
    """Raises ValueError when positions change again, everywhere or there, after they did in single heads.

    What those heads would then see is not what the change says.
    """
    done: set[HeadRef] = set()
    for change in changes:
        if done and (change.heads is None or done.intersection(change.heads)):
            raise ValueError("change positions everywhere first, then in single heads, and in each head only once")
        done.update(change.heads or ())


def _positions(model: Transformer, tokens: Tensor, before: Tap) -> Tensor:
    """(1, T): the positions that the run would have."""
    kept = Capture(lambda name: name == "positions")
    model.begin(tokens, chain(before, kept))
    return kept.kept["positions"]


def _everywhere(config: ModelConfig, length: int, change: ChangePositions) -> Tap:
    if change.how == "shift":
        return edit({"positions": lambda ids: ids + change.by})
    if change.how == "shuffle":
        order = torch.randperm(length, generator=torch.Generator().manual_seed(change.seed))
        return edit({"positions": lambda ids: ids[:, order]})
    embedded = config.positions in ("absolute", "shortformer")
    return edit({"pos" if embedded else "positions": torch.zeros_like})  # all at one place: no rotation, no distance


def _read_differently(
    model: Transformer, tokens: Tensor, heads: dict[int, list[int]], before: Tap, everywhere: Tap
) -> Tap:
    """What the heads' queries and keys read of the positions, exchanged for what they would read of the changed ones.

    With patterns, scales and MLP outputs held, both runs differ in the position part alone.
    """
    config, (rows, length) = model.config, tokens.shape
    size = config.layers * rows * config.heads * length**2 * model.W_E.element_size()
    budget.require(size, "positions of single heads (fewer or shorter prompts need less)")
    names = {f"{layer}.{part}" for layer in heads for part in "qk"}
    as_is = kept_of(model, tokens, before, lambda name: name in names or name.endswith(TRACED))
    held = hold({name: x for name, x in as_is.items() if name not in names})
    changed = kept_of(model, tokens, chain(before, everywhere, held), names.__contains__)
    changes: dict[str, Change] = {}
    for layer, which in heads.items():
        for name in (f"{layer}.q", f"{layer}.k"):
            part = (changed[name] - as_is[name])[:, :, which]  # (B, T, n, h)
            changes[name] = _added(part, which, axis=2)
    return edit(changes)


def _added(part: Tensor, which: list[int], axis: int) -> Change:
    """Adds `part` to these heads, which are indices of that axis."""
    index = torch.tensor(which)
    return lambda x: x.index_add(axis, index, part.expand(x.shape[0], *part.shape[1:]))


def _turned(turn: Rotation, which: list[int]) -> Change:
    index = torch.tensor(which)
    return lambda x: x.index_copy(2, index, turn.turn(x[:, :, which]))  # (B, T, H, h)


def _by_layer(heads: Sequence[HeadRef]) -> dict[int, list[int]]:
    layers: dict[int, list[int]] = {}
    for layer, head in dict.fromkeys(heads):  # named twice is changed once
        layers.setdefault(layer, []).append(head)
    return layers
