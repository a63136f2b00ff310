"""Our decoder against `transformers` on random weights: logits, every pattern, every layer's input (V26).

`transformers` computes some steps of Llama and GPT-NeoX in float32 whatever the weights are (softmax, RMSNorm, rotary
angles). For float64 its own code runs with those casts widened; for float32 it runs as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor
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

from engine.model.loaders.huggingface import from_state_dict
from engine.model.taps import Capture, chain

V, T = 61, 24


def gpt2(**changes: object) -> tuple[type[PreTrainedModel], PreTrainedConfig]:
    return GPT2LMHeadModel, GPT2Config(vocab_size=V, n_positions=40, n_embd=32, n_layer=3, n_head=4, **changes)


def neox(**changes: object) -> tuple[type[PreTrainedModel], PreTrainedConfig]:
    shape = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 48}
    # heads of 16: a quarter of them is two pairs, so that the second pair shows which base and exponent are used
    rotary_pct = changes.pop("rotary_pct", 0.25)
    positions = {"rope_type": "default", "rope_theta": 10_000.0, "partial_rotary_factor": rotary_pct}
    return GPTNeoXForCausalLM, GPTNeoXConfig(vocab_size=V, rope_parameters=positions, **shape, **changes)


def llama(**changes: object) -> tuple[type[PreTrainedModel], PreTrainedConfig]:
    shape = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
    return LlamaForCausalLM, LlamaConfig(**{"vocab_size": V, "num_key_value_heads": 4} | shape | changes)


MODELS = {
    "gpt2": gpt2(),
    "gpt2-erf-gelu-wide-mlp": gpt2(activation_function="gelu", n_inner=40, layer_norm_epsilon=1e-3),
    "gpt2-untied": gpt2(tie_word_embeddings=False),
    "neox-quarter-rotary-parallel": neox(),
    "neox-quarter-rotary-sequential": neox(use_parallel_residual=False),
    "neox-full-rotary-parallel": neox(rotary_pct=1.0),
    "neox-full-rotary-sequential": neox(rotary_pct=1.0, use_parallel_residual=False),
    "neox-no-attention-bias": neox(attention_bias=False),
    "llama": llama(),
    "llama-grouped": llama(num_key_value_heads=2),
    "llama-one-key-value-head-tied": llama(num_key_value_heads=1, tie_word_embeddings=True),
    "llama-biases": llama(num_key_value_heads=2, attention_bias=True, mlp_bias=True),
    "llama-wide-heads-other-base": llama(
        head_dim=12, rope_parameters={"rope_type": "default", "rope_theta": 500.0}, rms_norm_eps=1e-3
    ),
}


@contextmanager
def widened() -> Iterator[None]:
    """Their casts to float32 become casts to float64."""
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


def compared(model: PreTrainedModel, tokens: Tensor) -> list[tuple[Tensor, Tensor]]:
    """(theirs, ours): the pattern of every layer, its input stream, and the logits."""
    with torch.inference_mode():
        theirs = model(tokens, output_attentions=True, output_hidden_states=True, use_cache=False)
        patterns, streams = (Capture(lambda name, end=end: name.endswith(end)) for end in (".pattern", ".resid_pre"))
        logits = from_state_dict(model.config.to_dict(), model.state_dict())(tokens, chain(patterns, streams))
    assert len(theirs.attentions) == 3
    pairs = list(zip(theirs.attentions, patterns.kept.values(), strict=True))
    pairs += zip(theirs.hidden_states[:-1], streams.kept.values(), strict=True)  # their last one is after the norm
    return [*pairs, (theirs.logits, logits)]


@pytest.fixture
def tokens() -> Tensor:
    return torch.randint(0, V, (2, T), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("name", MODELS)
def test_that_logits_and_patterns_equal_transformers_in_float64(name: str, tokens: Tensor) -> None:
    with widened():
        pairs = compared(shaken(*MODELS[name], dtype=torch.float64), tokens)
    for theirs, ours in pairs:
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)
    assert (pairs[0][0].max(-1).values[..., 4:] > 0.6).any(), "attention is nearly uniform and would hide errors"


@pytest.mark.parametrize("name", MODELS)
def test_that_logits_and_patterns_equal_transformers_in_float32(name: str, tokens: Tensor) -> None:
    for theirs, ours in compared(shaken(*MODELS[name], dtype=torch.float32), tokens):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_that_configurations_of_older_transformers_are_read_alike() -> None:
    """Before version 5, config.json named the rotary base and share itself."""
    make, config = neox()
    values = config.to_dict()
    del values["rope_parameters"]
    older = values | {"rotary_pct": 0.5, "rotary_emb_base": 500}
    weights = make(config).state_dict()
    assert from_state_dict(older, weights).config.rotary_dim == 8
    assert from_state_dict(older, weights).config.rotary_base == 500.0


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"model_type": "bert"}, "bert"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scale attention"),
        ({"activation_function": "relu"}, "relu"),
        ({"n_layer": 4}, "h.3"),
        ({"n_inner": 7}, "do not fit"),
    ],
)
def test_that_what_cannot_be_computed_exactly_is_refused_in_one_line(changes: dict[str, object], named: str) -> None:
    make, config = gpt2()
    with pytest.raises(ValueError, match=named) as refused:
        from_state_dict(config.to_dict() | changes, make(config).state_dict())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", ["linear", "llama3", "yarn"])
def test_that_scaled_rotary_positions_are_refused(kind: str) -> None:
    make, config = llama()
    values, weights = config.to_dict(), make(config).state_dict()
    older = values | {"rope_parameters": None, "rope_scaling": {"type": kind, "factor": 2.0}}
    newer = values | {"rope_parameters": {"rope_type": kind, "factor": 2.0}}
    for stated in (older, newer):
        with pytest.raises(ValueError, match=kind):
            from_state_dict(stated, weights)
