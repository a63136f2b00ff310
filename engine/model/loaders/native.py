"""Headscope's own format: one safetensors file with the weights, the configuration and the tokenizer inside.

The header can be read without torch, so that the window lists models before torch is loaded.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.model.config import ModelConfig
from engine.model.loaders import tensor_file
from engine.model.loaders.header import Header, ModelFileError, Report, quiet
from engine.model.loaders.tensor_file import TensorFile

if TYPE_CHECKING:
    from engine.model.tokenizer import Tokenizer
    from engine.model.transformer import Transformer

FORMAT = "headscope-1"


def is_native(path: Path) -> bool:
    """Whether a safetensors file is one of ours. Raises ModelFileError when it cannot be read at all."""
    return tensor_file.read_header(path).notes.get("format") == FORMAT


def read_header(path: Path) -> Header:
    """Configuration and size of a native file, without its weights. Raises ModelFileError."""
    return _read(path)[0]


def files(path: Path) -> tuple[Path, ...]:
    """What the model's hash is taken over."""
    return (path,)


def _read(path: Path) -> tuple[Header, dict[str, Any]]:
    """The header, and the fields of the tokenizer: definition (JSON text), bos (id or null) and prepend_bos."""
    found = tensor_file.read_header(path)
    if found.notes.get("format") != FORMAT:
        raise ModelFileError(f"{path.name} is not a Headscope model: it carries no configuration")
    config, tokenizer = read_notes(path, found.notes)
    if config.layers > len(found.shapes):
        raise ModelFileError(f"{path.name} is damaged: it has no weights for {config.layers} layers")
    has_bos = tokenizer.get("bos") is not None
    prepends = has_bos and bool(tokenizer.get("prepend_bos"))
    return Header(config, found.parameters, found.size, _stored(found), has_bos, prepends), tokenizer


def read_notes(path: Path, notes: dict[str, Any]) -> tuple[ModelConfig, dict[str, Any]]:
    """The configuration and the fields of the tokenizer. Raises ModelFileError."""
    try:
        return ModelConfig.from_dict(json.loads(notes["config"])), dict(json.loads(notes["tokenizer"]))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{path.name} is damaged: {type(error).__name__} in its header, {error}") from None


def _stored(found: TensorFile) -> str:
    return f"Headscope, {', '.join(sorted(set(found.kinds.values())))}"


def notes(model: Transformer, tokenizer: Tokenizer) -> dict[str, str]:
    """What stands in the metadata of a file that can be opened without any other."""
    fields = {"definition": tokenizer.definition, "bos": tokenizer.bos, "prepend_bos": tokenizer.prepend_bos}
    return {"format": FORMAT, "config": json.dumps(model.config.to_dict()), "tokenizer": json.dumps(fields)}


def save(path: Path, model: Transformer, tokenizer: Tokenizer) -> None:
    """Write weights, configuration and tokenizer as one file, put in place at once."""
    from safetensors import torch as written

    temporary = path.with_suffix(".tmp")
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    # safetensors' own files are closed to others
    temporary.write_bytes(written.save(weights, metadata=notes(model, tokenizer)))
    os.replace(temporary, path)


def load(path: Path, report: Report = quiet) -> tuple[Transformer, Tokenizer]:
    """Open a native file. Raises ModelFileError when it is missing, damaged, at odds with itself or not finite."""
    from engine.model.loaders.assemble import assemble

    header, tokenizer = _read(path)
    report(0, 1, f"reading {path.name}")
    weights = {name: value.float() for name, value in tensor_file.read_tensors(path).items()}
    return assemble(path.name, header.config, weights), make_tokenizer(path, header.config, tokenizer)


def make_tokenizer(path: Path, config: ModelConfig, fields: dict[str, Any]) -> Tokenizer:
    """From the fields of `read_notes`. Raises ModelFileError."""
    from engine.model.loaders.assemble import tokenizer_for

    try:
        return tokenizer_for(path.name, config, **fields)
    except TypeError:  # other fields than ours
        raise ModelFileError(f"{path.name} is damaged: its tokenizer cannot be read") from None
