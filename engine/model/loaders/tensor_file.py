"""A safetensors file, looked at with suspicion: nothing is allocated before the header is known to fit the file.

Must not import torch at the top: the window lists models before torch is loaded.
"""

from __future__ import annotations

import json
import os
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.model.loaders.header import ModelFileError

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_HEADER = 100_000_000  # bytes, the limit that safetensors itself sets


@dataclass(frozen=True)
class TensorFile:
    """What the header says: `notes` as written, `shapes` and `kinds` (such as "F32") by tensor; `size` in bytes."""

    notes: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    kinds: dict[str, str]
    size: int

    @property
    def parameters(self) -> int:
        return sum(prod(shape) for shape in self.shapes.values())


def read_header(path: Path) -> TensorFile:
    """Names, shapes and notes, without the tensors. Raises ModelFileError."""
    fields, size, room = _fields(path)
    notes = fields.pop("__metadata__", {})
    try:
        shapes = {name: tuple(_whole(number) for number in field["shape"]) for name, field in fields.items()}
        kinds = {name: str(field["dtype"]) for name, field in fields.items()}
        last_byte = max((_whole(field["data_offsets"][1]) for field in fields.values()), default=0)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path.name} is damaged: {type(error).__name__} in its header, {error}") from None
    if last_byte != room:
        raise ModelFileError(f"{path.name} is damaged: it has {room} bytes of weights where {last_byte} belong")
    return TensorFile(notes if isinstance(notes, dict) else {}, shapes, kinds, size)


def _whole(value: object) -> int:
    """JSON also has fractions, infinities and texts where a size should stand."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{str(value)[:40]!r} is no size")
    return value


def _fields(path: Path) -> tuple[dict[str, Any], int, int]:
    """The fields of the header, the bytes of the file, and how many of them come after the header."""
    unreadable = f"{path.name} is damaged or not a safetensors file: its header cannot be read"
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            start = file.read(8)
            length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
            if length > min(size - 8, LARGEST_HEADER):
                raise ModelFileError(f"{path.name} is damaged or not a safetensors file: its header does not fit in it")
            fields = json.loads(file.read(length))
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from None
    except ModelFileError:
        raise
    except (ValueError, RecursionError):
        raise ModelFileError(unreadable) from None
    if not isinstance(fields, dict):
        raise ModelFileError(unreadable)
    return fields, size, size - 8 - length


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor by name, as stored. Raises ModelFileError.

    The file is read whole and not mapped: a mapped file cannot be replaced on Windows.
    """
    from safetensors import SafetensorError
    from safetensors import torch as files

    try:
        return files.load(path.read_bytes())
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from None
    except (SafetensorError, KeyError) as error:  # KeyError: a type of number that torch does not have
        raise ModelFileError(f"{path.name} is damaged: {' '.join(str(error).split())}") from None
