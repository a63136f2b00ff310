"""Every block type against the gguf package: what it quantises, and for types it cannot write random valid blocks."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type

from engine.model.loaders.gguf.blocks import dequantised
from engine.model.loaders.gguf.file import BLOCK_TYPES

SCALES = {"Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}  # where the halves of a block stand
WRITTEN = ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0")


def theirs(content: bytes, kind: Type) -> np.ndarray:
    dtype = {"F32": np.float32, "F16": np.float16}.get(kind.name, np.uint8)
    return gguf.dequantize(np.frombuffer(content, dtype)[None], kind)[0].astype(np.float32)


def equal(content: bytes, name: str) -> None:
    kind = Type[name]
    ours = dequantised(bytearray(content), BLOCK_TYPES[kind.value]).numpy()
    assert np.array_equal(ours, theirs(content, kind)), name
    assert len(np.unique(ours)) > 20


def test_that_sizes_of_blocks_are_those_of_the_gguf_package() -> None:
    assert {Type(number).name for number in BLOCK_TYPES} == {*WRITTEN, *SCALES}
    for number, block in BLOCK_TYPES.items():
        assert (block.name, block.numbers, block.size) == (Type(number).name, *gguf.GGML_QUANT_SIZES[Type(number)])


@pytest.mark.parametrize("name", WRITTEN)
def test_that_what_the_gguf_package_quantises_comes_back_as_it_says(name: str) -> None:
    values = np.random.default_rng(1).normal(size=(16, 256)).astype(np.float32)
    values[3, :32] = 0.0  # a block without a scale
    values[5] *= 1e4
    equal(gguf.quantize(values, Type[name]).tobytes(), name)


@pytest.mark.parametrize("name", SCALES)
def test_that_random_valid_blocks_come_back_as_the_gguf_package_has_them(name: str) -> None:
    random = np.random.default_rng(2)
    blocks = random.integers(0, 256, (500, BLOCK_TYPES[Type[name].value].size), dtype=np.uint8)
    for at in SCALES[name]:
        blocks[:, at : at + 2] = random.normal(size=500).astype(np.float16)[:, None].view(np.uint8)
    equal(blocks.tobytes(), name)
