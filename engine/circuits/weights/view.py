"""The weights of a model as circuits are read off them: a view, the model's own tensors never change.

`raw` is what the file holds. `folded` is what a head effectively reads and writes: the norm's weight and bias go into
whatever reads the stream; for LayerNorm readers and writers are also made blind to the stream's mean, which that norm
removes; value biases move to the layer's output bias, because attention sums to one. Only the norms' positive scale per
position is left out. RMSNorm does not remove the mean, so there nothing is centred.

V vocabulary, P context, d d_model, H heads, h d_head; (..., d, h) is (d, h) for one head and (H, d, h) for a layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.model.config import HeadRef
from engine.model.transformer import Attention, Layer, Normalisation, Transformer


@dataclass(frozen=True)
class HeadWeights:
    """What a head, or every head of a layer, reads and writes; a bias that the model lacks is zero.

    W_Q, W_K, W_V (..., d, h); b_Q, b_K, b_V (..., h); W_O (..., h, d).
    """

    W_Q: Tensor
    W_K: Tensor
    W_V: Tensor
    W_O: Tensor
    b_Q: Tensor
    b_K: Tensor
    b_V: Tensor


class Weights:
    """One view of a model: `Weights(model)` is folded, `Weights(model, folded=False)` raw."""

    def __init__(self, model: Transformer, folded: bool = True) -> None:
        self.model, self.config, self.folded = model, model.config, folded
        self._centred = folded and model.config.norm == "layer"

    def head(self, head: HeadRef) -> HeadWeights:
        """One head. Grouped heads share their keys and values. Memory 4 d h."""
        return self._heads(head.layer, range(head.head, head.head + 1), squeeze=True)

    def layer(self, number: int) -> HeadWeights:
        """Every head of a layer. Memory 4 H d h."""
        return self._heads(number, range(self.config.heads), squeeze=False)

    def output_bias(self, number: int) -> Tensor:
        """(d): what the attention of a layer writes at every position, whatever it attends to."""
        attention = attention_of(self.model, number)
        bias = attention.b_O if self.config.output_bias else self.model.W_E.new_zeros(self.config.d_model)
        if self.folded:
            norm, heads = layer_of(self.model, number).norm_1, range(self.config.heads)
            _, b_V = self._reader(norm, attention.W_V, self._bias(attention, "b_V"), self._shared(heads))
            bias = bias + b_V.flatten() @ attention.W_O
        return self._writer(bias)

    @property
    def embedding(self) -> Tensor:
        """(V, d)"""
        return self._writer(self.model.W_E)

    @property
    def places(self) -> Tensor:
        """(P, d): position embeddings as they stand in the stream. Raises ValueError for a model without them."""
        if self.config.positions not in ("absolute", "shortformer"):
            kind = self.config.positions
            raise ValueError(f"this model's positions are {kind}: positional circuits need absolute or shortformer")
        return self._writer(self.model.W_pos)

    @property
    def unembedding(self) -> Tensor:
        """(d, V), not centred over the vocabulary."""
        return folded(self.model.norm_final, self.model.unembedding) if self.folded else self.model.unembedding

    @property
    def unembedding_bias(self) -> Tensor:
        """(V)"""
        norm, unembedding = self.model.norm_final, self.model.unembedding
        return norm.bias @ unembedding if self._centred else unembedding.new_zeros(unembedding.shape[1])

    def position_reads(self, head: HeadRef) -> tuple[Tensor, Tensor]:
        """(P, h), (P, h): what the head's queries and keys read from each absolute position.

        Shortformer positions join behind the norm, so the head's raw weights read them.
        Raises ValueError for a model without position embeddings.
        """
        view = Weights(self.model, folded=False) if self.config.positions == "shortformer" else self
        places, weights = view.places, view.head(head)  # (P, d)
        return places @ weights.W_Q, places @ weights.W_K

    def _heads(self, number: int, heads: range, squeeze: bool) -> HeadWeights:
        attention, norm = attention_of(self.model, number), layer_of(self.model, number).norm_1
        shared = self._shared(heads)
        W_Q, b_Q = self._reader(norm, attention.W_Q, self._bias(attention, "b_Q"), list(heads))
        W_K, b_K = self._reader(norm, attention.W_K, self._bias(attention, "b_K"), shared)
        W_V, b_V = self._reader(norm, attention.W_V, self._bias(attention, "b_V"), shared)
        W_O = attention.W_O.unflatten(0, (self.config.heads, -1))[heads.start : heads.stop]  # (n, h, d)
        if self.folded:
            b_V = torch.zeros_like(b_V)  # it is in output_bias
        parts = (W_Q, W_K, W_V, self._writer(W_O), b_Q, b_K, b_V)
        return HeadWeights(*(part[0] for part in parts) if squeeze else parts)

    def _reader(
        self, norm: Normalisation, weight: Tensor, bias: Tensor | None, wanted: list[int]
    ) -> tuple[Tensor, Tensor]:
        """The heads `wanted` of a reader (d, n*h) and its bias (n*h): (len(wanted), d, h), (len(wanted), h)."""
        h = self.config.d_head
        split = weight.unflatten(1, (-1, h))[:, wanted].permute(1, 0, 2)  # (n, d, h)
        zero = weight.new_zeros(len(wanted), h)
        bias = zero if bias is None else bias.unflatten(0, (-1, h))[wanted]  # (n, h)
        if self._centred:
            bias = bias + norm.bias @ split
        return folded(norm, split) if self.folded else split, bias

    def _writer(self, x: Tensor) -> Tensor:
        """(..., d) without its mean where the norms remove it."""
        return x - x.mean(-1, keepdim=True) if self._centred else x

    def _bias(self, attention: Attention, name: str) -> Tensor | None:
        bias: Tensor | None = getattr(attention, name) if self.config.attention_bias else None
        return bias

    def _shared(self, heads: range) -> list[int]:
        """The key-value heads that these heads use."""
        group = self.config.heads // self.config.kv_heads
        return [head // group for head in heads]


def folded(norm: Normalisation, reader: Tensor) -> Tensor:
    """What reads the stream, (..., d, n), with the norm's weight in it and, for LayerNorm, blind to the mean."""
    if norm.kind == "none":
        return reader
    reader = norm.weight[:, None] * reader
    return reader - reader.mean(-2, keepdim=True) if norm.kind == "layer" else reader


def layer_of(model: Transformer, number: int) -> Layer:
    layer = model.layers[number]
    assert isinstance(layer, Layer)
    return layer


def attention_of(model: Transformer, number: int) -> Attention:
    attention = layer_of(model, number).attention
    assert isinstance(attention, Attention)
    return attention
