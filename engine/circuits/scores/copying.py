"""The copying score of Olsson et al. 2022, from a run: does a head raise the logit of the token it attends to?"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.circuits.weights.view import Weights
from engine.model.transformer import Attention, Layer, Transformer


class WatchCopying:
    """A tap that measures the copying score of every head of a run on distinct random tokens without BOS.

    The paper: a head's direct-path logits, less their mean, negative ones set to 0; the rise of the attended token
    to that of all tokens in the sample. The ratio that runs from 0 to 0.5, as printed there, is r = attended /
    (attended + all); the score is 4r - 1, so 1 when only the attended token rises and -1 when only others do.

    Read here as: each source's contribution by itself, weighted with the attention it gets, so that a head with no
    match to attend to still shows what it copies. Where attention is one-hot this is the same as the head's output.
    The final norm is folded in and its scale left out.
    """

    def __init__(self, model: Transformer, tokens: Tensor) -> None:
        self.model = model
        unembedding = Weights(model).unembedding  # (d, V)
        self.reading = unembedding.T[tokens] - unembedding.mean(1)  # (B, T, d)
        self.values = torch.empty(0)
        self.layers: list[Tensor] = []

    def __call__(self, name: str, x: Tensor) -> Tensor:
        if name.endswith(".v"):
            self.values = x  # (B, T, H, h)
        if name.endswith(".pattern"):
            self.layers.append(self._score(x, len(self.layers)))
        return x

    def _score(self, pattern: Tensor, number: int) -> Tensor:
        """(B, H, T, T) pattern of a layer to (B, H) scores; NaN for a head that raises no token of the sample."""
        layer, config = self.model.layers[number], self.model.config
        assert isinstance(layer, Layer)
        assert isinstance(layer.attention, Attention)
        W_O = layer.attention.W_O.unflatten(0, (config.heads, config.d_head))  # (H, h, d)
        read = torch.einsum("hed,btd->bhet", W_O, self.reading)  # (B, H, h, T)
        rise = torch.einsum("bjhe,bhet->bhjt", self.values, read).relu().double()  # (B, H, source, token)
        weight = pattern.sum(2).double()  # (B, H, T) attention that each source gets
        attended = (weight * rise.diagonal(dim1=2, dim2=3)).sum(-1)  # (B, H)
        everything = (weight * rise.sum(-1)).sum(-1)  # (B, H)
        return 4 * attended / (attended + everything) - 1

    def scores(self) -> Tensor:
        """(B, N), all heads in layer order."""
        return torch.cat(self.layers, dim=1)
