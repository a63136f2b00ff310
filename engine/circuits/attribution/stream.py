"""What one run wrote to the residual stream, source by source; and how much of it stems from tokens or positions.

Sources are named in model order: `embed`, `pos` (absolute positions only), then for each layer every head (`0.3`), the
attention's output bias (`bias.0`) and the MLP (`mlp.0`), as far as the model has them. They sum to the stream exactly.
Everything is linear here: attention patterns and norm scales are those of the run ("frozen"), nothing is run again.

    kept = Capture((source_taps(model) | ...).__contains__)
    model(tokens, kept)          # in a chain it comes last, so that it sees what interventions left
    stream = Stream(model, kept.kept)

B batch, T positions, S sources, H heads, h d_head, d d_model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from engine.circuits import budget
from engine.circuits.weights.view import Weights, folded, layer_of
from engine.model.config import HeadRef
from engine.model.transformer import Transformer


def source_taps(model: Transformer, layer: int | None = None) -> frozenset[str]:
    """What a run must keep for the sources of the stream before `layer` (None: the final stream); 2 B T d each."""
    layers = range(model.config.layers if layer is None else layer)
    return frozenset({"embed", "pos"}).union(*({f"{n}.z", f"{n}.mlp_out"} for n in layers))


def part_taps(model: Transformer, layer: int | None = None) -> frozenset[str]:
    """What a run must keep for `split_parts` up to the stream before `layer`; memory B H T^2 a layer."""
    layers = range(model.config.layers if layer is None else layer)
    return frozenset({"embed", "pos"}).union(*({f"{n}.pattern", f"{n}.norm_1.scale", f"{n}.mlp_out"} for n in layers))


@dataclass(frozen=True)
class Stream:
    """One prompt of a captured run: row `sample` of its batch.

    Raises ValueError for a row that the run does not have, and names the tap when one is asked for that was not kept.
    """

    model: Transformer
    kept: Mapping[str, Tensor]
    sample: int = 0

    def __post_init__(self) -> None:
        rows = len(kept_tap(self.kept, "embed"))
        if not 0 <= self.sample < rows:
            raise ValueError(f"there is no prompt {self.sample} in a run of {rows}")

    def tap(self, name: str) -> Tensor:
        """One activation of this prompt, without the batch dimension."""
        x = kept_tap(self.kept, name)
        return x[self.sample if len(x) > 1 else 0]  # all rows may share their positions

    def alone(self) -> dict[str, Tensor]:
        """The run as if this prompt had been its whole batch."""
        return {name: self.tap(name)[None] for name in self.kept}

    def scale(self, norm: str) -> Tensor:
        """(T, 1): the scale 1/sigma that a norm had in this run, e.g. of `0.norm_1` or `final`; 1 without norms."""
        if self.model.config.norm == "none":
            return torch.ones_like(self.tap("embed")[:, :1])
        return self.tap(f"{norm}.scale")

    def names(self, layer: int | None = None) -> tuple[str, ...]:
        """The sources of the stream before `layer`, in model order; None: of the final stream."""
        config = self.model.config
        names = ["embed", "pos"] if config.positions == "absolute" else ["embed"]
        for number in range(config.layers if layer is None else layer):
            names += [str(HeadRef(number, head)) for head in range(config.heads)]
            names += [f"bias.{number}"] if config.output_bias else []
            names += [f"mlp.{number}"] if config.d_mlp else []
        return tuple(names)

    def part(self, name: str) -> Tensor:
        """(T, d): what one source wrote at every position."""
        kind, _, number = name.rpartition(".")
        raw = Weights(self.model, folded=False)
        if kind == "mlp":
            return self.tap(f"{number}.mlp_out")  # (T, d)
        if kind == "bias":
            return raw.output_bias(int(number)).expand_as(self.tap("embed"))  # (T, d)
        if kind:
            head = HeadRef.parse(name)
            return self.tap(f"{head.layer}.z")[:, head.head] @ raw.head(head).W_O  # (T, d)
        return self.tap(name)  # (T, d)

    def parts(self, layer: int | None = None) -> Tensor:
        """(S, T, d): every source of `names(layer)`; they sum to the stream. Raises TooLarge over the budget."""
        names, embed = self.names(layer), self.tap("embed")
        budget.require(len(names) * embed.nbytes, "every source of the stream at once (read them one by one)")
        return torch.stack([self.part(name) for name in names])


def kept_tap(kept: Mapping[str, Tensor], name: str) -> Tensor:
    """An activation of a run, or a ValueError that says which tap is missing."""
    if name not in kept:
        raise ValueError(f"the run did not keep {name!r}: capture the taps that this split needs")
    return kept[name]


class Parts(NamedTuple):
    """The stream by origin, (B, T, d) each: what stems linearly from token embeddings, from absolute position
    embeddings, from biases, and from MLPs, whose outputs mix the others and so are an origin of their own."""

    token: Tensor
    position: Tensor
    bias: Tensor
    mlp: Tensor

    @property
    def total(self) -> Tensor:
        """(B, T, d): the stream itself."""
        return self.token + self.position + self.bias + self.mlp


def split_parts(model: Transformer, kept: Mapping[str, Tensor], positions: Tensor | None = None) -> Iterator[Parts]:
    """The stream by origin before every layer in turn, and at last the final stream: layers + 1 results, one at a time.

    Each origin goes through every head's values and outputs with the run's patterns and norm scales, so without MLPs
    this is the path expansion of Elhage et al. 2021 summed by what its paths start from. `positions` (T or B, T, d)
    stands in for the position embeddings of an absolute model (zeros, permuted, shifted): then only `position` differs,
    as patterns, scales and MLP outputs stay those of the run. Elsewhere positions never enter the stream, `position`
    is 0 and giving `positions` is a ValueError. `kept` needs `part_taps`. Memory 4 B T d and one layer's heads.
    """
    config, embed = model.config, kept_tap(kept, "embed")
    if positions is not None and config.positions != "absolute":
        raise ValueError(f"this model's positions are {config.positions}: they are not in the stream to be replaced")
    nothing = torch.zeros_like(embed)  # (B, T, d)
    places = nothing
    if config.positions == "absolute":
        places = (kept_tap(kept, "pos") if positions is None else positions).expand_as(embed)  # (B, T, d)
    parts = Parts(embed, places, nothing, nothing)
    yield parts
    for number in range(config.layers):
        heads = FrozenHeads(model, kept, number)
        token, position, bias, mlp = (part + heads.write(heads.move(part)) for part in parts)  # (B, T, d) each
        bias = bias + heads.write(heads.constant) + Weights(model, folded=False).output_bias(number)  # (B, T, d)
        if config.d_mlp:
            mlp = mlp + kept_tap(kept, f"{number}.mlp_out")  # (B, T, d)
        parts = Parts(token, position, bias, mlp)
        yield parts


class FrozenHeads:
    """The heads of one layer as the linear map they are once patterns and norm scale are those of a run.

    `constant` (B, T, H, h) is what they read out whatever is attended to: value biases, and the norm's bias as values
    read it. `W_O` is (H, h, d). Memory 2 H d h.
    """

    def __init__(self, model: Transformer, kept: Mapping[str, Tensor], number: int) -> None:
        raw, norm = Weights(model, folded=False).layer(number), layer_of(model, number).norm_1
        self.W_V, self.W_O = folded(norm, raw.W_V), raw.W_O  # (H, d, h), (H, h, d)
        self.pattern = kept_tap(kept, f"{number}.pattern")  # (B, H, T, T)
        self.scale = None if norm.kind == "none" else kept_tap(kept, f"{number}.norm_1.scale")  # (B, T, 1)
        b_V = raw.b_V if norm.kind != "layer" else raw.b_V + norm.bias @ raw.W_V  # (H, h)
        # the rows of a pattern that somebody has painted need not sum to one
        self.constant = self.pattern.sum(-1).transpose(1, 2)[..., None] * b_V  # (B, T, H, h)

    def move(self, x: Tensor) -> Tensor:
        """A part of the stream, (B, T, d), to what the heads read out of it, (B, T, H, h)."""
        seen = x if self.scale is None else x * self.scale  # (B, T, d)
        return (self.pattern @ (seen[:, None] @ self.W_V)).transpose(1, 2)  # (B, T, H, h)

    def write(self, z: Tensor) -> Tensor:
        """(B, T, H, h) to what all heads together write, (B, T, d)."""
        return z.flatten(2) @ self.W_O.flatten(0, 1)
