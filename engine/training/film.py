"""A film: the checkpoints and curves of one training run in one safetensors file.

Tensors are named `STEP/parameter`; the curves are JSON in the file's metadata. The file is written whole at every
checkpoint and put in place at once, so that a run which is stopped loses at most one interval.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.model.transformer import Transformer


class FilmWriter:
    """Collects checkpoints at the given precision and keeps `path` up to date."""

    def __init__(self, path: Path, precision: torch.dtype) -> None:
        self.path, self.precision = path, precision
        self.frames: dict[str, Tensor] = {}

    def add(self, step: int, model: Transformer, curves: list[dict[str, Any]]) -> None:
        for name, value in model.state_dict().items():
            self.frames[f"{step:06d}/{name}"] = value.detach().to(self.precision, copy=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".tmp")
        save_file(self.frames, temporary, metadata={"format": "headscope-film-1", "curves": json.dumps(curves)})
        os.replace(temporary, self.path)
