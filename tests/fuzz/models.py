"""Small good models of every format, one folder each: what the fuzz tests begin with."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from gguf import GGMLQuantizationType as Type

from engine.model import handbuilt
from tests.engine.gguf_writer import plain_vocabulary, write_gguf
from tests.engine.oracle_models import V, gpt2, llama, qwen2, shaken
from tests.protocol.tiny_folders import good
from tests.protocol.tiny_models import bytes_tokenizer, save_in

CHECKPOINT = Path(__file__).parents[1] / "engine" / "transformerlens_files" / "shortformer"


def write_models(folder: Path) -> None:
    """Each model in a folder of its own below `folder`."""
    for name, recipe, stored in (
        ("gguf-llama", llama(num_key_value_heads=2), Type.F32),
        ("gguf-gpt2", gpt2(), Type.F16),
        ("gguf-qwen2", qwen2(hidden_size=64, intermediate_size=64), Type.Q5_1),
    ):
        (folder / name).mkdir()
        write_gguf(folder / name / "model.gguf", shaken(*recipe, torch.float32), plain_vocabulary(V), stored)
    (folder / "native").mkdir()
    save_in(folder / "native", bytes_tokenizer())
    good(folder / "folder")
    shutil.copytree(CHECKPOINT, folder / "transformerlens")
    (folder / "transformerlens" / "tokenizer.json").write_text(handbuilt.tokenizer().definition, encoding="utf-8")
