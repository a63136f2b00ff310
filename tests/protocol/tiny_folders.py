"""A tiny Llama as a folder of Hugging Face, to be spoilt, and what is expected of a spoilt one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from engine.model.loaders.header import ModelFileError
from engine.model.loaders.huggingface import folder as loader
from tests.protocol.tiny_models import bytes_tokenizer

CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 24,
    "vocab_size": 260,
    "max_position_embeddings": 64,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
}
LAYER = {
    "self_attn.q_proj": (16, 16),
    "self_attn.k_proj": (8, 16),
    "self_attn.v_proj": (8, 16),
    "self_attn.o_proj": (16, 16),
    "mlp.up_proj": (24, 16),
    "mlp.gate_proj": (24, 16),
    "mlp.down_proj": (16, 24),
    "input_layernorm": (16,),
    "post_attention_layernorm": (16,),
}


def tensors() -> dict[str, torch.Tensor]:
    shapes = {f"model.layers.{n}.{name}.weight": shape for n in range(2) for name, shape in LAYER.items()}
    shapes |= {"model.embed_tokens.weight": (260, 16), "model.norm.weight": (16,)}
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def good(place: Path) -> Path:
    """A good folder of one file, to be spoilt."""
    place.mkdir()
    (place / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    (place / "tokenizer.json").write_text(bytes_tokenizer().definition, encoding="utf-8")
    (place / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<bos>"}), encoding="utf-8")
    save_file(tensors(), place / "model.safetensors")
    return place


def change(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | fields), encoding="utf-8")


def refused(place: Path, *words: str) -> None:
    """Opening fails with one line that has `words` in it."""
    with pytest.raises(ModelFileError) as caught:
        loader.load(place)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 400, message
    assert all(word in message for word in words), message


def refused_unopened(place: Path, *words: str) -> None:
    """Already its header is refused, so that it is not even listed."""
    refused(place, *words)
    with pytest.raises(ModelFileError):
        loader.read_header(place)
