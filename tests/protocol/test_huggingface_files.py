"""Folders of Hugging Face that are damaged, or of a kind that is not read: refused in one line, nothing run.

Whether a good folder is computed rightly, tests/engine/test_huggingface_folders.py asks of transformers.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.model import library
from engine.model.loaders.formats import fingerprint
from engine.model.loaders.huggingface import files
from engine.model.loaders.huggingface import folder as loader
from tests.protocol.tiny_folders import change, good, refused, refused_unopened, tensors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return good(tmp_path / "tiny")


def test_that_a_good_folder_opens_and_is_described(folder: Path) -> None:
    model, tokenizer = loader.load(folder)
    assert torch.isfinite(model(torch.tensor([tokenizer.encode("hello")]))).all()
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\n---\n# Tiny\nlicense: mit\n", "utf-8")
    info = library.describe(library.resolve(str(folder)))
    assert (info.title, info.licence, info.stored) == ("tiny", "apache-2.0", "Hugging Face, F32")
    assert (info.layers, info.heads, info.context, info.vocabulary) == (2, 2, 64, 260)


def test_that_a_file_of_a_folder_stands_for_the_folder(folder: Path) -> None:
    assert library.resolve(str(folder / "model.safetensors")) == library.resolve(str(folder / "config.json")) == folder


def test_that_the_hash_changes_with_weights_and_with_tokenizer(folder: Path) -> None:
    before = fingerprint(folder)
    change(folder / "tokenizer_config.json", bos_token=None)
    between = fingerprint(folder)
    save_file(tensors() | {"model.norm.weight": torch.ones(16)}, folder / "model.safetensors")
    assert len({before, between, fingerprint(folder)}) == 3


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"model_type": "gemma2"}, "soft-capped"),
        ({"model_type": "gemma"}, "scaled"),
        ({"model_type": "mixtral"}, "mixtures of experts"),
        ({"model_type": "mamba"}, "recurrent state"),
        ({"model_type": "bert"}, "not a causal decoder"),
        ({"model_type": "t5"}, "not a causal decoder"),
        ({"model_type": "qwen3"}, "queries and keys"),
        ({"model_type": "phi"}, "share"),
        ({"model_type": "falcon"}, "fused"),
        ({"model_type": "opt"}, "positions that begin at 2"),
        ({"model_type": "bloom"}, "ALiBi"),
        ({"model_type": "my_own"}, "only gpt2, gpt_neox, llama, mistral, qwen2"),
        ({"model_type": None}, "names no model_type"),
        ({"model_type": ["llama"]}, "model_type"),
        ({"num_local_experts": 8}, "mixtures of experts"),
        ({"quantization_config": {"quant_method": "gptq"}}, "GGUF"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "linear"),
        ({"rope_scaling": {"rope_type": "llama3"}}, "llama3"),
        ({"rope_parameters": {"rope_type": "yarn"}}, "yarn"),
        ({"rope_parameters": {"full_attention": {"rope_type": "default"}}}, "layer to layer"),
        ({"rope_scaling": "yarn"}, "rope_scaling"),
        ({"rope_theta": -1.0}, "rope_theta"),
        ({"rope_theta": float("nan")}, "rope_theta"),
        ({"rope_theta": float("inf")}, "rope_theta"),
        ({"hidden_act": "relu"}, "relu"),
        ({"hidden_act": 3}, "hidden_act"),
        ({"hidden_size": "16"}, "hidden_size"),
        ({"hidden_size": 16.0}, "hidden_size"),
        ({"hidden_size": True}, "hidden_size"),
        ({"hidden_size": None}, "lacks 'hidden_size'"),
        ({"hidden_size": -16}, "hidden_size"),
        ({"hidden_size": 10**30}, "hidden_size"),
        ({"hidden_size": 2**31 - 1, "head_dim": 8}, "embedding"),
        ({"num_hidden_layers": 10**9}, "2 layers, not for 1000000000"),
        ({"num_hidden_layers": 1}, "2 layers, not for 1"),
        ({"num_attention_heads": 3, "head_dim": 8}, "W_Q"),
        ({"num_key_value_heads": 3}, "cannot share"),
        ({"head_dim": 7}, "rotary_dim"),
        (
            {"intermediate_size": 2**31 - 1, "head_dim": 2**31 - 2, "num_attention_heads": 2**31 - 1},
            "sizes that no model has",
        ),
        ({"vocab_size": 2**31 - 1}, "embedding"),
        ({"vocab_size": 300}, "embedding"),
        ({"tie_word_embeddings": "yes"}, "tie_word_embeddings"),
        ({"tie_word_embeddings": False}, "W_U"),
        ({"attention_bias": True}, "b_Q"),
        ({"bos_token_id": [1]}, "bos_token_id"),
        ({"rms_norm_eps": "small"}, "rms_norm_eps"),
    ],
)
def test_that_a_configuration_that_is_not_computed_is_refused(folder: Path, fields: dict[str, Any], word: str) -> None:
    if "bos_token_id" in fields:
        (folder / "tokenizer_config.json").unlink()
    change(folder / "config.json", **fields)
    refused(folder, word)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3", "[" * 100_000, '{"a": ' * 100_000, "\xff", "9" * 5000])
@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_that_a_file_that_is_no_json_object_is_refused(folder: Path, file: str, text: str) -> None:
    (folder / file).write_bytes(text.encode("latin-1"))
    refused_unopened(folder, file)


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json", "generation_config.json"])
def test_that_a_file_that_is_far_too_large_is_refused(folder: Path, file: str) -> None:
    (folder / file).write_bytes(b" " * (files.LARGEST_CONFIG + 1))
    refused_unopened(folder, file, "larger than the 1 MB")


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors"])
def test_that_a_file_that_is_missing_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    refused_unopened(folder, "model_type" if file == "config.json" else file)


def test_that_pickled_weights_are_never_opened(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    refused_unopened(folder, "pytorch_model.bin", "never opened", "safetensors")


def test_that_code_beside_the_weights_is_left_alone(folder: Path) -> None:
    (folder / "modeling_tiny.py").write_text("raise SystemExit", encoding="utf-8")
    change(folder / "config.json", auto_map={"AutoModelForCausalLM": "modeling_tiny.Tiny"})
    loader.load(folder)


@pytest.mark.parametrize(
    "name", ["model.layers.0.self_attn.q_norm.weight", "score.weight", "model.layers.x.mlp.up_proj"]
)
def test_that_weights_that_would_be_left_out_are_refused(folder: Path, name: str) -> None:
    save_file(tensors() | {name: torch.ones(8)}, folder / "model.safetensors")
    refused_unopened(folder, name, "leave out")


def test_that_biases_that_the_configuration_does_not_mention_are_refused(folder: Path) -> None:
    save_file(tensors() | {"model.layers.1.self_attn.q_proj.bias": torch.ones(16)}, folder / "model.safetensors")
    refused(folder, "layers.1.attention.b_Q")


def test_that_the_same_weights_under_two_names_are_refused(folder: Path) -> None:
    save_file(tensors() | {"norm.weight": torch.ones(16)}, folder / "model.safetensors")
    refused(folder, "twice")


def test_that_weights_that_are_missing_are_named(folder: Path) -> None:
    fewer = tensors()
    del fewer["model.layers.1.mlp.up_proj.weight"]
    save_file(fewer, folder / "model.safetensors")
    refused(folder, "layers.1.mlp.W_in")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float8_e4m3fn, torch.int8])
def test_that_other_precisions_are_refused(folder: Path, dtype: torch.dtype) -> None:
    save_file({name: tensor.to(dtype) for name, tensor in tensors().items()}, folder / "model.safetensors")
    refused_unopened(folder, "F32, F16, BF16")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_that_weights_that_are_not_finite_are_refused(folder: Path, value: float) -> None:
    weights = tensors()
    weights["model.norm.weight"][3] = value
    save_file(weights, folder / "model.safetensors")
    refused(folder, "not finite", "norm_final.weight")


@pytest.mark.parametrize("shape", [[10**12, 16], [-260, -16], [260, 17], [0, 10**30], [260, 16, 1], [4160], []])
def test_that_shapes_that_lie_are_refused(folder: Path, shape: list[int]) -> None:
    path = folder / "model.safetensors"
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    fields = json.loads(content[8 : 8 + length])
    fields["model.embed_tokens.weight"]["shape"] = shape
    header = json.dumps(fields).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + content[8 + length :])
    refused_unopened(folder, "model.safetensors" if shape[:1] in ([10**12], [-260], [0]) else "embedding")


@pytest.mark.parametrize("shape", [(16, 24), (24, 16, 1), (384,)])
def test_that_weights_of_another_shape_are_refused(folder: Path, shape: tuple[int, ...]) -> None:
    save_file(tensors() | {"model.layers.0.mlp.up_proj.weight": torch.ones(shape)}, folder / "model.safetensors")
    refused(folder, "mlp")


def test_that_headers_are_read_without_torch(folder: Path) -> None:
    code = "import sys; from pathlib import Path; from engine.model.loaders.formats import format_of as f; "
    code += "p = Path(sys.argv[1]); f(p).read_header(p); assert not {'torch', 'tokenizers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True, cwd=Path(__file__).parents[2])


def test_that_weights_on_disk_are_not_held_open(folder: Path) -> None:
    """What was opened is ours alone: the file may change under it."""
    model, tokenizer = loader.load(folder)
    tokens = torch.tensor([tokenizer.encode("hello")])
    before = model(tokens)
    path = folder / "model.safetensors"
    with path.open("r+b") as file:
        file.seek(-4096, os.SEEK_END)
        file.write(b"\xff" * 4096)
    assert torch.equal(model(tokens), before)
    assert load_file(path)
