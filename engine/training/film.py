"""A film: the checkpoints and curves of one training run in one safetensors file.

Tensors are named `STEP/parameter`; the curves are JSON in the file's metadata. The file is written whole at every
checkpoint and put in place at once, so that a run which is stopped loses at most one interval. It is read piece by
piece: opening one reads its header only.
"""

from __future__ import annotations

import hashlib
import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from engine.model.loaders import tensor_file
from engine.model.loaders.header import ModelFileError
from engine.model.transformer import Transformer

FORMAT = "headscope-film-1"


class FilmWriter:
    """Collects checkpoints at the given precision and keeps `path` up to date."""

    def __init__(self, path: Path, precision: torch.dtype) -> None:
        self.path, self.precision = path, precision
        self.frames: dict[str, Tensor] = {}

    def go_on(self, film: Film, step: int) -> list[dict[str, Any]]:
        """Take over what an earlier process had written up to a step; its curves."""
        for number in film.steps:
            if number <= step:
                self.frames |= {f"{number:06d}/{name}": value for name, value in film.weights(number).items()}
        return [row for row in film.curves if row["step"] <= step]

    def add(self, step: int, model: Transformer, curves: list[dict[str, Any]]) -> None:
        for name, value in model.state_dict().items():
            self.frames[f"{step:06d}/{name}"] = value.detach().to(self.precision, copy=True)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_suffix(".tmp")
        save_file(self.frames, temporary, metadata={"format": FORMAT, "curves": json.dumps(curves)})
        os.replace(temporary, self.path)


class Film:
    """Reads a film. Raises ModelFileError, in one line, for a file that is damaged or no film."""

    def __init__(self, path: Path) -> None:
        header = tensor_file.read_header(path)
        if header.notes.get("format") != FORMAT:
            raise ModelFileError(f"{path.name} is no film of a training run")
        self.path = path
        self._names: dict[int, list[str]] = {}
        try:
            for name in header.shapes:
                step, slash, parameter = name.partition("/")
                if not slash:
                    raise ValueError(f"{name[:40]!r} belongs to no step")
                self._names.setdefault(int(step), []).append(parameter)
            self.curves = _checked(json.loads(header.notes["curves"]))
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ModelFileError(f"{path.name} is damaged: {type(error).__name__} in its curves, {error}") from None
        self.steps = tuple(sorted(self._names))

    def weights(self, step: int) -> dict[str, Tensor]:
        """The parameters at one checkpoint, as stored. Raises ModelFileError for a step that is not there."""
        if step not in self._names:
            raise ModelFileError(f"{self.path.name} has no checkpoint at step {step}; it has {_listed(self.steps)}")
        try:
            with safe_open(self.path, "pt") as file:  # maps the file: nothing else of it is read
                return {name: file.get_tensor(f"{step:06d}/{name}") for name in self._names[step]}
        except (OSError, SafetensorError) as error:
            raise ModelFileError(f"{self.path.name} is damaged: {' '.join(str(error).split())}") from None


def fingerprint(weights: dict[str, Tensor]) -> str:
    """The first 12 hex digits of the SHA-256 of a checkpoint's numbers."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def opened(path: Path) -> Film:
    """A film whose header has been read; read again when the file has changed. Raises ModelFileError."""
    try:
        return _opened(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise ModelFileError(f"{path.name} cannot be read: {error.strerror}") from None


@lru_cache(maxsize=8)
def _opened(path: Path, changed: int) -> Film:
    return Film(path)


def _checked(rows: Any) -> list[dict[str, Any]]:
    """Curves are a list of rows with a step each."""
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and isinstance(row.get("step"), int) for row in rows
    ):
        raise ValueError("they are no rows with a step each")
    return rows


def _listed(steps: tuple[int, ...]) -> str:
    return ", ".join(map(str, steps if len(steps) <= 6 else (*steps[:3], "…", *steps[-2:])))
