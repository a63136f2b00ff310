"""Names of checkpoints: `instant@300` is the model `instant` as it was after 300 steps of its training.

A model that ships, or was trained here, may have a film: the checkpoints of its run in one file (loaders/film.py). A
film anywhere else is named by its path.
Must not import torch.
"""

from __future__ import annotations

from pathlib import Path

from engine.model.folders import user_folder
from engine.model.loaders import film

FILMS = Path(__file__).parents[2] / "resources" / "films"
LONGEST = 12  # digits of a step; Python refuses to read numbers of thousands


def named(base: str, step: int) -> str:
    return f"{base}@{step}"


def is_path(base: str) -> bool:
    """Whether it leads to a file, where others are names of the library."""
    return Path(base).name != base


def parted(name: str) -> tuple[str, int | None]:
    """The model and the step that a name stands for; None: the model itself."""
    base, at, step = name.rpartition("@")
    if at and step.isdecimal() and len(step) <= LONGEST and film_of(base) is not None:
        return base, int(step)
    return name, None


def film_of(base: str) -> Path | None:
    """The film of a model by its name, or the film that a path leads to; None where there is none."""
    if not base:
        return None
    if is_path(base):
        return Path(base) if film.is_film(Path(base)) else None
    paths = (FILMS / f"{base}.safetensors", user_folder() / base / "film.safetensors")
    return next((path for path in paths if path.is_file()), None)
