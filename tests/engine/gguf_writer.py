"""Models as transformers holds them, written as GGUF files the way llama.cpp's converter writes them.

Names, the turning of Llama's queries and keys and the order of fused tensors are written out here, apart from the
loader.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type
from torch import Tensor
from transformers import PreTrainedModel

Named = Iterator[tuple[str, Tensor]]


def turned_for_neighbours(weight: Tensor, heads: int) -> Tensor:
    """Rows of halves (i, i + h/2) of each head become neighbours (2i, 2i + 1)."""
    return weight.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)


def llama_tensors(model: PreTrainedModel, turned: bool) -> Named:
    config, state = model.config, model.state_dict()
    yield "token_embd.weight", state["model.embed_tokens.weight"]
    yield "output_norm.weight", state["model.norm.weight"]
    if not config.tie_word_embeddings:
        yield "output.weight", state["lm_head.weight"]
    names = {
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    }
    for key, value in state.items():
        if not key.startswith("model.layers."):
            continue
        number, _, rest = key.removeprefix("model.layers.").partition(".")
        name, kind = rest.rsplit(".", 1)
        heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}.get(names[name])
        moved = turned_for_neighbours(value, heads) if turned and heads else value
        yield f"blk.{number}.{names[name]}.{kind}", moved


def gpt2_tensors(model: PreTrainedModel) -> Named:
    state = model.state_dict()
    yield "token_embd.weight", state["transformer.wte.weight"]
    yield "position_embd.weight", state["transformer.wpe.weight"]
    names = {
        "attn.c_attn": "attn_qkv",
        "attn.c_proj": "attn_output",
        "mlp.c_fc": "ffn_up",
        "mlp.c_proj": "ffn_down",
        "ln_1": "attn_norm",
        "ln_2": "ffn_norm",
    }
    for key, value in state.items():
        if key.startswith("transformer.h."):
            number, _, rest = key.removeprefix("transformer.h.").partition(".")
            name, kind = rest.rsplit(".", 1)
            yield f"blk.{number}.{names[name]}.{kind}", value.T if value.ndim == 2 else value
    for kind in ("weight", "bias"):
        yield f"output_norm.{kind}", state[f"transformer.ln_f.{kind}"]


def neox_tensors(model: PreTrainedModel) -> Named:
    state, heads = model.state_dict(), model.config.num_attention_heads
    yield "token_embd.weight", state["gpt_neox.embed_in.weight"]
    yield "output.weight", state["embed_out.weight" if "embed_out.weight" in state else "lm_head.weight"]
    names = {
        "attention.query_key_value": "attn_qkv",
        "attention.dense": "attn_output",
        "mlp.dense_h_to_4h": "ffn_up",
        "mlp.dense_4h_to_h": "ffn_down",
        "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    }
    for key, value in state.items():
        if key.startswith("gpt_neox.layers."):
            number, _, rest = key.removeprefix("gpt_neox.layers.").partition(".")
            name, kind = rest.rsplit(".", 1)
            if name == "attention.query_key_value":  # head by head, made all queries, all keys, all values
                value = value.unflatten(0, (heads, 3, -1)).transpose(0, 1).flatten(0, 2)
            yield f"blk.{number}.{names[name]}.{kind}", value
    for kind in ("weight", "bias"):
        yield f"output_norm.{kind}", state[f"gpt_neox.final_layer_norm.{kind}"]


def metadata(model: PreTrainedModel, writer: gguf.GGUFWriter) -> None:
    config = model.config

    def get(*names: str) -> Any:
        return next(value for name in names if (value := getattr(config, name, None)) is not None)

    writer.add_block_count(get("num_hidden_layers", "n_layer"))
    writer.add_context_length(get("max_position_embeddings", "n_positions"))
    writer.add_embedding_length(get("hidden_size", "n_embd"))
    writer.add_head_count(get("num_attention_heads", "n_head"))
    writer.add_feed_forward_length(4 * config.n_embd if config.model_type == "gpt2" else config.intermediate_size)
    if config.model_type in ("llama", "mistral", "qwen2"):
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    else:
        writer.add_layer_norm_eps(get("layer_norm_epsilon", "layer_norm_eps"))
    if config.model_type == "gpt_neox":
        d_head = config.hidden_size // config.num_attention_heads
        writer.add_rope_dimension_count(int(d_head * config.rope_parameters["partial_rotary_factor"]))
        writer.add_parallel_residual(config.use_parallel_residual)


def write_gguf(
    path: Path, model: PreTrainedModel, vocabulary: dict[str, Any], stored: Type = Type.F32, **values: Any
) -> None:
    """Matrices of whole blocks in the type `stored`, all else in F32. `vocabulary` goes under tokenizer.ggml."""
    kind = model.config.model_type
    architecture = {"gpt_neox": "gptneox", "mistral": "llama"}.get(kind, kind)
    writer = gguf.GGUFWriter(path, architecture)
    metadata(model, writer)
    for key, value in {**values, **{f"tokenizer.ggml.{name}": value for name, value in vocabulary.items()}}.items():
        add(writer, key, value)
    tensors = {
        "gpt2": gpt2_tensors,
        "gpt_neox": neox_tensors,
        "qwen2": lambda model: llama_tensors(model, turned=False),
    }.get(kind, lambda model: llama_tensors(model, turned=True))
    for name, tensor in tensors(model):
        numbers = tensor.detach().float().contiguous().numpy()
        whole = numbers.ndim == 2 and numbers.shape[1] % gguf.GGML_QUANT_SIZES[stored][0] == 0
        type_ = stored if whole else Type.F32
        raw = gguf.quantize(numbers, type_)
        plain = {Type.F32: np.float32, Type.F16: np.float16}.get(type_)
        writer.add_tensor(name, raw if plain is None else raw.astype(plain), raw_dtype=None if plain else type_)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    match value:
        case bool():
            writer.add_bool(key, value)
        case int():
            writer.add_uint32(key, value)
        case float():
            writer.add_float32(key, value)
        case str():
            writer.add_string(key, value)
        case _:
            writer.add_array(key, list(value))


def plain_vocabulary(size: int) -> dict[str, Any]:
    """A byte-level vocabulary of made-up pieces, BOS as id 0."""
    letters = [chr(ord("a") + number % 26) * (1 + number // 26) for number in range(size - 1)]
    return {
        "model": "gpt2",
        "pre": "gpt-2",
        "tokens": ["<bos>", *letters],
        "token_type": [3] + [1] * (size - 1),
        "merges": ["a a"],
        "bos_token_id": 0,
        "add_bos_token": True,
    }
