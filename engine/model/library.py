"""The models that ship with the app and those found on this computer, and what a name or a path stands for.

Must not import torch: the window lists models before torch is loaded. Weights are never read here.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.model import smollm2
from engine.model.config import ModelConfig
from engine.model.folders import user_folder
from engine.model.loaders import film, native
from engine.model.loaders.formats import format_of
from engine.model.loaders.header import Header, ModelFileError

SHIPPED = Path(__file__).parents[2] / "resources" / "models"
WEIGHTS, CARD, CONFIG = "model.safetensors", "card.json", "config.json"
USUAL_LENGTH = 512  # tokens of the prompt that the memory estimate counts on

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelInfo:
    """A model as listed, and as opened. `hash` is the first 12 hex digits of its files' SHA-256 ("" until opened).

    `size` is bytes on disk, `memory` the bytes that it takes when open (an estimate), `stored` the format and
    precision; `ships` tells the models of the app from those of the user. `steps` are the checkpoints of its film, once
    opened (none: it has no film), `step` the one that this is (None: the finished model).
    """

    name: str
    title: str
    kind: str
    path: str
    config: ModelConfig
    parameters: int
    licence: str
    hash: str = ""
    has_bos: bool = True
    prepends_bos: bool = True
    summary: str = ""
    size: int = 0
    memory: int = 0
    stored: str = ""
    ships: bool = False
    steps: tuple[int, ...] = ()
    step: int | None = None

    @property
    def run(self) -> str:
        """The finished model's name, also of a checkpoint on the way to it."""
        return self.name if self.step is None else self.name.rpartition("@")[0]

    @property
    def layers(self) -> int:
        return self.config.layers

    @property
    def heads(self) -> int:
        """In one layer."""
        return self.config.heads

    @property
    def d_model(self) -> int:
        return self.config.d_model

    @property
    def d_head(self) -> int:
        return self.config.d_head

    @property
    def vocabulary(self) -> int:
        return self.config.vocabulary

    @property
    def context(self) -> int:
        return self.config.context

    @property
    def positions(self) -> str:
        return self.config.positions


def listing(recent: Sequence[str] = ()) -> tuple[ModelInfo, ...]:
    """Every model that can be opened by name; one that is damaged is left out and logged.

    Then those of `recent` paths that can still be opened: a memory stick that is gone is no news.
    """
    found = []
    named = _named()
    for name, path in named.items():
        try:
            found.append(describe(path))
        except ModelFileError as error:
            log.warning("model %s is left out: %s", name, error)
    for text in recent:
        try:
            path = resolve(text)
            if path not in named.values():
                found.append(describe(path))
        except ModelFileError as error:
            log.info("recent model %s is left out: %s", text, error)
    return tuple(found)


def resolve(text: str) -> Path:
    """The file or folder of the model that a name of `listing`, a file or a folder stands for.

    Raises ModelFileError in one line.
    """
    named = _named()
    if text in named:
        return named[text]
    path = Path(text).expanduser()
    try:
        if text and path.is_dir():
            return _in_folder(path)
        if text and path.is_file():
            return _of_file(path)
    except OSError as error:
        raise ModelFileError(f"{text[:80]!r} cannot be read: {error.strerror}") from None
    known = ", ".join(named) or "none"
    raise ModelFileError(f"there is no model {text[:80]!r}: neither a file, nor a folder with one, nor one of {known}")


def describe(path: Path) -> ModelInfo:
    """What the header of a model and the card beside it say. Raises ModelFileError."""
    header = format_of(path).read_header(path)
    card = read_card(path)
    listed = next((name for name, named in _named().items() if named == path), None)
    name = listed or str(card.get("name") or _own_name(path, header))
    return ModelInfo(
        name=name,
        title=str(card.get("title") or header.title or name),
        kind=str(card.get("kind") or ""),
        path=str(path),
        config=header.config,
        parameters=header.parameters,
        licence=str(card.get("licence") or header.licence),
        has_bos=header.has_bos,
        prepends_bos=header.prepends_bos,
        summary=str(card.get("summary") or ""),
        size=header.size,
        memory=_memory(header),
        stored=header.stored,
        ships=SHIPPED in path.parents,
    )


def _own_name(path: Path, header: Header) -> str:
    """What a model that is not listed is called."""
    if film.is_film(path):
        return str(path)  # its checkpoints are named after it: PATH@STEP
    if path.is_dir():
        return header.title or path.name
    return path.resolve().parent.name if path.name == WEIGHTS else path.stem


def _memory(header: Header) -> int:
    """Bytes that the open model takes: weights in float32, and the logits of a usual prompt with their softmax."""
    length = min(USUAL_LENGTH, header.config.context)
    return 4 * header.parameters + 2 * 4 * length * header.config.vocabulary


def read_card(path: Path) -> dict[str, Any]:
    """The card beside a weights file; empty when there is none or it cannot be read, for the weights stand alone."""
    if smollm2.is_it(path):
        return smollm2.CARD_FIELDS
    try:
        card = json.loads((path.parent / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}


def _named() -> dict[str, Path]:
    """Models by name, those that ship first; a model of the user's cannot take their names."""
    named = {weights.parent.name: weights for weights in sorted(SHIPPED.glob(f"*/{WEIGHTS}"))}
    found = smollm2.find()
    if found is not None:
        named[smollm2.NAME] = found
    for place in sorted(user_folder().glob("*")):
        path = _of_user(place)
        if path is not None and path != found:
            named.setdefault(place.name if place.is_dir() else place.stem, path)
    return named


def _of_user(place: Path) -> Path | None:
    """The model that a file or folder among the user's own holds."""
    try:
        if place.is_dir():
            return _in_folder(place)
        return place if place.suffix.lower() == ".gguf" else None
    except (ModelFileError, OSError):
        return place / WEIGHTS if (place / WEIGHTS).exists() else None


def _in_folder(folder: Path) -> Path:
    """The model in a folder: our own file, a folder of Hugging Face, or the one GGUF file that lies there."""
    if (folder / CONFIG).is_file():
        return folder
    weights = sorted(folder.glob("*.gguf"))
    if (folder / WEIGHTS).is_file():
        return folder / WEIGHTS
    if len(weights) == 1:
        return weights[0]
    if weights:
        raise ModelFileError(f"the folder {folder.name!r} holds {len(weights)} GGUF files: choose one of them")
    raise ModelFileError(
        f"the folder {folder.name!r} holds no model: neither {WEIGHTS}, nor {CONFIG} with weights, nor a GGUF file"
    )


def _of_file(path: Path) -> Path:
    """The model that a file belongs to: itself, or the folder whose configuration stands beside it."""
    kind = path.suffix.lower()
    if kind in (".gguf", ".whl") or (kind == ".safetensors" and (native.is_native(path) or film.is_film(path))):
        return path
    if kind in (".safetensors", ".json") and (path.parent / CONFIG).is_file():
        return path.parent
    if kind == ".safetensors":
        raise ModelFileError(f"{path.name} holds weights only: open a folder that has their {CONFIG} too")
    raise ModelFileError(
        f"{path.name} is not a model that can be opened: "
        f"a .safetensors or .gguf file is wanted, or a folder with {CONFIG}"
    )
