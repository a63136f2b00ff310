"""The models that ship with the app and those found in the user's folder, and what a name or a path stands
for.

Must not import torch: the window lists models before torch is loaded. Weights are never read here.
"""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from engine.model.loaders import native
from engine.model.loaders.native import ModelFileError

SHIPPED = Path(__file__).parents[2] / "resources" / "models"
WEIGHTS, CARD = "model.safetensors", "card.json"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ModelInfo:
    """A model as listed, and as opened. `hash` is the first 12 hex digits of the file's SHA-256 ("" until
    opened).
    """

    name: str
    title: str
    kind: str
    path: str
    layers: int
    heads: int
    d_model: int
    d_head: int
    vocabulary: int
    context: int
    parameters: int
    positions: str
    licence: str
    hash: str = ""
    prepends_bos: bool = True
    summary: str = ""


def listing() -> tuple[ModelInfo, ...]:
    """Every model that can be opened by name; one that is damaged is left out and logged."""
    found = []
    for name, path in _named().items():
        try:
            found.append(describe(path))
        except ModelFileError as error:
            log.warning("model %s is left out: %s", name, error)
    return tuple(found)


def resolve(text: str) -> Path:
    """The weights file that a name of `listing`, a file or a folder stands for. Raises ModelFileError in one line."""
    named = _named()
    if text in named:
        return named[text]
    path = Path(text).expanduser()
    try:
        if path.is_dir() and text:
            path = path / WEIGHTS
        if text and path.is_file():
            return _readable_kind(path)
    except OSError as error:
        raise ModelFileError(f"{text[:80]!r} cannot be read: {error.strerror}") from None
    known = ", ".join(named) or "none"
    raise ModelFileError(
        f"there is no model {text[:80]!r}: neither a file, nor a folder with {WEIGHTS}, nor one of {known}"
    )


def describe(path: Path) -> ModelInfo:
    """What the header of a weights file and the card beside it say. Raises ModelFileError."""
    header = native.read_header(path)
    card, config = read_card(path), header.config
    listed = next((name for name, weights in _named().items() if weights == path), None)
    own_name = path.resolve().parent.name if path.name == WEIGHTS else path.stem
    name = listed or str(card.get("name") or own_name)
    return ModelInfo(
        name=name,
        title=str(card.get("title") or name),
        kind=str(card.get("kind") or ""),
        path=str(path),
        layers=config.layers,
        heads=config.heads,
        d_model=config.d_model,
        d_head=config.d_head,
        vocabulary=config.vocabulary,
        context=config.context,
        parameters=header.parameters,
        positions=config.positions,
        licence=str(card.get("licence") or ""),
        prepends_bos=bool(header.tokenizer.get("prepend_bos")) and header.tokenizer.get("bos") is not None,
        summary=str(card.get("summary") or ""),
    )


def read_card(path: Path) -> dict[str, Any]:
    """The card beside a weights file; empty when there is none or it cannot be read, for the weights stand alone."""
    try:
        card = json.loads((path.parent / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}


def user_folder() -> Path:
    """Where the user's own models lie, one folder each; HEADSCOPE_HOME moves it."""
    home = os.environ.get("HEADSCOPE_HOME")
    return (Path(home) if home else user_data_path("headscope", appauthor=False)) / "models"


def _named() -> dict[str, Path]:
    """Weights files by name, those that ship first; a model of the user's cannot take their names."""
    named: dict[str, Path] = {}
    for folder in (SHIPPED, user_folder()):
        for weights in sorted(folder.glob(f"*/{WEIGHTS}")):
            named.setdefault(weights.parent.name, weights)
    return named


def _readable_kind(path: Path) -> Path:
    if path.suffix.lower() != ".safetensors":
        raise ModelFileError(f"{path.name} is not a model that can be opened: a .safetensors file is wanted")
    return path
