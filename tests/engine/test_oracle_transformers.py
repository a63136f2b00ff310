"""Our decoder against `transformers` on random weights: logits, every pattern, every layer's input (V26).

`transformers` computes some steps of Llama and GPT-NeoX in float32 whatever the weights are (softmax, RMSNorm, rotary
angles). For float64 its own code runs with those casts widened; for float32 it runs as it is.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from engine.model.loaders.huggingface import from_state_dict
from engine.model.taps import Capture, chain
from tests.engine.oracle_models import V, gpt2, llama, neox, shaken, widened

T = 24


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
