"""Headscope's own format: one safetensors file with the weights, the configuration and the tokenizer inside.

The header can be read without torch, so that the window lists models before torch is loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.model.config import ModelConfig

if TYPE_CHECKING:
    from engine.model.tokenizer import Tokenizer
    from engine.model.transformer import Transformer

FORMAT = "headscope-1"
LARGEST_HEADER = 100_000_000  # bytes, the limit that safetensors itself sets


class ModelFileError(ValueError):
    """A model file that cannot be opened; the message is one line for the user."""


@dataclass(frozen=True)
class Header:
    """What a file says of itself. `tokenizer` holds definition (JSON text), bos (id or null) and prepend_bos."""

    config: ModelConfig
    tokenizer: dict[str, Any]
    parameters: int


def read_header(path: Path) -> Header:
    """Configuration, tokenizer settings and size of a native file, without its weights. Raises ModelFileError."""
    fields, room = _safetensors_header(path)
    notes = fields.pop("__metadata__", {})
    if not isinstance(notes, dict) or notes.get("format") != FORMAT:
        raise ModelFileError(f"{path.name} is not a Headscope model: it carries no configuration")
    try:
        config = ModelConfig.from_dict(json.loads(notes["config"]))
        tokenizer = dict(json.loads(notes["tokenizer"]))
        parameters = sum(prod(field["shape"]) for field in fields.values())
        last_byte = max(field["data_offsets"][1] for field in fields.values())
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path.name} is damaged: {type(error).__name__} in its header, {error}") from None
    if last_byte != room:
        raise ModelFileError(f"{path.name} is damaged: it has {room} bytes of weights where {last_byte} belong")
    if config.layers > len(fields):
        raise ModelFileError(f"{path.name} is damaged: it has no weights for {config.layers} layers")
    return Header(config, tokenizer, parameters)


def _safetensors_header(path: Path) -> tuple[dict[str, Any], int]:
    """The fields of the header, and how many bytes of weights come after it."""
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
    except ValueError as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{path.name} is damaged or not a safetensors file: its header cannot be read") from None
    if not isinstance(fields, dict):
        raise ModelFileError(f"{path.name} is damaged or not a safetensors file: its header cannot be read")
    return fields, size - 8 - length


def fingerprint(path: Path) -> str:
    """The first 12 hex digits of the file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def save(path: Path, model: Transformer, tokenizer: Tokenizer) -> None:
    """Write weights, configuration and tokenizer as one file, put in place at once."""
    from safetensors import torch as files

    notes = {
        "format": FORMAT,
        "config": json.dumps(model.config.to_dict()),
        "tokenizer": json.dumps(
            {"definition": tokenizer.definition, "bos": tokenizer.bos, "prepend_bos": tokenizer.prepend_bos}
        ),
    }
    temporary = path.with_suffix(".tmp")
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    temporary.write_bytes(files.save(weights, metadata=notes))  # safetensors' own files are closed to others
    os.replace(temporary, path)


def load(path: Path) -> tuple[Transformer, Tokenizer]:
    """Open a native file. Raises ModelFileError when it is missing, damaged, at odds with itself or not finite.

    The file is read whole and not mapped: a mapped file cannot be replaced on Windows.
    """
    import torch
    from safetensors import SafetensorError
    from safetensors import torch as files

    from engine.model.transformer import Transformer

    header = read_header(path)
    try:
        weights = {name: value.float() for name, value in files.load(path.read_bytes()).items()}
        with torch.device("meta"):
            model = Transformer(header.config)
        model.load_state_dict(weights, assign=True)
    except SafetensorError as error:
        raise ModelFileError(f"{path.name} is damaged: {error}") from None
    except (RuntimeError, TypeError):
        raise ModelFileError(f"{path.name} is damaged: its weights do not fit its configuration") from None
    broken = next((name for name, value in weights.items() if not value.isfinite().all()), None)
    if broken:
        raise ModelFileError(f"{path.name} cannot be used: the weights {broken} hold numbers that are not finite")
    return model.eval(), _tokenizer(path, header)


def _tokenizer(path: Path, header: Header) -> Tokenizer:
    from engine.model.tokenizer import Tokenizer

    try:
        tokenizer = Tokenizer(**header.tokenizer)
    except Exception:  # the tokenizers library raises nothing more special
        raise ModelFileError(f"{path.name} is damaged: its tokenizer cannot be read") from None
    if max(tokenizer.size, 1 + (tokenizer.bos or 0)) > header.config.vocabulary:
        raise ModelFileError(f"{path.name} is damaged: its tokenizer has more tokens than its embedding")
    return tokenizer
