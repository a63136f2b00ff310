"""Models with random weights, for tests that hold whatever the weights are."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engine.model.config import ModelConfig
from engine.model.transformer import Transformer

SMALL: dict[str, Any] = {
    "layers": 2,
    "heads": 4,
    "kv_heads": 4,
    "d_model": 24,
    "d_head": 6,
    "vocabulary": 19,
    "context": 32,
}

KINDS: dict[str, dict[str, Any]] = {
    "absolute-bare": {"positions": "absolute"},
    "shortformer-bare": {"positions": "shortformer"},
    "shortformer-layer-norm": {"positions": "shortformer", "norm": "layer"},
    "alibi-bare": {"positions": "alibi"},
    "gpt2-like": {
        "positions": "absolute",
        "norm": "layer",
        "d_mlp": 40,
        "activation": "gelu_new",
        "attention_bias": True,
        "output_bias": True,
        "mlp_bias": True,
        "tied_unembedding": True,
    },
    "neox-like": {
        "positions": "rotary",
        "rotary_dim": 4,
        "norm": "layer",
        "d_mlp": 40,
        "activation": "gelu",
        "parallel_residual": True,
        "mlp_bias": True,
    },
    "llama-like": {
        "positions": "rotary",
        "rotary_dim": 6,
        "rotary_pairing": "interleaved",
        "kv_heads": 2,
        "norm": "rms",
        "d_mlp": 40,
        "activation": "silu_gated",
    },
}


def random_model(
    kind: str = "shortformer-bare",
    seed: int = 0,
    scale: float = 0.4,
    dtype: torch.dtype = torch.float64,
    **changes: Any,
) -> Transformer:
    """Weights drawn from a normal distribution of standard deviation `scale`, norm weights around 1."""
    model = Transformer(ModelConfig(**(SMALL | KINDS[kind] | changes))).requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        weight.copy_(scale * torch.randn(weight.shape, generator=generator))
        if name.split(".")[-2:] in (["norm_1", "weight"], ["norm_2", "weight"], ["norm_final", "weight"]):
            weight.add_(1.0)
    return model.to(dtype)


def random_tokens(model: Transformer, rows: int = 2, length: int = 14, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, model.config.vocabulary, (rows, length), generator=generator)


def heads_apart(model: Transformer, z: Tensor, layer: int) -> Tensor:
    """(B, T, H, h) to what each head writes, (B, T, H, d)."""
    W_O = model.layers[layer].attention.W_O.unflatten(0, (model.config.heads, -1))  # (H, h, d)
    return torch.einsum("bthe,hed->bthd", z, W_O)
