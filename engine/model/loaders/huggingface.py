"""The weights of GPT-2, GPT-NeoX and Llama models, as Hugging Face names and stores them, in our decoder.

Weights are moved and transposed, never changed: nothing is folded or centred. A kind of model that our decoder
does not compute exactly is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from engine.model.config import Activation, ModelConfig
from engine.model.transformer import Transformer

Values = Mapping[str, Any]
Weights = Mapping[str, Tensor]

ACTIVATIONS: dict[str, Activation] = {"gelu": "gelu", "gelu_new": "gelu_new", "gelu_pytorch_tanh": "gelu_new"}


def from_state_dict(values: Values, weights: Weights) -> Transformer:
    """A model from the values of its config.json and its tensors by name, in the tensors' own precision.

    Raises ValueError, one line for the user, when the model is of a kind that cannot be computed exactly, or when
    a tensor is missing or of another shape.
    """
    family = str(values.get("model_type"))
    if family not in FAMILIES:
        raise ValueError(f"models of type {family!r} cannot be read, only {', '.join(FAMILIES)}")
    read_config, read_weights = FAMILIES[family]
    try:
        config = read_config(values)
        ours = read_weights(config, weights)
    except KeyError as missing:
        raise ValueError(f"this {family} model's files lack {missing}") from None
    with torch.device("meta"):
        model = Transformer(config)
    try:
        model.load_state_dict({name: tensor.contiguous() for name, tensor in ours.items()}, assign=True)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise ValueError(f"this {family} model's tensors do not fit its configuration: {first}") from None
    return model


def _gpt2_config(values: Values) -> ModelConfig:
    if values.get("scale_attn_by_inverse_layer_idx") or not values.get("scale_attn_weights", True):
        raise ValueError("GPT-2 models that scale attention by layer, or not at all, cannot be read")
    return ModelConfig(
        layers=values["n_layer"],
        heads=values["n_head"],
        kv_heads=values["n_head"],
        d_model=values["n_embd"],
        d_head=values["n_embd"] // values["n_head"],
        vocabulary=values["vocab_size"],
        context=values["n_positions"],
        d_mlp=values.get("n_inner") or 4 * values["n_embd"],
        positions="absolute",
        norm="layer",
        norm_epsilon=values["layer_norm_epsilon"],
        activation=_activation(values["activation_function"]),
        tied_unembedding=values.get("tie_word_embeddings", True),
        attention_bias=True,
        output_bias=True,
        mlp_bias=True,
    )


def _gpt2_weights(config: ModelConfig, theirs: Weights) -> dict[str, Tensor]:
    """GPT-2 keeps its matrices as (inputs, outputs), as we do, and q, k, v side by side."""
    ours = {"W_E": theirs["transformer.wte.weight"], "W_pos": theirs["transformer.wpe.weight"]}
    for number in range(config.layers):
        name, here = f"transformer.h.{number}", f"layers.{number}"
        for kind, suffix in (("W", "weight"), ("b", "bias")):
            joined = theirs[f"{name}.attn.c_attn.{suffix}"].chunk(3, dim=-1)  # (d, H*h) each, or (H*h)
            ours |= {f"{here}.attention.{kind}_{part}": x for part, x in zip("QKV", joined, strict=True)}
            ours[f"{here}.attention.{kind}_O"] = theirs[f"{name}.attn.c_proj.{suffix}"]
            ours[f"{here}.mlp.{kind}_in"] = theirs[f"{name}.mlp.c_fc.{suffix}"]
            ours[f"{here}.mlp.{kind}_out"] = theirs[f"{name}.mlp.c_proj.{suffix}"]
        ours |= _norm(theirs, f"{name}.ln_1", f"{here}.norm_1") | _norm(theirs, f"{name}.ln_2", f"{here}.norm_2")
    return ours | _norm(theirs, "transformer.ln_f", "norm_final") | _unembedding(config, theirs, "lm_head")


def _rotary_shape(values: Values, d_head: int, base: float, share: float) -> dict[str, Any]:
    """The fields of ModelConfig that GPT-NeoX and Llama write under the same names."""
    return {
        "layers": values["num_hidden_layers"],
        "heads": values["num_attention_heads"],
        "d_model": values["hidden_size"],
        "d_head": d_head,
        "vocabulary": values["vocab_size"],
        "context": values["max_position_embeddings"],
        "d_mlp": values["intermediate_size"],
        "positions": "rotary",
        "rotary_base": base,
        "rotary_dim": int(d_head * share),
    }


def _neox_config(values: Values) -> ModelConfig:
    d_head = values["hidden_size"] // values["num_attention_heads"]
    base, share = _rotary(values, "rotary_emb_base", share=values.get("rotary_pct", 0.25))
    biased = values.get("attention_bias", True)
    return ModelConfig(
        kv_heads=values["num_attention_heads"],
        **_rotary_shape(values, d_head, base, share),
        norm="layer",
        norm_epsilon=values["layer_norm_eps"],
        activation=_activation(values["hidden_act"]),
        parallel_residual=values.get("use_parallel_residual", True),
        tied_unembedding=values.get("tie_word_embeddings", False),
        attention_bias=biased,
        output_bias=biased,
        mlp_bias=True,
    )


def _neox_weights(config: ModelConfig, theirs: Weights) -> dict[str, Tensor]:
    """GPT-NeoX keeps (outputs, inputs), and q, k, v fused as [head, (q, k, v), d_head]."""
    ours = {"W_E": theirs["gpt_neox.embed_in.weight"]}
    for number in range(config.layers):
        name, here = f"gpt_neox.layers.{number}", f"layers.{number}"
        for kind, suffix in (("W", "weight"), ("b", "bias")):
            if kind == "W" or config.attention_bias:
                fused = theirs[f"{name}.attention.query_key_value.{suffix}"].unflatten(0, (config.heads, 3, -1))
                for part, x in zip("QKV", fused.unbind(1), strict=True):  # (H, h, d) each, or (H, h)
                    ours[f"{here}.attention.{kind}_{part}"] = x.flatten(0, 1).T if kind == "W" else x.flatten()
                ours[f"{here}.attention.{kind}_O"] = _turned(theirs[f"{name}.attention.dense.{suffix}"])
            ours[f"{here}.mlp.{kind}_in"] = _turned(theirs[f"{name}.mlp.dense_h_to_4h.{suffix}"])
            ours[f"{here}.mlp.{kind}_out"] = _turned(theirs[f"{name}.mlp.dense_4h_to_h.{suffix}"])
        ours |= _norm(theirs, f"{name}.input_layernorm", f"{here}.norm_1")
        ours |= _norm(theirs, f"{name}.post_attention_layernorm", f"{here}.norm_2")
    # files carry the older name, models that transformers 5 has opened the newer
    unembedding = "embed_out" if "embed_out.weight" in theirs else "lm_head"
    return ours | _norm(theirs, "gpt_neox.final_layer_norm", "norm_final") | _unembedding(config, theirs, unembedding)


def _llama_config(values: Values) -> ModelConfig:
    if values["hidden_act"] != "silu":
        raise ValueError(f"Llama models with the activation {values['hidden_act']!r} cannot be read")
    d_head = values.get("head_dim") or values["hidden_size"] // values["num_attention_heads"]
    base, share = _rotary(values, "rope_theta", share=1.0)
    biased = values.get("attention_bias", False)
    return ModelConfig(
        kv_heads=values.get("num_key_value_heads") or values["num_attention_heads"],
        **_rotary_shape(values, d_head, base, share),
        norm="rms",
        norm_epsilon=values["rms_norm_eps"],
        activation="silu_gated",
        tied_unembedding=values.get("tie_word_embeddings", False),
        attention_bias=biased,
        output_bias=biased,
        mlp_bias=values.get("mlp_bias", False),
    )


def _llama_weights(config: ModelConfig, theirs: Weights) -> dict[str, Tensor]:
    """Llama keeps (outputs, inputs)."""
    ours = {"W_E": theirs["model.embed_tokens.weight"]}
    parts = {f"self_attn.{part}_proj": f"attention.{{}}_{part.upper()}" for part in "qkvo"}
    mlp = {"mlp.up_proj": "mlp.{}_in", "mlp.down_proj": "mlp.{}_out", "mlp.gate_proj": "mlp.{}_gate"}
    for number in range(config.layers):
        name, here = f"model.layers.{number}", f"layers.{number}"
        for their, our in (parts | mlp).items():
            ours[f"{here}.{our.format('W')}"] = theirs[f"{name}.{their}.weight"].T
            if config.mlp_bias if their in mlp else config.attention_bias:
                ours[f"{here}.{our.format('b')}"] = theirs[f"{name}.{their}.bias"]
        ours[f"{here}.norm_1.weight"] = theirs[f"{name}.input_layernorm.weight"]
        ours[f"{here}.norm_2.weight"] = theirs[f"{name}.post_attention_layernorm.weight"]
    return ours | {"norm_final.weight": theirs["model.norm.weight"]} | _unembedding(config, theirs, "lm_head")


def _rotary(values: Values, base_name: str, share: float) -> tuple[float, float]:
    """Base and share of turned dimensions, as transformers 5 writes them (`rope_parameters`) or as 4 did."""
    stated: Values = values.get("rope_parameters") or values.get("rope_scaling") or {}
    kind = stated.get("rope_type", stated.get("type", "default"))
    if kind != "default":
        raise ValueError(f"rotary positions scaled by {kind!r} cannot be read")
    base = stated.get("rope_theta", values.get(base_name, 10_000.0))
    return float(base), float(stated.get("partial_rotary_factor", share))


def _activation(name: str) -> Activation:
    if name not in ACTIVATIONS:
        raise ValueError(f"models with the activation {name!r} cannot be read, only {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]


def _turned(tensor: Tensor) -> Tensor:
    return tensor.T if tensor.ndim == 2 else tensor


def _norm(theirs: Weights, name: str, here: str) -> dict[str, Tensor]:
    return {f"{here}.{part}": theirs[f"{name}.{part}"] for part in ("weight", "bias")}


def _unembedding(config: ModelConfig, theirs: Weights, name: str) -> dict[str, Tensor]:
    return {} if config.tied_unembedding else {"W_U": theirs[f"{name}.weight"].T}


FAMILIES: dict[str, tuple[Callable[[Values], ModelConfig], Callable[[ModelConfig, Weights], dict[str, Tensor]]]] = {
    "gpt2": (_gpt2_config, _gpt2_weights),
    "gpt_neox": (_neox_config, _neox_weights),
    "llama": (_llama_config, _llama_weights),
}
