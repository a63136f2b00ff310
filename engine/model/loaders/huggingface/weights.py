"""The safetensors files of a folder, one or several shards: what is in them, and how they become our weights.

Must not import torch at the top: the window lists models before torch is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from engine.model.config import ModelConfig
from engine.model.loaders import tensor_file
from engine.model.loaders.header import ModelFileError, Report
from engine.model.loaders.huggingface.files import LARGEST_INDEX, file_in, read_object
from engine.model.loaders.huggingface.naming import Naming, fitted

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
READABLE = ("F32", "F16", "BF16")


@dataclass(frozen=True)
class Shard:
    """One file: `path` to read it by, `name` to speak of it."""

    name: str
    path: Path
    found: tensor_file.TensorFile


@dataclass(frozen=True)
class Stored:
    """What the files hold: the shape of each tensor by name, and how many numbers of them our decoder uses."""

    shards: tuple[Shard, ...]
    shapes: dict[str, tuple[int, ...]]
    parameters: int
    kinds: tuple[str, ...]

    def described(self, maker: str) -> str:
        """For people: "Hugging Face, BF16, 2 shards"."""
        shards = [f"{len(self.shards)} shards"] if len(self.shards) > 1 else []
        return ", ".join([maker, *self.kinds, *shards])


def files(folder: Path) -> tuple[Path, ...]:
    """The safetensors files, as the index names them. Raises ModelFileError when there are none, or not all."""
    return tuple(path for _, path in _named(folder))


def find(folder: Path, config: ModelConfig, naming: Naming) -> Stored:
    """What the headers of the files say. Raises ModelFileError when a tensor is strange, or layers are missing."""
    shards = tuple(Shard(name, path, tensor_file.read_header(path)) for name, path in _named(folder))
    shapes: dict[str, tuple[int, ...]] = {}
    kinds: set[str] = set()
    parameters = 0
    for shard in shards:
        for name, shape in shard.found.shapes.items():
            if name in shapes:
                raise ModelFileError(f"{folder.name} is damaged: the weights {name[:80]!r} are in two of its files")
            shapes[name] = shape
            try:
                if _counts(shard, name, config, naming):
                    kinds.add(shard.found.kinds[name])
                    parameters += prod(shape)
            except ValueError as error:
                raise ModelFileError(f"{folder.name} cannot be read: {error}") from None
    layers = naming.layers(shapes)
    if layers != config.layers:
        raise ModelFileError(f"{folder.name} is damaged: it has weights for {layers} layers, not for {config.layers}")
    return Stored(shards, shapes, parameters, tuple(sorted(kinds)))


def _counts(shard: Shard, name: str, config: ModelConfig, naming: Naming) -> bool:
    """Whether a tensor becomes one of ours. Raises ValueError when it cannot be what it says."""
    shape, kind, size = shard.found.shapes[name], shard.found.kinds[name], shard.found.size
    if any(not 0 <= n <= size for n in shape) or prod(shape) > size:
        raise ValueError(f"its weights {name[:80]!r} of shape {str(shape)[:40]} do not fit in {shard.name}")
    ours = naming.ours(name, config)
    if ours and kind not in READABLE:
        raise ValueError(f"its weights are {kind[:20]}, not {', '.join(READABLE)}")
    if ours == ("W_E",) and shape != (config.vocabulary, config.d_model):
        raise ValueError(f"its embedding is {shape} where config.json says {(config.vocabulary, config.d_model)}")
    return bool(ours)


def _named(folder: Path) -> list[tuple[str, Path]]:
    single = file_in(folder, WEIGHTS)
    if single is not None:
        return [(WEIGHTS, single)]
    mapping = read_object(folder, INDEX, LARGEST_INDEX).get("weight_map", {})
    if not isinstance(mapping, dict) or not all(isinstance(name, str) for name in mapping.values()):
        raise ModelFileError(f"{INDEX} of {folder.name} is damaged: it does not say which file has which weights")
    names = sorted(set(mapping.values()))
    if not names:
        raise ModelFileError(_nothing(folder))
    places = [(name, file_in(folder, name)) for name in names]
    lost = next((name for name, path in places if path is None), None)
    if lost:
        raise ModelFileError(f"{folder.name} is not complete: {lost} is missing, which {INDEX} names")
    return [(name, path) for name, path in places if path is not None]


def _nothing(folder: Path) -> str:
    pickled = sorted(path.name for kind in ("*.bin", "*.pth", "*.pt", "*.ckpt") for path in folder.glob(kind))
    if pickled:
        return f"{folder.name} has only {pickled[0]}: pickled weights are never opened, convert them to safetensors"
    return f"{folder.name} has no weights: neither {WEIGHTS} nor {INDEX}"


def load(
    folder: Path,
    stored: Stored,
    config: ModelConfig,
    naming: Naming,
    report: Report,
    given: dict[str, Tensor] | None = None,
) -> dict[str, Tensor]:
    """Our weights in float32, those of `given` among them. Raises ModelFileError before anything is read when the
    shapes do not fit `config`.
    """
    import torch

    empty = {name: torch.empty(shape, device="meta") for name, shape in stored.shapes.items()}
    fitted(folder.name, config, naming, empty, given)
    ours = dict(given or {})
    for name, tensor in _read(stored, report):
        for part, x in naming.translated(name, tensor, config).items():
            ours[part] = x.to(torch.float32, copy=True, memory_format=torch.contiguous_format)
    return ours


def _read(stored: Stored, report: Report) -> Iterator[tuple[str, Tensor]]:
    """Every tensor as stored, one at a time.

    The files are mapped, not read whole as our own are: what is copied out of a map can be forgotten at once, so that
    opening needs no more memory than the model in float32, however large the shards. Nothing of a map outlives this,
    or the file could not be replaced on Windows.
    """
    from safetensors import SafetensorError, safe_open

    done = 0
    for number, shard in enumerate(stored.shards, 1):
        what = f"reading shard {number} of {len(stored.shards)}" if len(stored.shards) > 1 else f"reading {shard.name}"
        try:
            with safe_open(shard.path, framework="pt") as content:
                for name in content.keys():  # noqa: SIM118  it is no dictionary
                    report(done, len(stored.shapes), what)
                    yield name, content.get_tensor(name)
                    done += 1
        except OSError as error:
            raise ModelFileError(f"{shard.name} cannot be read: {error.strerror}") from None
        except SafetensorError as error:
            raise ModelFileError(f"{shard.name} is damaged: {' '.join(str(error).split())}") from None
