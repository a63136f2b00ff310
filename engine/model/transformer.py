"""The one decoder: every architecture that Headscope opens, with attention spelled out.

Every activation passes through `tap(name, x)`, which may look at it, replace it or stop the run (taps.py);
that single mechanism serves capture, ablation, patching, progress and cancellation. Nothing here knows
about tokens as text, about files, or about what is done with the numbers.

Shapes: B batch, T positions, H heads, K key-value heads, h d_head, d d_model, V vocabulary.
Row-vector convention (Elhage et al. 2021 transposed): x is (B, T, d) and W_OV = W_V W_O acts on the right.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from engine.model.config import ModelConfig

Tap = Callable[[str, Tensor], Tensor]


def untapped(_name: str, x: Tensor) -> Tensor:
    """The tap of a run that nobody watches."""
    return x


class Normalisation(nn.Module):
    """LayerNorm or RMSNorm written out, its scale 1/sigma tapped so that attribution can freeze it."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.kind, self.epsilon = config.norm, config.norm_epsilon
        if self.kind != "none":
            self.weight = nn.Parameter(torch.ones(config.d_model))  # (d)
        if self.kind == "layer":
            self.bias = nn.Parameter(torch.zeros(config.d_model))  # (d)

    def forward(self, x: Tensor, name: str, tap: Tap) -> Tensor:
        if self.kind == "none":
            return x
        if self.kind == "layer":
            x = x - x.mean(-1, keepdim=True)  # (B, T, d)
        scale = tap(f"{name}.scale", (x.pow(2).mean(-1, keepdim=True) + self.epsilon).rsqrt())  # (B, T, 1)
        x = x * scale  # (B, T, d)
        return torch.addcmul(self.bias, x, self.weight) if self.kind == "layer" else x * self.weight


class Attention(nn.Module):
    """One layer of causal heads. Head h owns columns [h*d_head, (h+1)*d_head) of W_Q and those rows of W_O."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        wide, narrow = config.heads * config.d_head, config.kv_heads * config.d_head
        self.W_Q = nn.Parameter(torch.empty(config.d_model, wide))  # (d, H*h)
        self.W_K = nn.Parameter(torch.empty(config.d_model, narrow))  # (d, K*h)
        self.W_V = nn.Parameter(torch.empty(config.d_model, narrow))  # (d, K*h)
        self.W_O = nn.Parameter(torch.empty(wide, config.d_model))  # (H*h, d)
        if config.attention_bias:
            self.b_Q = nn.Parameter(torch.zeros(wide))
            self.b_K = nn.Parameter(torch.zeros(narrow))
            self.b_V = nn.Parameter(torch.zeros(narrow))
        if config.output_bias:
            self.b_O = nn.Parameter(torch.zeros(config.d_model))

    def forward(self, x: Tensor, frame: Frame, name: str, tap: Tap) -> Tensor:
        """(B, T, d) -> (B, T, d)"""
        config, biased = self.config, self.config.attention_bias
        seen = x if frame.places is None else x + frame.places  # (B, T, d)
        q = self._split(affine(seen, self.W_Q, self.b_Q if biased else None))  # (B, T, H, h)
        k = self._per_head(affine(seen, self.W_K, self.b_K if biased else None))  # (B, T, H, h)
        v = self._per_head(affine(x, self.W_V, self.b_V if biased else None))  # (B, T, H, h)
        q, k, v = tap(f"{name}.q", q), tap(f"{name}.k", k), tap(f"{name}.v", v)
        if frame.rotation is not None:
            q, k = frame.rotation.turn(q), frame.rotation.turn(k)
        q = q / math.sqrt(config.d_head)  # here it is cheaper than on the scores
        scores = torch.matmul(q.transpose(1, 2), k.permute(0, 2, 3, 1))  # (B, H, T, T)
        scores = tap(f"{name}.scores", scores.add_(frame.mask))
        pattern = tap(f"{name}.pattern", scores.softmax(-1))  # (B, H, T, T)
        z = torch.matmul(pattern, v.transpose(1, 2)).transpose(1, 2)  # (B, T, H, h)
        z = tap(f"{name}.z", z)
        out = affine(z.flatten(2), self.W_O, self.b_O if config.output_bias else None)  # (B, T, d)
        return tap(f"{name}.attn_out", out)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (-1, self.config.d_head))  # (B, T, H, h)

    def _per_head(self, x: Tensor) -> Tensor:
        """Keys or values as each head sees them: heads that share them get their own copy, to be replaced alone."""
        group = self.config.heads // self.config.kv_heads
        x = self._split(x)  # (B, T, K, h)
        return x.repeat_interleave(group, dim=2) if group > 1 else x  # (B, T, H, h)


class MLP(nn.Module):
    """The layer's MLP; `silu_gated` is the gated form of the llama family."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.W_in = nn.Parameter(torch.empty(config.d_model, config.d_mlp))  # (d, m)
        self.W_out = nn.Parameter(torch.empty(config.d_mlp, config.d_model))  # (m, d)
        if config.activation == "silu_gated":
            self.W_gate = nn.Parameter(torch.empty(config.d_model, config.d_mlp))  # (d, m)
        if config.mlp_bias and config.activation == "silu_gated":
            self.b_gate = nn.Parameter(torch.zeros(config.d_mlp))
        if config.mlp_bias:
            self.b_in = nn.Parameter(torch.zeros(config.d_mlp))
            self.b_out = nn.Parameter(torch.zeros(config.d_model))

    def forward(self, x: Tensor, name: str, tap: Tap) -> Tensor:
        kind, biased = self.config.activation, self.config.mlp_bias
        pre = affine(x, self.W_in, self.b_in if biased else None)  # (B, T, m)
        if kind == "silu_gated":
            post = functional.silu(affine(x, self.W_gate, self.b_gate if biased else None)) * pre  # (B, T, m)
        else:
            post = functional.gelu(pre, approximate="tanh" if kind == "gelu_new" else "none")
        post = tap(f"{name}.mlp_post", post)
        return tap(f"{name}.mlp_out", affine(post, self.W_out, self.b_out if biased else None))  # (B, T, d)


class Layer(nn.Module):
    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.parallel = config.parallel_residual
        self.norm_1 = Normalisation(config)
        self.attention = Attention(config)
        if config.d_mlp:
            self.norm_2 = Normalisation(config)
            self.mlp = MLP(config)
        self.has_mlp = config.d_mlp > 0

    def forward(self, x: Tensor, frame: Frame, name: str, tap: Tap) -> Tensor:
        x = tap(f"{name}.resid_pre", x)  # (B, T, d)
        return self.finish(x, self.attend(x, frame, name, tap), name, tap)

    def attend(self, x: Tensor, frame: Frame, name: str, tap: Tap) -> Tensor:
        """What the layer's attention writes to the stream, from the stream before it; (B, T, d) both."""
        return self.attention(self.norm_1(x, f"{name}.norm_1", tap), frame, name, tap)

    def finish(self, x: Tensor, attended: Tensor, name: str, tap: Tap = untapped) -> Tensor:
        """From the stream before the layer and what its attention writes, (B, T, d) each, to the stream after it."""
        mid = x + attended
        if self.has_mlp:
            mid = mid if self.parallel else tap(f"{name}.resid_mid", mid)
            source = x if self.parallel else mid
            mid = mid + self.mlp(self.norm_2(source, f"{name}.norm_2", tap), name, tap)
        return tap(f"{name}.resid_post", mid)


class Transformer(nn.Module):
    """A causal decoder. Call it with token ids (B, T) to get logits (B, T, V)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.W_E = nn.Parameter(torch.empty(config.vocabulary, config.d_model))  # (V, d)
        if config.positions in ("absolute", "shortformer"):
            self.W_pos = nn.Parameter(torch.empty(config.context, config.d_model))  # (T, d)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm_final = Normalisation(config)
        if not config.tied_unembedding:
            self.W_U = nn.Parameter(torch.empty(config.d_model, config.vocabulary))  # (d, V)

    @property
    def unembedding(self) -> Tensor:
        """(d, V), the transposed embedding when the two are tied."""
        return self.W_E.T if self.config.tied_unembedding else self.W_U

    def residual(self, tokens: Tensor, tap: Tap = untapped) -> Tensor:
        """Token ids (B, T) to the normed final residual stream (B, T, d). Raises ValueError over the context."""
        return self.resume(*self.begin(tokens, tap), 0, tap)

    def begin(self, tokens: Tensor, tap: Tap = untapped) -> tuple[Tensor, Frame]:
        """Token ids (B, T) to the stream before layer 0 (B, T, d), and what every layer needs beside it."""
        config, length = self.config, tokens.shape[1]
        if length > config.context:
            raise ValueError(f"{length} tokens do not fit this model's context of {config.context}")
        x = tap("embed", functional.embedding(tokens, self.W_E))  # (B, T, d)
        positions = tap("positions", torch.arange(length, device=x.device)[None])  # (1, T)
        places = rotation = None
        if config.positions in ("absolute", "shortformer"):
            places = tap("pos", self.W_pos[positions].expand_as(x))  # (B, T, d)
        if config.positions == "absolute" and places is not None:
            x, places = x + places, None
        if config.positions == "rotary":
            rotation = Rotation(config, positions, x)
        mask = torch.full((length, length), -math.inf, dtype=x.dtype, device=x.device).triu(1)  # (T, T)
        if config.positions == "alibi":
            mask = mask + distance_penalty(config, positions).to(x)  # (1 or B, H, T, T)
        return x, Frame(places, rotation, mask)

    def resume(self, x: Tensor, frame: Frame, first: int, tap: Tap = untapped) -> Tensor:
        """The stream before layer `first` (B, T, d) to the normed final stream: a sweep re-uses the layers below."""
        return self.norm_final(self.through(x, frame, range(first, self.config.layers), tap), "final", tap)

    def through(self, x: Tensor, frame: Frame, layers: range, tap: Tap = untapped) -> Tensor:
        """The stream before the first of `layers` (B, T, d) to the stream after the last of them."""
        for number in layers:
            x = self.layers[number](x, frame, str(number), tap)
        return x

    def forward(self, tokens: Tensor, tap: Tap = untapped) -> Tensor:
        return tap("logits", self.residual(tokens, tap) @ self.unembedding)  # (B, T, V)


class Rotation:
    """Rotary positions (Su et al. 2021), in both pairings: halves (i, i + r/2) or neighbours (2i, 2i + 1)."""

    def __init__(self, config: ModelConfig, positions: Tensor, like: Tensor) -> None:
        self.turned, self.interleaved = config.rotary_dim, config.rotary_pairing == "interleaved"
        # float64, or far positions would turn by rounded angles and scores would depend on more than i - j
        steps = torch.arange(0, config.rotary_dim, 2, dtype=torch.float64) / config.rotary_dim  # (r/2)
        angles = positions[..., None, None] * config.rotary_base**-steps  # (1 or B, T, 1, r/2)
        self.cos, self.sin = angles.cos().to(like), angles.sin().to(like)  # (1 or B, T, 1, r/2)

    def turn(self, x: Tensor) -> Tensor:
        """(B, T, heads, h) -> the same, its first `rotary_dim` dimensions turned by the position."""
        turned, kept = x[..., : self.turned], x[..., self.turned :]
        if self.interleaved:
            a, b = turned[..., 0::2], turned[..., 1::2]  # (B, T, heads, r/2)
            turned = torch.stack((a * self.cos - b * self.sin, b * self.cos + a * self.sin), dim=-1).flatten(-2)
        else:
            a, b = turned.chunk(2, dim=-1)
            turned = torch.cat((a * self.cos - b * self.sin, b * self.cos + a * self.sin), dim=-1)
        return torch.cat((turned, kept), dim=-1) if kept.shape[-1] else turned


class Frame(NamedTuple):
    """What is the same for every layer of one run.

    `places` (B, T, d) is the shortformer position term, which queries and keys see and nothing else;
    `mask` (T, T) is -inf where a source comes after its destination, else 0; with ALiBi it is (1 or B, H, T, T) and
    holds the penalty of each distance too.
    """

    places: Tensor | None
    rotation: Rotation | None
    mask: Tensor


def distance_penalty(config: ModelConfig, positions: Tensor) -> Tensor:
    """ALiBi's term of each score, (1 or B, H, T, T): minus the head's slope 2^(-8(n+1)/H) times i - j."""
    slopes = 2.0 ** (-8.0 * torch.arange(1, config.heads + 1, dtype=torch.float64) / config.heads)  # (H)
    distance = (positions[..., :, None] - positions[..., None, :]).double()  # (1 or B, T, T)
    return -slopes[:, None, None] * distance[:, None]


def affine(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x @ weight + bias in one pass over memory."""
    return functional.linear(x, weight.T, bias)
