"""The header of a GGUF file: metadata and where each tensor lies, every count checked against the file first.

Reads a stream from front to back, so that the file may lie inside an archive. Must not import torch.
Source: the GGUF specification, versions 2 and 3, little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import IO, Any

from engine.model.loaders.header import ModelFileError

MAGIC, VERSIONS = b"GGUF", (2, 3)
CHUNK = 1 << 20
LONGEST_NAME = 1 << 16  # bytes of a key or of a tensor's name
MOST_DIMENSIONS = 4
LENGTH = struct.Struct("<Q")
STRING, ARRAY = 8, 9
SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}


@dataclass(frozen=True)
class BlockType:
    """How numbers of one type are stored: `numbers` of them in each block of `size` bytes."""

    name: str
    numbers: int
    size: int


BLOCK_TYPES = {
    0: BlockType("F32", 1, 4),
    1: BlockType("F16", 1, 2),
    2: BlockType("Q4_0", 32, 18),
    3: BlockType("Q4_1", 32, 20),
    6: BlockType("Q5_0", 32, 22),
    7: BlockType("Q5_1", 32, 24),
    8: BlockType("Q8_0", 32, 34),
    12: BlockType("Q4_K", 256, 144),
    13: BlockType("Q5_K", 256, 176),
    14: BlockType("Q6_K", 256, 210),
    30: BlockType("BF16", 1, 2),
}
OTHER_TYPES = {
    **{9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S"},
    **{20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64"},
    **{29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4"},
}


@dataclass(frozen=True)
class TensorPlace:
    """One tensor: `shape` as torch has it, slowest dimension first; `offset` and `size` in bytes of the file."""

    shape: tuple[int, ...]
    type: BlockType
    offset: int
    size: int

    @property
    def numbers(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True)
class Texts:
    """An array of strings as it lies in the header, read only when it is needed."""

    count: int
    raw: bytes

    def read(self) -> list[str]:
        texts, at, raw, length_at = [], 0, self.raw, LENGTH.unpack_from
        for _ in range(self.count):
            start = at + 8
            at = start + length_at(raw, at)[0]
            texts.append(raw[start:at].decode("utf-8", "replace"))
        return texts


@dataclass(frozen=True)
class GGUFHeader:
    """`values`: numbers, strings, lists of numbers, and `Texts`, by key; `size` of the file in bytes."""

    name: str
    values: dict[str, Any]
    tensors: dict[str, TensorPlace]
    size: int

    def get(self, key: str, kind: type | tuple[type, ...], default: Any = None) -> Any:
        """A value of this kind, or the default where the key is missing. Raises ModelFileError for another kind."""
        value = self.values.get(key, default)
        if value is not default and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
            raise ModelFileError(f"{self.name} is damaged: {key} is not what it should be")
        return value

    def require(self, key: str, kind: type | tuple[type, ...]) -> Any:
        value = self.get(key, kind)
        if value is None:
            raise ModelFileError(f"{self.name} cannot be opened: it does not say {key}")
        return value


def read_gguf(stream: IO[bytes], size: int, name: str) -> GGUFHeader:
    """The header of a file of `size` bytes. Raises ModelFileError in one line for what cannot be read or is untrue."""
    header = _Reader(stream, size, name)
    if header.take(4) != MAGIC:
        raise ModelFileError(f"{name} is not a GGUF file")
    version, tensors, pairs = header.number("<I"), header.number("<Q"), header.number("<Q")
    if version not in VERSIONS:
        raise ModelFileError(f"{name} is GGUF of version {version}, and only versions 2 and 3 can be read")
    header.expect(tensors, 24)
    header.expect(pairs, 13)
    values: dict[str, Any] = {}
    for _ in range(pairs):
        key = header.name_text()
        if key in values:
            raise header.damaged(f"it gives {key[:60]!r} twice")
        values[key] = header.value(header.number("<I"))
    alignment = values.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 0 < alignment <= CHUNK:
        raise header.damaged("its alignment is no usable number")
    places = [header.tensor() for _ in range(tensors)]
    start = -(-header.at // alignment) * alignment
    return GGUFHeader(name, values, _placed(header, places, start), size)


def _placed(header: _Reader, places: list[tuple[str, TensorPlace]], start: int) -> dict[str, TensorPlace]:
    """The tensors by name, their offsets counted from the beginning of the file, each inside it and none in another."""
    found: dict[str, TensorPlace] = {}
    for name, place in places:
        if name in found:
            raise header.damaged(f"it has the tensor {name[:60]!r} twice")
        if start + place.offset + place.size > header.size:
            raise header.damaged(f"the tensor {name[:60]!r} reaches beyond its end")
        found[name] = TensorPlace(place.shape, place.type, start + place.offset, place.size)
    ordered = sorted(found.values(), key=lambda place: place.offset)
    if any(a.offset + a.size > b.offset for a, b in pairwise(ordered)):
        raise header.damaged("its tensors overlap")
    return found


class _Reader:
    """Takes bytes off the front; nothing is asked for that the file cannot hold."""

    def __init__(self, stream: IO[bytes], size: int, name: str) -> None:
        self.stream, self.size, self.name = stream, size, name
        self.at = 0  # bytes taken
        self._held, self._from = b"", 0

    def damaged(self, what: str) -> ModelFileError:
        return ModelFileError(f"{self.name} is damaged: {what}")

    def expect(self, count: int, least: int) -> None:
        """Raises unless `count` things of at least so many bytes may still come."""
        if count * least > self.size - self.at:
            raise self.damaged("its header claims more than the file holds")

    def take(self, count: int) -> bytes:
        self._hold(count)
        taken = self._held[self._from : self._from + count]
        self._from += count
        self.at += count
        return taken

    def _hold(self, count: int) -> None:
        self.expect(count, 1)
        missing = count - (len(self._held) - self._from)
        if missing > 0:
            try:
                more = self.stream.read(max(missing, CHUNK))
            except (OSError, EOFError, ValueError) as error:
                raise self.damaged(f"it cannot be read, {type(error).__name__}") from None
            self._held, self._from = self._held[self._from :] + more, 0
            if len(more) < missing:
                raise self.damaged("it ends too early")

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def name_text(self) -> str:
        length = self.number("<Q")
        if length > LONGEST_NAME:
            raise self.damaged("a name in its header is too long")
        return self._text(length)

    def _text(self, length: int) -> str:
        return self.take(length).decode("utf-8", errors="replace")

    def value(self, kind: int) -> Any:
        if kind == STRING:
            return self._text(self.number("<Q"))
        if kind == ARRAY:
            return self._array()
        if kind not in SCALARS:
            raise self.damaged(f"its header has a value of unknown kind {kind}")
        return self.number(SCALARS[kind])

    def _array(self) -> list[Any] | Texts:
        kind, count = self.number("<I"), self.number("<Q")
        if kind == STRING:
            return self._texts(count)
        if kind not in SCALARS:
            raise self.damaged("its header has an array of something unknown")
        width = struct.calcsize(SCALARS[kind])
        self.expect(count, width)
        return list(struct.unpack(f"<{count}{SCALARS[kind][1]}", self.take(count * width)))

    def _texts(self, count: int) -> Texts:
        """Only walked over: the hundred thousand strings of a vocabulary are read when the model is opened."""
        self.expect(count, 8)
        pieces, left, length_at = [], count, LENGTH.unpack_from
        while left:
            held, start = self._held, self._from
            at, end = start, len(self._held) - 8
            while left and at <= end:
                following = at + 8 + length_at(held, at)[0]
                if following > end + 8:
                    break
                at, left = following, left - 1
            pieces.append(self.take(at - start))
            if left:  # the next one reaches beyond what is held
                self._hold(8)
                self._hold(8 + length_at(self._held, self._from)[0])
        return Texts(count, b"".join(pieces))

    def tensor(self) -> tuple[str, TensorPlace]:
        name, count = self.name_text(), self.number("<I")
        if not 1 <= count <= MOST_DIMENSIONS:
            raise self.damaged(f"the tensor {name[:60]!r} has {count} dimensions")
        shape = tuple(reversed([int(self.number("<Q")) for _ in range(count)]))
        kind, offset = self.number("<I"), self.number("<Q")
        if kind not in BLOCK_TYPES:
            known = ", ".join(sorted(block.name for block in BLOCK_TYPES.values()))
            named = OTHER_TYPES.get(kind, f"of type {kind}")
            raise ModelFileError(f"{self.name} holds {named} weights, and only {known} can be read")
        block = BLOCK_TYPES[kind]
        if min(shape) < 1 or prod(shape) > self.size * 8 or shape[-1] % block.numbers:
            raise self.damaged(f"the tensor {name[:60]!r} has an impossible shape")
        return name, TensorPlace(shape, block, offset, prod(shape) // block.numbers * block.size)
