"""A film: the checkpoints and curves of one training run in one safetensors file, which opens as a model too.

Tensors are named `STEP/parameter`; the curves are JSON in the file's metadata, beside the configuration and the
tokenizer of a native file. It is read piece by piece: opening one reads its header only. Writing one is for
training/film.py. Must not import torch at the top: the window lists models before torch is loaded.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.model.loaders import native, tensor_file
from engine.model.loaders.header import Header, ModelFileError, Report, quiet

if TYPE_CHECKING:
    from torch import Tensor

    from engine.model.tokenizer import Tokenizer
    from engine.model.transformer import Transformer

FORMAT = "headscope-film-1"


class Film:
    """Reads a film. Raises ModelFileError, in one line, for a file that is damaged or no film."""

    def __init__(self, path: Path) -> None:
        self.header = tensor_file.read_header(path)
        if self.header.notes.get("format") != FORMAT:
            raise ModelFileError(f"{path.name} is no film of a training run")
        self.path = path
        self._names: dict[int, list[str]] = {}
        try:
            for name in self.header.shapes:
                step, slash, parameter = name.partition("/")
                if not slash:
                    raise ValueError(f"{name[:40]!r} belongs to no step")
                self._names.setdefault(int(step), []).append(parameter)
            self.curves = _checked(json.loads(self.header.notes["curves"]))
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise ModelFileError(f"{path.name} is damaged: {type(error).__name__} in its curves, {error}") from None
        self.steps = tuple(sorted(self._names))

    def parameters(self, step: int) -> int:
        """How many numbers the weights of a checkpoint have."""
        return sum(prod(self.header.shapes[f"{step:06d}/{name}"]) for name in self._names[step])

    def weights(self, step: int) -> dict[str, Tensor]:
        """The parameters at one checkpoint, as stored. Raises ModelFileError for a step that is not there."""
        from safetensors import SafetensorError, safe_open

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


# ---------------------------------------------------------------- as a model: its last checkpoint
def is_film(path: Path) -> bool:
    """Whether a file says that it is one; whether it can be read is found out when it is opened."""
    try:
        return path.suffix == ".safetensors" and tensor_file.read_header(path).notes.get("format") == FORMAT
    except ModelFileError:
        return False


def read_header(path: Path) -> Header:
    """Configuration and size of the run's model. Raises ModelFileError."""
    film = _with_weights(path)
    config, tokenizer = native.read_notes(path, film.header.notes)
    has_bos = tokenizer.get("bos") is not None
    kinds = ", ".join(sorted(set(film.header.kinds.values())))
    return Header(
        config,
        film.parameters(film.steps[-1]),
        film.header.size,
        f"film of {len(film.steps)} checkpoints, {kinds}",
        has_bos,
        has_bos and bool(tokenizer.get("prepend_bos")),
        title=f"Film {path.stem}",
    )


def files(path: Path) -> tuple[Path, ...]:
    """What the model's hash is taken over."""
    return (path,)


def load(path: Path, report: Report = quiet) -> tuple[Transformer, Tokenizer]:
    """The model at its last checkpoint. Raises ModelFileError."""
    from engine.model.loaders.assemble import assemble

    film = _with_weights(path)
    config, fields = native.read_notes(path, film.header.notes)
    report(0, 1, f"reading {path.name}")
    weights = {name: value.float() for name, value in film.weights(film.steps[-1]).items()}
    return assemble(path.name, config, weights), native.make_tokenizer(path, config, fields)


def _with_weights(path: Path) -> Film:
    film = opened(path)
    if not film.steps:
        raise ModelFileError(f"{path.name} holds curves only: there is no checkpoint in it to open")
    return film


def _checked(rows: Any) -> list[dict[str, Any]]:
    """Curves are a list of rows with a step each."""
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and isinstance(row.get("step"), int) for row in rows
    ):
        raise ValueError("they are no rows with a step each")
    return rows


def _listed(steps: tuple[int, ...]) -> str:
    return ", ".join(map(str, steps if len(steps) <= 6 else (*steps[:3], "…", *steps[-2:])))
