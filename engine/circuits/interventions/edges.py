"""The two ends of a path: who writes into the residual stream, and who reads from it.

A sender's outputs may differ between two runs; a receiver's query, key, value or logits are read anew from a stream to
which such differences are added. Which run, which metric: paths.py and moved_note.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from engine.circuits.interventions.values import Part
from engine.circuits.weights.view import Weights, layer_of
from engine.model.config import HeadRef, ModelConfig
from engine.model.taps import Capture
from engine.model.transformer import Frame, Normalisation, Transformer


class MLPRef(NamedTuple):
    """The MLP of a layer, from 0; written `mlp.4`."""

    layer: int

    def __str__(self) -> str:
        return f"mlp.{self.layer}"


Sender = HeadRef | MLPRef | Literal["embed", "pos"]


class HeadInput(NamedTuple):
    """What a head reads through its query, key or value; written `1.3.k`."""

    head: HeadRef
    part: Part

    def __str__(self) -> str:
        return f"{self.head}.{self.part}"


Receiver = HeadInput | Literal["logits"]


def senders_before(config: ModelConfig, layer: int) -> tuple[Sender, ...]:
    """All that writes into the stream before a layer's attention; `config.layers` for the logits."""
    start: tuple[Sender, ...] = ("embed", "pos") if config.positions == "absolute" else ("embed",)
    layers = [
        (*(HeadRef(number, head) for head in range(config.heads)), *((MLPRef(number),) if config.d_mlp else ()))
        for number in range(layer)
    ]
    return start + tuple(sender for each in layers for sender in each)


def layer_of_sender(sender: Sender) -> int:
    """The layer in which it writes, -1 for the embeddings."""
    return -1 if isinstance(sender, str) else sender.layer


def layer_of_receiver(config: ModelConfig, receiver: Receiver) -> int:
    """The layer before which it reads; `config.layers` for the logits."""
    return receiver.head.layer if isinstance(receiver, HeadInput) else config.layers


def check(config: ModelConfig, senders: Iterable[Sender], receivers: Iterable[Receiver]) -> None:
    """Raises ValueError for what this model does not have, and when no sender writes before a receiver reads."""
    senders, receivers = tuple(senders), tuple(receivers)
    config.require_heads(sender for sender in senders if isinstance(sender, HeadRef))
    config.require_heads(receiver.head for receiver in receivers if isinstance(receiver, HeadInput))
    for sender in senders:
        if sender not in senders_before(config, config.layers):
            raise ValueError(f"this model has no {sender} that writes into the residual stream")
    last = max((layer_of_receiver(config, receiver) for receiver in receivers), default=-1)
    if not any(layer_of_sender(sender) < last for sender in senders):
        raise ValueError("no path: give a sender and a receiver that reads in a later layer than the sender writes")


def places(positions: Iterable[int] | None, length: int) -> tuple[int, ...] | None:
    """The positions at which what is sent shall change; None is everywhere. Raises ValueError beyond the prompt."""
    given = None if positions is None else tuple(positions)
    for position in given or ():
        if not 0 <= position < length:
            raise ValueError(f"there is no position {position}: these prompts have 0 to {length - 1}")
    return given


def output(sender: Sender) -> str:
    """The tap at which a sender's output passes; a head's is what it reads out, before the output projection."""
    if isinstance(sender, str):
        return sender
    return f"{sender.layer}.z" if isinstance(sender, HeadRef) else f"{sender.layer}.mlp_out"


def outputs(senders: Iterable[Sender]) -> frozenset[str]:
    """What a run must keep so that it is known what these senders write."""
    return frozenset(map(output, senders))


def written(model: Transformer, sender: Sender, kept: Mapping[str, Tensor]) -> Tensor:
    """(B, T, d): what a sender writes into the stream in a run that kept its output; for a head without b_O."""
    x = kept[output(sender)]  # (B, T, H, h) for a head, (B, T, d) else
    return x[:, :, sender.head] @ Weights(model, folded=False).head(sender).W_O if isinstance(sender, HeadRef) else x


def sent(
    model: Transformer,
    senders: Iterable[Sender],
    layer: int,
    new: Mapping[str, Tensor],
    old: Mapping[str, Tensor],
    like: Tensor,
) -> Tensor:
    """What the senders that write before `layer` write in the run `new` more than in `old`, (B, T, d) as `like`."""
    total = torch.zeros_like(like)
    for sender in senders:
        if layer_of_sender(sender) < layer:
            total += written(model, sender, new) - written(model, sender, old)
    return total


def at_places(x: Tensor, places: Collection[int] | None) -> Tensor:
    """(N, T, d) with zeros at all other positions; None leaves it as it is."""
    if places is None:
        return x
    kept = torch.zeros_like(x)  # (N, T, d)
    kept[:, list(places)] = x[:, list(places)]
    return kept


def read_anew(norm: Normalisation, stream: Tensor, change: Tensor, frozen: bool) -> Tensor:
    """A norm of the changed stream, (N, T, d). `frozen` keeps the scale of the stream before the change, which makes
    the result linear in it; otherwise the norm is recomputed."""
    scale = Capture(lambda _name: frozen)
    if frozen:
        norm(stream, "", scale)
    return norm(stream + change, "", lambda name, x: scale.kept.get(name, x) if frozen else x)


def project(model: Transformer, receiver: HeadInput, normed: Tensor, frame: Frame) -> Tensor:
    """The receiver's query, key or value from the normed stream (N, T, d), as at its tap: (N, T, h), not yet rotated.

    frame: of the same N rows. Grouped heads share weights, but what is made here is for this head alone.
    """
    weights = Weights(model, folded=False).head(receiver.head)
    matrix, bias = {
        "q": (weights.W_Q, weights.b_Q),
        "k": (weights.W_K, weights.b_K),
        "v": (weights.W_V, weights.b_V),
    }[receiver.part]
    seen = normed if frame.places is None or receiver.part == "v" else normed + frame.places  # (N, T, d)
    return seen @ matrix + bias


def received(
    model: Transformer, receiver: HeadInput, stream: Tensor, change: Tensor, frame: Frame, frozen: bool = False
) -> Tensor:
    """What the receiver makes of the stream before its layer plus a change, both (N, T, d): (N, T, h)."""
    norm = layer_of(model, receiver.head.layer).norm_1
    return project(model, receiver, read_anew(norm, stream, change, frozen), frame)


class PatchOutputs:
    """A tap that replaces what senders put out by what they did in another run, at some positions or (None) at all."""

    def __init__(self, senders: Iterable[Sender], new: Mapping[str, Tensor], places: Collection[int] | None) -> None:
        self.senders, self.new = tuple(senders), new
        self.places = slice(None) if places is None else list(places)

    def __call__(self, name: str, x: Tensor) -> Tensor:
        here = [sender for sender in self.senders if output(sender) == name]
        x = x.clone() if here else x  # (B, T, H, h) or (B, T, d)
        for sender in here:
            head = sender.head if isinstance(sender, HeadRef) else ...
            x[:, self.places, head] = self.new[name][:, self.places, head]
        return x


class PatchInputs:
    """A tap that replaces queries, keys and values of single heads by what was recorded, (N, T, h) each."""

    def __init__(self, recorded: Mapping[HeadInput, Tensor]) -> None:
        self.by_name: dict[str, list[tuple[int, Tensor]]] = {}
        for (head, part), x in recorded.items():
            self.by_name.setdefault(f"{head.layer}.{part}", []).append((head.head, x))

    def __call__(self, name: str, x: Tensor) -> Tensor:
        if name not in self.by_name:
            return x
        x = x.clone()  # (N, T, H, h)
        for head, new in self.by_name[name]:
            x[:, :, head] = new
        return x
