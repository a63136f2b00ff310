"""What another run, or another place of the same run, has in the place of what this one has: swaps, paths, moved notes.

What is put in is measured when the tap is made: on the run as the interventions before leave it, and on the other
prompt without any. So a later intervention does not change what an earlier one has put in.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from engine.circuits.interventions.edges import (
    HeadInput,
    PatchInputs,
    Receiver,
    at_places,
    layer_of_receiver,
    outputs,
    received,
    sent,
    written,
)
from engine.circuits.interventions.edits import Change, edit, kept_of
from engine.circuits.interventions.values import MoveNote, PatchPath, Swap
from engine.circuits.interventions.variants import Walk
from engine.model.config import HeadRef
from engine.model.transformer import Tap, Transformer


def swap_tap(model: Transformer, tokens: Tensor, other: Tensor, swap: Swap, watch: Tap) -> Tap:
    """Heads take over z, q, k, v or pattern rows of the run on `other`. tokens (B, T), other (1 or B, T).

    Raises ValueError when the prompts have not the same number of tokens.
    """
    _require_aligned(tokens, other)
    by_layer: dict[str, list[int]] = {}
    for layer, head in swap.heads:
        by_layer.setdefault(f"{layer}.{swap.part}", []).append(head)
    theirs = kept_of(model, other, watch, by_layer.__contains__)
    places = slice(None) if swap.positions is None else list(swap.positions)
    axis = 1 if swap.part == "pattern" else 2  # of the heads: (B, H, T, T) or (B, T, H, h)
    return edit({name: _taken(theirs[name], heads, axis, places) for name, heads in by_layer.items()})


def path_tap(model: Transformer, tokens: Tensor, other: Tensor, path: PatchPath, before: Tap, watch: Tap) -> Tap:
    """The direct edges from the senders to one receiver carry what they carry on `other`, as `exact_paths` noises.

    tokens (B, T), other (1 or B, T). Raises ValueError when the prompts have not the same number of tokens.
    """
    _require_aligned(tokens, other)
    names, config = outputs(path.senders), model.config
    theirs = Walk(model, other, names, watch).to(max(sender.layer for sender in path.senders) + 1).kept
    theirs = {name: x.expand(len(tokens), *x.shape[1:]) for name, x in theirs.items()}
    receiver: Receiver = "logits" if path.receiver is None else HeadInput(path.receiver, path.part)
    layer = layer_of_receiver(config, receiver)
    walk = Walk(model, tokens, names, before).to(layer)
    change = sent(model, path.senders, layer, theirs, walk.kept, walk.stream)  # (B, T, d)
    change = at_places(change, path.positions)
    if not isinstance(receiver, HeadInput):  # behind the last layer nothing but the logits reads the stream
        return edit({f"{config.layers - 1}.resid_post": lambda x: x + change})
    return PatchInputs({receiver: received(model, receiver, walk.stream, change, walk.frame)})


def note_tap(model: Transformer, tokens: Tensor, note: MoveNote, before: Tap) -> Tap:
    """What the senders write at `at` and `to` changes places in what the receivers' keys read. tokens (B, T)."""
    layer = note.receivers[0].layer
    walk = Walk(model, tokens, outputs(note.senders), before).to(layer)
    change = note_moved(model, walk.kept, note.senders, note.at, note.to, torch.zeros_like(walk.stream))
    keys = [HeadInput(head, "k") for head in note.receivers]
    return PatchInputs({key: received(model, key, walk.stream, change, walk.frame) for key in keys})


def note_moved(
    model: Transformer, kept: Mapping[str, Tensor], senders: Collection[HeadRef], at: int, to: int, change: Tensor
) -> Tensor:
    """`change` (B, T, d) and what swapping the senders' outputs at two positions adds to the stream."""
    for sender in senders:
        y = written(model, sender, kept)  # (B, T, d)
        change[:, at] += y[:, to] - y[:, at]
        change[:, to] += y[:, at] - y[:, to]
    return change


def _require_aligned(tokens: Tensor, other: Tensor) -> None:
    ours, theirs = tokens.shape[1], other.shape[1]
    if ours != theirs:
        raise ValueError(
            f"the other prompt has {theirs} tokens and this one {ours}: change words of it until both have {ours}"
        )


def _taken(theirs: Tensor, heads: list[int], axis: int, places: slice | list[int]) -> Change:
    """These heads' activations at these places are those of the other run."""

    def change(x: Tensor) -> Tensor:
        x = x.clone()
        for head in heads:
            x.select(axis, head)[:, places] = theirs.select(axis, head)[:, places]
        return x

    return change
