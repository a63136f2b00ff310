"""The families of models that are read as Hugging Face stores them: GPT-2, GPT-NeoX, Llama, Mistral, Qwen2.

A kind of model that our decoder does not compute exactly is refused (refusals.py). Must not import torch at the top:
the window lists models before torch is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.model.config import Activation, ModelConfig
from engine.model.loaders.header import ModelFileError
from engine.model.loaders.huggingface.fields import Fields
from engine.model.loaders.huggingface.naming import Naming, Rule, fitted, kept, turned
from engine.model.loaders.huggingface.refusals import refuse_rotary_scaling, refuse_strangers

if TYPE_CHECKING:
    from torch import Tensor

    from engine.model.transformer import Transformer

ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_new": "gelu_new",
    "gelu_fast": "gelu_new",  # the same formula, written in another order
    "gelu_pytorch_tanh": "gelu_new",
}


@dataclass(frozen=True)
class Family:
    """From config.json to our configuration, and from their tensors to ours."""

    config: Callable[[Fields], ModelConfig]
    naming: Naming


def read_config(values: Fields) -> tuple[ModelConfig, Naming]:
    """Raises ModelFileError, with the reason, when a model of that config.json is not computed exactly."""
    kind = values.text("model_type", "")
    refuse_strangers(values, kind, tuple(FAMILIES))
    family = FAMILIES[kind]
    try:
        return family.config(values), family.naming
    except ValueError as error:
        raise ModelFileError(str(error)) from None


def from_state_dict(values: Mapping[str, Any], weights: Mapping[str, Tensor]) -> Transformer:
    """A model from the values of its config.json and its tensors by name, in the tensors' own precision.

    Raises ModelFileError, one line for the user, when the model is of a kind that cannot be computed exactly, or when
    a tensor is missing or of another shape.
    """
    import torch

    from engine.model.transformer import Transformer

    config, naming = read_config(Fields("config.json", values))
    ours = fitted(f"this {values['model_type']} model", config, naming, weights)
    with torch.device("meta"):
        model = Transformer(config)
    model.load_state_dict({name: tensor.contiguous() for name, tensor in ours.items()}, assign=True)
    return model


def _gpt2_config(values: Fields) -> ModelConfig:
    heads, d_model = values.count("n_head"), values.count("n_embd")
    return ModelConfig(
        layers=values.count("n_layer"),
        heads=heads,
        kv_heads=heads,
        d_model=d_model,
        d_head=d_model // heads,
        vocabulary=values.count("vocab_size"),
        context=values.count("n_positions"),
        d_mlp=values.count("n_inner", 4 * d_model),
        positions="absolute",
        norm="layer",
        norm_epsilon=values.number("layer_norm_epsilon"),
        activation=_activation(values.text("activation_function")),
        tied_unembedding=values.flag("tie_word_embeddings", True),
        attention_bias=True,
        output_bias=True,
        mlp_bias=True,
    )


def _rotary_shape(values: Fields, d_head: int, base: float, share: float) -> dict[str, Any]:
    """The fields of ModelConfig that all families with rotary positions write under the same names."""
    return {
        "layers": values.count("num_hidden_layers"),
        "heads": values.count("num_attention_heads"),
        "d_model": values.count("hidden_size"),
        "d_head": d_head,
        "vocabulary": values.count("vocab_size"),
        "context": values.count("max_position_embeddings"),
        "d_mlp": values.count("intermediate_size"),
        "positions": "rotary",
        "rotary_base": base,
        "rotary_dim": int(d_head * share),
        "tied_unembedding": values.flag("tie_word_embeddings", False),
    }


def _neox_config(values: Fields) -> ModelConfig:
    heads = values.count("num_attention_heads")
    base, share = _rotary(values, "rotary_emb_base", share=values.number("rotary_pct", 0.25))
    biased = values.flag("attention_bias", True)
    return ModelConfig(
        kv_heads=heads,
        **_rotary_shape(values, values.count("hidden_size") // heads, base, share),
        norm="layer",
        norm_epsilon=values.number("layer_norm_eps"),
        activation=_activation(values.text("hidden_act")),
        parallel_residual=values.flag("use_parallel_residual", True),
        attention_bias=biased,
        output_bias=biased,
        mlp_bias=True,
    )


def _llama_shape(values: Fields) -> dict[str, Any]:
    """The fields of ModelConfig that Llama, Mistral and Qwen2 have in common."""
    if values.text("hidden_act") != "silu":
        raise ModelFileError(f"models with the gated activation {values.text('hidden_act')[:40]!r} cannot be read")
    heads = values.count("num_attention_heads")
    base, share = _rotary(values, "rope_theta", share=1.0)
    return {
        "kv_heads": values.count("num_key_value_heads", heads),
        **_rotary_shape(values, values.count("head_dim", values.count("hidden_size") // heads), base, share),
        "norm": "rms",
        "norm_epsilon": values.number("rms_norm_eps"),
        "activation": "silu_gated",
    }


def _llama_config(values: Fields) -> ModelConfig:
    biased = values.flag("attention_bias", False)
    return ModelConfig(
        **_llama_shape(values),
        attention_bias=biased,
        output_bias=biased,
        mlp_bias=values.flag("mlp_bias", False),
    )


def _mistral_config(values: Fields) -> ModelConfig:
    shape = _llama_shape(values)
    if not values.is_null("sliding_window"):  # where nothing is said, transformers has a window of 4,096
        shape["context"] = _within_window(values, shape["context"])
    return ModelConfig(**shape)


def _qwen2_config(values: Fields) -> ModelConfig:
    shape = _llama_shape(values)
    default = "sliding_attention" if values.count("max_window_layers", 28) < shape["layers"] else "full_attention"
    if values.flag("use_sliding_window", False) and "sliding_attention" in (values.texts("layer_types") or [default]):
        shape["context"] = _within_window(values, shape["context"])
    return ModelConfig(**shape, attention_bias=True)


def _within_window(values: Fields, context: int) -> int:
    """Attention in a sliding window is plain attention for as long as the prompt fits in it, and ours is plain."""
    return min(context, values.count("sliding_window", 4096))


def _rotary(values: Fields, base_name: str, share: float) -> tuple[float, float]:
    """Base and share of turned dimensions, as transformers 5 writes them (`rope_parameters`) or as 4 did."""
    stated = values.part("rope_parameters" if values.has("rope_parameters") else "rope_scaling")
    refuse_rotary_scaling(stated)
    base = stated.number("rope_theta", values.number(base_name, 10_000.0))
    return base, stated.number("partial_rotary_factor", share)


def _activation(name: str) -> Activation:
    if name not in ACTIVATIONS:
        raise ModelFileError(f"models with the activation {name[:40]!r} cannot be read, only {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def _pair(theirs: str, weight: Rule, bias: str) -> dict[str, Rule]:
    return {f"{theirs}.weight": weight, f"{theirs}.bias": kept(bias)}


def _side_by_side(kind: str) -> Rule:
    """GPT-2 keeps queries, keys and values side by side, (d, 3*H*h), and their biases (3*H*h)."""
    return Rule(tuple(f"attention.{kind}_{part}" for part in "QKV"), lambda x, _config: x.chunk(3, dim=-1))


def _fused(x: Tensor, config: ModelConfig) -> tuple[Tensor, ...]:
    """GPT-NeoX fuses them head by head: [head, (q, k, v), d_head], and then the inputs if it is the matrix."""
    parts = x.unflatten(0, (config.heads, 3, config.d_head)).unbind(1)  # (H, h, d) each, or (H, h)
    return tuple(part.flatten(0, 1).T if part.ndim == 3 else part.flatten() for part in parts)


GPT2 = Naming(
    prefix="transformer.",
    layer="h",
    whole={
        "wte.weight": kept("W_E"),
        "wpe.weight": kept("W_pos"),
        **_pair("ln_f", kept("norm_final.weight"), "norm_final.bias"),
        "lm_head.weight": turned("W_U"),
    },
    each={  # its matrices are (inputs, outputs), as ours are
        "attn.c_attn.weight": _side_by_side("W"),
        "attn.c_attn.bias": _side_by_side("b"),
        **_pair("attn.c_proj", kept("attention.W_O"), "attention.b_O"),
        **_pair("mlp.c_fc", kept("mlp.W_in"), "mlp.b_in"),
        **_pair("mlp.c_proj", kept("mlp.W_out"), "mlp.b_out"),
        **_pair("ln_1", kept("norm_1.weight"), "norm_1.bias"),
        **_pair("ln_2", kept("norm_2.weight"), "norm_2.bias"),
    },
    buffers=frozenset({"attn.bias", "attn.masked_bias"}),
)

NEOX = Naming(
    prefix="gpt_neox.",
    layer="layers",
    whole={
        "embed_in.weight": kept("W_E"),
        **_pair("final_layer_norm", kept("norm_final.weight"), "norm_final.bias"),
        "embed_out.weight": turned("W_U"),  # as files have it
        "lm_head.weight": turned("W_U"),  # as transformers 5 calls it once the model is open
    },
    each={
        **{
            f"attention.query_key_value.{end}": Rule(tuple(f"attention.{kind}_{part}" for part in "QKV"), _fused)
            for end, kind in (("weight", "W"), ("bias", "b"))
        },
        **_pair("attention.dense", turned("attention.W_O"), "attention.b_O"),
        **_pair("mlp.dense_h_to_4h", turned("mlp.W_in"), "mlp.b_in"),
        **_pair("mlp.dense_4h_to_h", turned("mlp.W_out"), "mlp.b_out"),
        **_pair("input_layernorm", kept("norm_1.weight"), "norm_1.bias"),
        **_pair("post_attention_layernorm", kept("norm_2.weight"), "norm_2.bias"),
    },
    buffers=frozenset(
        {"attention.bias", "attention.masked_bias", "attention.rotary_emb.inv_freq", "rotary_emb.inv_freq"}
    ),
)

LLAMA = Naming(
    prefix="model.",
    layer="layers",
    whole={
        "embed_tokens.weight": kept("W_E"),
        "norm.weight": kept("norm_final.weight"),
        "lm_head.weight": turned("W_U"),
    },
    each={
        **_pair("self_attn.q_proj", turned("attention.W_Q"), "attention.b_Q"),
        **_pair("self_attn.k_proj", turned("attention.W_K"), "attention.b_K"),
        **_pair("self_attn.v_proj", turned("attention.W_V"), "attention.b_V"),
        **_pair("self_attn.o_proj", turned("attention.W_O"), "attention.b_O"),
        **_pair("mlp.up_proj", turned("mlp.W_in"), "mlp.b_in"),
        **_pair("mlp.down_proj", turned("mlp.W_out"), "mlp.b_out"),
        **_pair("mlp.gate_proj", turned("mlp.W_gate"), "mlp.b_gate"),
        "input_layernorm.weight": kept("norm_1.weight"),
        "post_attention_layernorm.weight": kept("norm_2.weight"),
    },
    buffers=frozenset({"self_attn.rotary_emb.inv_freq", "rotary_emb.inv_freq"}),
)

FAMILIES: dict[str, Family] = {
    "gpt2": Family(_gpt2_config, GPT2),
    "gpt_neox": Family(_neox_config, NEOX),
    "llama": Family(_llama_config, LLAMA),
    "mistral": Family(_mistral_config, LLAMA),
    "qwen2": Family(_qwen2_config, LLAMA),
}
