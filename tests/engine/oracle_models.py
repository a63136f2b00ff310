"""Random models as transformers builds them, and its casts widened: what both oracles compare our decoder on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from tokenizers import Tokenizer as Backend
from tokenizers import models, pre_tokenizers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
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


LLAMA_SHAPE = {"vocab_size": V, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
LLAMA_SHAPE |= {"num_key_value_heads": 4, "intermediate_size": 48}


def llama(**changes: object) -> Recipe:
    return LlamaForCausalLM, LlamaConfig(**LLAMA_SHAPE | changes)


def mistral(**changes: object) -> Recipe:
    return MistralForCausalLM, MistralConfig(**LLAMA_SHAPE | changes)


def qwen2(**changes: object) -> Recipe:
    return Qwen2ForCausalLM, Qwen2Config(**LLAMA_SHAPE | changes)


MODELS = {
    "gpt2": gpt2(),
    "gpt2-erf-gelu-wide-mlp": gpt2(activation_function="gelu", n_inner=40, layer_norm_epsilon=1e-3),
    "gpt2-untied": gpt2(tie_word_embeddings=False),
    "neox-quarter-rotary-parallel": neox(),
    "neox-quarter-rotary-sequential": neox(use_parallel_residual=False),
    "neox-full-rotary-parallel": neox(rotary_pct=1.0),
    "neox-full-rotary-sequential": neox(rotary_pct=1.0, use_parallel_residual=False),
    "neox-no-attention-bias": neox(attention_bias=False),
    "neox-fast-gelu": neox(hidden_act="gelu_fast"),
    "llama": llama(),
    "llama-grouped": llama(num_key_value_heads=2),
    "llama-one-key-value-head-tied": llama(num_key_value_heads=1, tie_word_embeddings=True),
    "llama-biases": llama(num_key_value_heads=2, attention_bias=True, mlp_bias=True),
    "llama-wide-heads-other-base": llama(
        head_dim=12, rope_parameters={"rope_type": "default", "rope_theta": 500.0}, rms_norm_eps=1e-3
    ),
    "mistral-grouped-wide-heads": mistral(num_key_value_heads=2, head_dim=12),
    "qwen2-grouped-tied": qwen2(num_key_value_heads=2, tie_word_embeddings=True),
    "qwen2-untied": qwen2(),
}


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


def word_tokenizer(size: int = V) -> str:
    """The tokenizer.json of a model that reads the words w0, w1, ..."""
    backend = Backend(models.WordLevel({f"w{number}": number for number in range(size)}, unk_token="w0"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return backend.to_str()
