"""The files of a model's folder, looked at with suspicion: where they lie, how large and how deep they are.

Must not import torch: the window lists models before torch is loaded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engine.model.loaders.header import ModelFileError

CONFIG = "config.json"
MEGABYTE = 1 << 20
LARGEST_CONFIG, LARGEST_INDEX, LARGEST_TOKENIZER = MEGABYTE, 32 * MEGABYTE, 64 * MEGABYTE
LARGEST_README = 64 * 1024  # characters of it that are looked at


def file_in(folder: Path, name: str) -> Path | None:
    """The file of that name, its links followed; None when there is none.

    Raises ModelFileError when it is no plain file, or when `name` or a link leads out of the folder: a model must not
    make the app read the user's other files.
    """
    if name in ("", ".", "..") or any(sign in name for sign in '/\\:\0"\n\r'):
        raise ModelFileError(f"{folder.name} is damaged: {name[:80]!r} is not the name of a file in this folder")
    place = folder / name
    try:
        if not place.is_symlink() and not place.exists():
            return None
        home, target = folder.resolve(strict=True), place.resolve(strict=True)
    except (OSError, RuntimeError):  # RuntimeError: links in a circle
        raise ModelFileError(f"{name} of {folder.name} cannot be read: its link leads nowhere") from None
    if not any(target.is_relative_to(allowed) for allowed in (home, _blobs(home))):
        raise ModelFileError(f"{name} of {folder.name} is a link out of the folder: put the file itself there")
    if not target.is_file():
        raise ModelFileError(f"{name} of {folder.name} is not a file")
    return target


def in_cache(folder: Path) -> str | None:
    """`org/name` of a model in the cache of Hugging Face, .../models--org--name/snapshots/<hash>; else None."""
    model = folder.parent.parent.name
    if folder.parent.name == "snapshots" and model.startswith("models--"):
        return model.removeprefix("models--").replace("--", "/")
    return None


def _blobs(home: Path) -> Path:
    """Where links may lead: in a cache every file is a link into `blobs`, which all snapshots of the model share."""
    return home.parent.parent / "blobs" if in_cache(home) else home


def read_text(path: Path, largest: int) -> str:
    """A text file of at most `largest` bytes. Raises ModelFileError."""
    try:
        with path.open("rb") as file:
            content = file.read(largest + 1)
    except OSError as error:
        raise ModelFileError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > largest:
        raise ModelFileError(f"{path.name} is larger than the {largest // MEGABYTE} MB that such a file may have")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise ModelFileError(f"{path.name} is damaged: it is not UTF-8 text") from None


def read_object(folder: Path, name: str, largest: int = LARGEST_CONFIG) -> dict[str, Any]:
    """A JSON object by its fields, {} when the folder has no such file. Raises ModelFileError."""
    path = file_in(folder, name)
    if path is None:
        return {}
    text = read_text(path, largest)
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        raise ModelFileError(f"{name} of {folder.name} is damaged: it cannot be read as JSON") from None
    if not isinstance(fields, dict):
        raise ModelFileError(f"{name} of {folder.name} is damaged: it holds no fields")
    return fields


def licence(folder: Path) -> str:
    """What the front matter of README.md says after `license:`; "" when that cannot be told simply."""
    path = file_in(folder, "README.md")
    if path is None:
        return ""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            front, _, rest = file.read(LARGEST_README).removeprefix("---\n").partition("\n---")
    except OSError:
        return ""
    stated = [line.removeprefix("license:").strip(" \"'") for line in front.splitlines() if line.startswith("license:")]
    return stated[0][:60] if rest and stated else ""
