"""GGUF files that are not what they should be: one line each, and nothing allocated for what a header only claims."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.model import library
from engine.model.loaders.gguf import model as loader
from engine.model.loaders.gguf.file import read_gguf
from engine.model.loaders.header import ModelFileError
from tests.engine.gguf_writer import plain_vocabulary, write_gguf
from tests.engine.oracle_models import V, llama, shaken


def written(folder: Path, vocabulary: dict[str, Any] | None = None, **values: Any) -> Path:
    path = folder / "model.gguf"
    model = shaken(*llama(num_key_value_heads=2), torch.float32)
    write_gguf(path, model, plain_vocabulary(V) | (vocabulary or {}), **values)
    return path


def refused(path: Path, *words: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        loader.load(path)
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def pair(key: str, kind: int, value: bytes) -> bytes:
    return struct.pack("<Q", len(key)) + key.encode() + struct.pack("<I", kind) + value


def start(tensors: int = 0, pairs: int = 0, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, pairs)


HUGE = 10**12
CLAIMS = {
    "tensors": start(tensors=HUGE),
    "pairs": start(pairs=HUGE),
    "a long key": start(pairs=1) + struct.pack("<Q", HUGE),
    "a long string": start(pairs=1) + pair("a", 8, struct.pack("<Q", HUGE)),
    "an array of numbers": start(pairs=1) + pair("a", 9, struct.pack("<IQ", 4, HUGE)),
    "an array of strings": start(pairs=1) + pair("a", 9, struct.pack("<IQ", 8, HUGE)),
    "arrays in arrays": start(pairs=1) + pair("a", 9, struct.pack("<IQ", 9, 1)),
    "a value of no kind": start(pairs=1) + pair("a", 77, b""),
    "a large tensor": start(tensors=1) + struct.pack("<Q1sIQIQ", 1, b"t", 1, HUGE, 0, 0),
    "many dimensions": start(tensors=1) + struct.pack("<Q1sIQIQ", 1, b"t", 10**9, 1, 0, 0),
    "a product that overflows": start(tensors=1) + struct.pack("<Q1sIQQIQ", 1, b"t", 2, 2**63, 2**63, 0, 0),
    "an offset beyond the end": start(tensors=1) + struct.pack("<Q1sIQIQ", 1, b"t", 1, 1, 0, HUGE),
    "alignment nought": start(pairs=1) + pair("general.alignment", 4, struct.pack("<I", 0)),
}


@pytest.mark.parametrize("name", CLAIMS)
def test_that_a_small_file_with_large_claims_is_refused_at_once(name: str) -> None:
    content = CLAIMS[name].ljust(100, b"\0")
    tracemalloc.start()
    with pytest.raises(ModelFileError, match="damaged"):
        read_gguf(io.BytesIO(content), len(content), "small.gguf")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_that_other_files_and_versions_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    for content, word in (
        (b"", "damaged"),
        (b"PK\3\4" + bytes(100), "not a GGUF file"),
        (start(version=1), "version 1"),
    ):
        path.write_bytes(content)
        refused(path, word)
    refused(tmp_path / "none.gguf", "No such file")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"llama.expert_count": 8}, ("mixture of experts",)),
        ({"llama.rope.scaling.type": "yarn"}, ("scaled rotary positions", "yarn")),
        ({"llama.final_logit_softcapping": 30.0}, ("soft-capped logits",)),
        ({"llama.attention.key_length": 6}, ("does not fit",)),
        ({"llama.attention.sliding_window": 0}, ()),
        ({"tokenizer.ggml.model": "t5"}, ("tokenizers of kind 't5'",)),
        ({"tokenizer.ggml.pre": "of-tomorrow"}, ("of-tomorrow", "not known")),
        ({"tokenizer.ggml.token_type": [1, 2]}, ("do not agree",)),
        ({"tokenizer.ggml.merges": ["a b c"]}, ("merges",)),
    ],
)
def test_that_what_cannot_be_computed_exactly_is_refused_with_its_reason(
    tmp_path: Path, values: dict[str, Any], words: tuple[str, ...]
) -> None:
    vocabulary = {key.removeprefix("tokenizer.ggml."): value for key, value in values.items() if "ggml" in key}
    path = written(tmp_path, vocabulary, **{key: value for key, value in values.items() if "ggml" not in key})
    if words:
        refused(path, *words)
    else:
        loader.load(path)


def test_that_a_sliding_window_bounds_the_context(tmp_path: Path) -> None:
    assert loader.load(written(tmp_path, **{"llama.attention.sliding_window": 16}))[0].config.context == 16


def test_that_gemma_and_unheard_of_models_are_refused(tmp_path: Path) -> None:
    content = written(tmp_path).read_bytes()
    for other, words in ((b"gemm2", ("gemm2", "llama")), (b"gemma", ("soft-capped",)), (b"mamba", ("state-space",))):
        path = tmp_path / "other.gguf"
        path.write_bytes(content.replace(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0" + other, 1))
        refused(path, *words)


def test_that_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    content = written(tmp_path).read_bytes()
    path = tmp_path / "cut.gguf"
    for size in [*range(0, 2000, 97), len(content) // 2, len(content) - 200]:
        path.write_bytes(content[:size])
        refused(path)


def test_that_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    content = bytearray(path.read_bytes())
    content[-4:] = struct.pack("<f", float("nan"))
    path.write_bytes(content)
    refused(path, "not finite")


def test_that_spoilt_bytes_never_end_in_anything_else(tmp_path: Path) -> None:
    content, chance = written(tmp_path).read_bytes(), random.Random(0)
    path = tmp_path / "spoilt.gguf"
    refusals = 0
    for _ in range(150):
        spoilt = bytearray(content)
        for _ in range(chance.randint(1, 4)):
            spoilt[chance.randrange(4000)] = chance.randrange(256)
        path.write_bytes(spoilt)
        try:
            loader.read_header(path)
            loader.load(path)
        except ModelFileError:
            refusals += 1
    assert refusals > 50


def test_that_a_file_or_a_folder_with_one_is_a_model_and_the_users_own_are_listed(
    tmp_path: Path, headscope_home: Path
) -> None:
    path = written(tmp_path)
    assert library.resolve(str(path)) == library.resolve(str(tmp_path)) == path
    mine = headscope_home / "models"
    mine.mkdir()
    (mine / "mine.gguf").write_bytes(path.read_bytes())
    info = next(info for info in library.listing() if info.name == "mine")
    assert (info.layers, info.heads, info.stored, info.ships) == (3, 4, "GGUF, F32", False)
    assert info.memory > 4 * info.parameters
    (tmp_path / "second.gguf").write_bytes(path.read_bytes())
    with pytest.raises(ModelFileError, match="2 GGUF files"):
        library.resolve(str(tmp_path))
