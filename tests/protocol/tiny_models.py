"""Tiny random models as files: what the engine and the command line are tried on without any training."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers

from engine.model.config import ModelConfig
from engine.model.loaders import native
from engine.model.tokenizer import Tokenizer
from engine.model.transformer import Transformer


def random_model(tokenizer: Tokenizer, context: int = 32) -> Transformer:
    torch.manual_seed(0)
    config = ModelConfig(
        layers=2, heads=2, kv_heads=2, d_model=16, d_head=8, vocabulary=tokenizer.size, context=context
    )
    model = Transformer(config)
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.5)
    return model


def bytes_tokenizer() -> Tokenizer:
    """Byte-level, one token a byte, BOS as id 0."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Backend(models.BPE({"<bos>": 0} | {c: place for place, c in enumerate(alphabet, 1)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["<bos>"])
    return Tokenizer(backend.to_str(), bos=0, prepend_bos=True)


def save_in(folder: Path, tokenizer: Tokenizer) -> Path:
    native.save(folder / "model.safetensors", random_model(tokenizer), tokenizer)
    return folder
