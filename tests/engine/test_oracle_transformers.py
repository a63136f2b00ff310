"""Our decoder against `transformers` on random weights: logits, every pattern, every layer's input (V26).

`transformers` computes some steps of Llama and GPT-NeoX in float32 whatever the weights are (softmax, RMSNorm, rotary
angles). For float64 its own code runs with those casts widened; for float32 it runs as it is.
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel

from engine.model.loaders.huggingface.families import from_state_dict
from engine.model.taps import Capture, chain
from tests.engine.oracle_models import MODELS, Recipe, V, gpt2, llama, mistral, neox, qwen2, shaken, widened

T = 24


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
        ({"model_type": "bert"}, "decoder"),
        ({"model_type": "brand_new"}, "only gpt2, gpt_neox, llama"),
        ({"scale_attn_by_inverse_layer_idx": True}, "scaled by layer"),
        ({"scale_attn_weights": False}, "not scaled"),
        ({"activation_function": "relu"}, "relu"),
        ({"n_layer": 4}, "layers.3"),
        ({"n_layer": 2}, "layers.2"),
        ({"n_inner": 7}, "mlp.W_in"),
        ({"n_head": 5}, "c_attn|W_Q"),
    ],
)
def test_that_what_cannot_be_computed_exactly_is_refused_in_one_line(changes: dict[str, object], named: str) -> None:
    make, config = gpt2()
    with pytest.raises(ValueError, match=named) as refused:
        from_state_dict(config.to_dict() | changes, make(config).state_dict())
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("kind", ["linear", "dynamic", "llama3", "yarn", "longrope"])
def test_that_scaled_rotary_positions_are_refused(kind: str) -> None:
    make, config = llama()
    values, weights = config.to_dict(), make(config).state_dict()
    older = values | {"rope_parameters": None, "rope_scaling": {"type": kind, "factor": 2.0}}
    newer = values | {"rope_parameters": {"rope_type": kind, "factor": 2.0}}
    for stated in (older, newer):
        with pytest.raises(ValueError, match=kind):
            from_state_dict(stated, weights)


@pytest.mark.parametrize(
    "recipe",
    [
        mistral(sliding_window=20),
        qwen2(use_sliding_window=True, sliding_window=20, max_window_layers=2),
    ],
    ids=["mistral", "qwen2"],
)
def test_that_a_prompt_is_as_long_as_the_window_and_no_longer(recipe: Recipe) -> None:
    """Up to there attention in a window is plain attention; one token more and it is not."""
    model = shaken(*recipe, dtype=torch.float32)
    ours = from_state_dict(model.config.to_dict(), model.state_dict())
    assert ours.config.context == 20
    tokens = torch.randint(0, V, (1, 21), generator=torch.Generator().manual_seed(2))
    for theirs, mine in compared(model, tokens[:, :20]):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)
    with torch.inference_mode():
        longer = model(tokens, output_attentions=True).attentions[-1]
    assert (longer[..., 20, 0] == 0).all() and (longer[..., 20, 1] > 0).all()


@pytest.mark.parametrize(
    ("recipe", "changes", "context"),
    [
        (mistral(), {"sliding_window": None}, 131_072),
        (mistral(), {}, 4096),
        (qwen2(), {"use_sliding_window": False, "sliding_window": 20}, 32_768),
        (qwen2(), {"use_sliding_window": True, "sliding_window": 20, "max_window_layers": 3}, 32_768),
    ],
)
def test_that_a_window_that_is_not_used_costs_nothing(recipe: Recipe, changes: dict[str, object], context: int) -> None:
    make, config = recipe
    values = {name: value for name, value in config.to_dict().items() if name not in ("sliding_window", "layer_types")}
    assert from_state_dict(values | changes, make(config).state_dict()).config.context == context
