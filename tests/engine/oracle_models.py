"""Random models as transformers builds them, and its casts widened: what both oracles compare our decoder on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
)

V = 61

Recipe = tuple[type[PreTrainedModel], PreTrainedConfig]


def gpt2(**changes: object) -> Recipe:
    return GPT2LMHeadModel, GPT2Config(vocab_size=V, n_positions=40, n_embd=32, n_layer=3, n_head=4, **changes)


def neox(**changes: object) -> Recipe:
    shape = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48}
    # heads of 16: a quarter of them is two pairs, so that the second pair shows which base and exponent are used
    rotary_pct = changes.pop("rotary_pct", 0.25)
    positions = {"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": rotary_pct}
    return GPTNeoXForCausalLM, GPTNeoXConfig(vocab_size=V, rope_parameters=positions, **shape, **changes)


def llama(**changes: object) -> Recipe:
    shape = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
    return LlamaForCausalLM, LlamaConfig(**{"vocab_size": V, "num_key_value_heads": 4} | shape | changes)


@contextmanager
def widened() -> Iterator[None]:
    """Casts to float32 become casts to float64, in whatever code runs inside."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "float32", torch.float64)
        patch.setattr(torch, "float", torch.float64)
        patch.setattr(torch.Tensor, "float", torch.Tensor.double)
        yield


def shaken(make: type[PreTrainedModel], config: PreTrainedConfig, dtype: torch.dtype) -> PreTrainedModel:
    """Every weight random and large enough that attention is far from uniform, biases and norms too."""
    model = make._from_config(config, attn_implementation="eager").to(dtype).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_((0.3 * torch.randn(weight.shape, generator=generator, dtype=torch.float64)).to(dtype))
            weight.add_(1.0 if weight.ndim == 1 else 0.0)
    return model
