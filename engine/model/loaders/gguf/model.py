"""GGUF files as models: the three functions of a loader."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING

from engine.model.config import ModelConfig
from engine.model.loaders.gguf import vocabulary
from engine.model.loaders.gguf.architectures import Weight, config_of, weights_of
from engine.model.loaders.gguf.file import GGUFHeader, TensorPlace, read_gguf
from engine.model.loaders.header import Header, ModelFileError, Report, quiet

if TYPE_CHECKING:
    from torch import Tensor

    from engine.model.tokenizer import Tokenizer
    from engine.model.transformer import Transformer


MOST_THREADS = 4  # each holds one tensor twice


def read_header(path: Path) -> Header:
    """Raises ModelFileError."""
    found = _gguf(path)
    return _header(found, config_of(found))


def header_of(stream: IO[bytes], size: int, name: str) -> Header:
    """The same of a file of `size` bytes inside an archive. Raises ModelFileError."""
    found = read_gguf(stream, size, name)
    return _header(found, config_of(found))


def files(path: Path) -> tuple[Path, ...]:
    """What the model's hash is taken over."""
    return (path,)


def load(path: Path, report: Report = quiet) -> tuple[Transformer, Tokenizer]:
    """Raises ModelFileError. Memory: the model in float32, and one tensor for each thread at work."""
    from engine.model.loaders.assemble import assemble, tokenizer_for

    found = _gguf(path)
    config = config_of(found)
    report(0, config.layers + 2, "reading the vocabulary")
    tokenizer = tokenizer_for(path.name, config, *vocabulary.tokenizer_fields(found))
    model = assemble(path.name, config, _weights(path, found, config, report))
    return model, tokenizer


def _gguf(path: Path) -> GGUFHeader:
    try:
        with path.open("rb") as stream:
            return read_gguf(stream, os.fstat(stream.fileno()).st_size, path.name)
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from None


def _header(found: GGUFHeader, config: ModelConfig) -> Header:
    wanted = {weight.theirs for weight in weights_of(config).values()} if config.layers <= len(found.tensors) else set()
    places = [place for name, place in found.tensors.items() if name in wanted]
    stored = Counter[str]()
    for place in found.tensors.values():
        stored[place.type.name] += place.numbers
    return Header(
        config=config,
        parameters=sum(place.numbers for place in places),
        size=found.size,
        stored=f"GGUF, {stored.most_common(1)[0][0]}" if stored else "GGUF",
        has_bos=vocabulary.bos(found) is not None,
        prepends_bos=vocabulary.prepends_bos(found),
        title=found.get("general.name", str, ""),
        licence=found.get("general.license", str, ""),
    )


def _weights(path: Path, found: GGUFHeader, config: ModelConfig, report: Report) -> dict[str, Tensor]:
    """Our weights by name, dequantised several at a time; every shape is checked before the first is read."""
    wanted = _checked(found, config)
    sources: dict[str, list[str]] = {}
    for ours, weight in wanted.items():
        sources.setdefault(weight.theirs, []).append(ours)
    weights: dict[str, Tensor] = {}

    def opened(theirs: str) -> dict[str, Tensor]:
        return _taken(_read(path, found.tensors[theirs]), sources[theirs], wanted)

    with ThreadPoolExecutor(max(1, min(MOST_THREADS, os.cpu_count() or 1))) as pool:
        try:
            for done, part in enumerate(pool.map(opened, sources)):
                weights |= part
                report(done, len(sources), f"reading {path.name}")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return weights


def _taken(value: Tensor, ours: Iterable[str], wanted: dict[str, Weight]) -> dict[str, Tensor]:
    """The weights that one tensor of the file holds."""
    found = {}
    for name in ours:
        part, turned = wanted[name].part, wanted[name].turned
        piece = value if part is None else value.chunk(3)[part]
        found[name] = (piece.T if turned else piece).contiguous()
    return found


def _read(path: Path, place: TensorPlace) -> Tensor:
    from engine.model.loaders.gguf.blocks import dequantised

    content = bytearray(place.size)
    try:
        with path.open("rb") as file:
            file.seek(place.offset)
            if file.readinto(content) != place.size:
                raise ModelFileError(f"{path.name} is damaged: it ends too early")
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from None
    return dequantised(content, place.type).view(place.shape)


def _checked(found: GGUFHeader, config: ModelConfig) -> dict[str, Weight]:
    """Where every weight of this configuration lies. Raises ModelFileError unless all are there, of the right shape."""
    import torch

    from engine.model.transformer import Transformer

    if config.layers > len(found.tensors):
        raise ModelFileError(f"{found.name} is damaged: it has no weights for {config.layers} layers")
    wanted = weights_of(config)
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in Transformer(config).state_dict().items()}
    for ours, weight in wanted.items():
        place = found.tensors.get(weight.theirs)
        if place is None:
            raise ModelFileError(f"{found.name} is damaged: it lacks the tensor {weight.theirs}")
        shape = place.shape if weight.part is None else (place.shape[0] // 3, *place.shape[1:])
        if shapes.get(ours) != (shape[::-1] if weight.turned else shape):
            raise ModelFileError(f"{found.name} is damaged: the tensor {weight.theirs} does not fit its configuration")
    unknown = next((name for name in found.tensors if name not in {weight.theirs for weight in wanted.values()}), None)
    if unknown is not None:
        raise ModelFileError(f"{found.name} cannot be read: it has weights that are not supported, {unknown[:60]}")
    return wanted
