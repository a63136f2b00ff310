"""Writes a film (model/loaders/film.py) while a run goes on.

The file is written whole at every checkpoint and put in place at once, so that a run which is stopped loses at most one
interval.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from engine.model.loaders import native
from engine.model.loaders.film import FORMAT, Film
from engine.model.tokenizer import Tokenizer
from engine.model.transformer import Transformer
from engine.training.recipes import FilmKind


class FilmWriter:
    """Collects checkpoints at the given precision and keeps `path` up to date."""

    def __init__(self, path: Path, kind: FilmKind, tokenizer: Tokenizer) -> None:
        self.path, self.kind, self.tokenizer = path, kind, tokenizer
        self.frames: dict[str, Tensor] = {}

    def go_on(self, film: Film, step: int) -> list[dict[str, Any]]:
        """Take over what an earlier process had written up to a step; its curves."""
        for number in film.steps:
            if number <= step:
                self.frames |= {f"{number:06d}/{name}": value for name, value in film.weights(number).items()}
        return [row for row in film.curves if row["step"] <= step]

    @property
    def size(self) -> int:
        """Bytes of the weights collected so far."""
        return sum(value.nbytes for value in self.frames.values())

    def add(self, step: int, model: Transformer, curves: list[dict[str, Any]]) -> None:
        """Raises OSError, e.g. where the disk is full; an older file stays as it was."""
        if self.kind != "curves":
            precision = torch.float16 if self.kind == "half" else torch.float32
            for name, value in model.state_dict().items():
                self.frames[f"{step:06d}/{name}"] = value.detach().to(precision, copy=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        notes = {**native.notes(model, self.tokenizer), "format": FORMAT, "curves": json.dumps(curves)}
        temporary = self.path.with_suffix(".tmp")
        try:
            save_file(self.frames, temporary, metadata=notes)
            os.replace(temporary, self.path)
        except SafetensorError as error:
            raise OSError(str(error)) from None
        finally:
            temporary.unlink(missing_ok=True)
