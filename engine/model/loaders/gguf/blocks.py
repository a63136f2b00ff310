"""Quantised numbers back to float32: every stored block type of the GGUF files that can be opened.

A block is a scale (and an offset) in half precision and small integers. n blocks are a matrix of bytes (n, size); each
function writes the numbers (n, numbers) in place. The order of operations is that of the format's own description, so
that the floats are equal to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from engine.model.loaders.gguf.file import BlockType


def dequantised(content: bytearray, block: BlockType) -> Tensor:
    """The numbers in `content`, flat, float32. Memory: twice the result at most."""
    if block.numbers == 1:
        return _PLAIN[block.name](content)
    raw = torch.frombuffer(content, dtype=torch.uint8).view(-1, block.size)  # (n, size)
    out = torch.empty(len(raw), block.numbers)  # (n, numbers)
    _QUANTISED[block.name](raw, out)
    return out.flatten()


def _float32(content: bytearray) -> Tensor:
    return torch.frombuffer(content, dtype=torch.float32)


def _float16(content: bytearray) -> Tensor:
    return torch.frombuffer(content, dtype=torch.float16).float()


def _bfloat16(content: bytearray) -> Tensor:
    return torch.frombuffer(content, dtype=torch.bfloat16).float()


def _half(raw: Tensor, at: int) -> Tensor:
    """The half-precision number at a byte of every block, (n, 1) float32."""
    return raw[:, at : at + 2].contiguous().view(torch.float16).float()


def _nibbles(packed: Tensor, out: Tensor) -> None:
    """Bytes (..., b) to out (..., 2 b): all low halves first, then all high ones."""
    half = packed.shape[-1]
    out[..., :half] = packed & 15
    out[..., half:] = packed >> 4


def _q4_0(raw: Tensor, out: Tensor) -> None:
    _nibbles(raw[:, 2:18], out)
    out.sub_(8).mul_(_half(raw, 0))


def _q4_1(raw: Tensor, out: Tensor) -> None:
    _nibbles(raw[:, 4:20], out)
    out.mul_(_half(raw, 0)).add_(_half(raw, 2))


def _fifth_bits(raw: Tensor, at: int) -> Tensor:
    """32 bits, one for each number of a block, as 16 where set, (n, 32)."""
    bits = raw[:, at : at + 4, None] >> torch.arange(8, dtype=torch.uint8)  # (n, 4, 8)
    return ((bits & 1) << 4).flatten(1)


def _q5_0(raw: Tensor, out: Tensor) -> None:
    _nibbles(raw[:, 6:22], out)
    out.add_(_fifth_bits(raw, 2)).sub_(16).mul_(_half(raw, 0))


def _q5_1(raw: Tensor, out: Tensor) -> None:
    _nibbles(raw[:, 8:24], out)
    out.add_(_fifth_bits(raw, 4)).mul_(_half(raw, 0)).add_(_half(raw, 2))


def _q8_0(raw: Tensor, out: Tensor) -> None:
    out.copy_(raw[:, 2:34].view(torch.int8))
    out.mul_(_half(raw, 0))


def _scales_and_offsets(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Of Q4_K and Q5_K: eight 6-bit scales and offsets in twelve bytes, times those of the block; (n, 8, 1) each."""
    low, middle, high = raw[:, 4:8], raw[:, 8:12], raw[:, 12:16]  # (n, 4) each
    scales = torch.cat((low & 63, (high & 15) | ((low >> 6) << 4)), 1)  # (n, 8)
    offsets = torch.cat((middle & 63, (high >> 4) | ((middle >> 6) << 4)), 1)  # (n, 8)
    return (_half(raw, 0) * scales)[..., None], (_half(raw, 2) * offsets)[..., None]


def _q4_k(raw: Tensor, out: Tensor) -> None:
    numbers = out.view(-1, 4, 64)  # (n, 4, 64)
    _nibbles(raw[:, 16:144].unflatten(1, (4, 32)), numbers)
    scales, offsets = _scales_and_offsets(raw)
    out.view(-1, 8, 32).mul_(scales).sub_(offsets)


def _q5_k(raw: Tensor, out: Tensor) -> None:
    numbers = out.view(-1, 4, 64)  # (n, 4, 64)
    _nibbles(raw[:, 48:176].unflatten(1, (4, 32)), numbers)
    bits = raw[:, None, 16:48] >> torch.arange(8, dtype=torch.uint8)[:, None]  # (n, 8, 32)
    scales, offsets = _scales_and_offsets(raw)
    out.view(-1, 8, 32).add_((bits & 1) << 4).mul_(scales).sub_(offsets)


def _q6_k(raw: Tensor, out: Tensor) -> None:
    low, high = raw[:, :128].unflatten(1, (2, 1, 64)), raw[:, 128:192].unflatten(1, (2, 1, 32))
    shifts = torch.arange(0, 8, 2, dtype=torch.uint8)[:, None]  # (4, 1)
    numbers = out.view(-1, 2, 128)  # (n, 2, 128)
    _nibbles(low[:, :, 0], numbers)
    numbers.view(-1, 2, 4, 32).add_(((high >> shifts) & 3) << 4).sub_(32)
    scales = _half(raw, 208) * raw[:, 192:208].view(torch.int8)  # (n, 16)
    out.view(-1, 16, 16).mul_(scales[..., None])


_PLAIN: dict[str, Callable[[bytearray], Tensor]] = {"F32": _float32, "F16": _float16, "BF16": _bfloat16}
_QUANTISED: dict[str, Callable[[Tensor, Tensor], None]] = {
    "Q4_0": _q4_0,
    "Q4_1": _q4_1,
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q8_0": _q8_0,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
    "Q6_K": _q6_k,
}
