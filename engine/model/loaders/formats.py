"""Which loader opens which file or folder. Every loader is a module with the functions of `Format`.

Must not import torch: the window lists models before torch is loaded.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from engine.model.loaders import film, native, transformerlens, wheel
from engine.model.loaders.gguf import model
from engine.model.loaders.header import Header, Report, quiet
from engine.model.loaders.huggingface import folder

if TYPE_CHECKING:
    from engine.model.tokenizer import Tokenizer
    from engine.model.transformer import Transformer


class Format(Protocol):
    """What a loader can do with a path that it was chosen for. All three raise ModelFileError, in one line."""

    def read_header(self, path: Path) -> Header:
        """What the files say, checked against their sizes, without their weights."""

    def load(self, path: Path, report: Report = quiet) -> tuple[Transformer, Tokenizer]:
        """The model in float32 and its tokenizer; `report` hears of every file or group of tensors."""

    def files(self, path: Path) -> tuple[Path, ...]:
        """Every file that the model is made of: what its hash is taken over."""


def format_of(path: Path) -> Format:
    """The loader for a path that `library.resolve` returned. Raises ModelFileError when config.json is unreadable."""
    kind = path.suffix.lower()
    if path.is_dir():
        return transformerlens if transformerlens.is_checkpoint(path) else folder
    if kind == ".whl":
        return wheel
    if kind == ".gguf":
        return model
    return film if film.is_film(path) else native


def fingerprint(path: Path) -> str:
    """The first 12 hex digits of the SHA-256 of the model's files, one after the other."""
    digest = hashlib.sha256()
    for file in format_of(path).files(path):
        with file.open("rb") as content:
            while block := content.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:12]
