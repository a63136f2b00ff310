"""Names of checkpoints: `instant@300` is the model `instant` as it was after 300 steps of its training.

A model that ships, or was trained here, may have a film: the checkpoints of its run in one file (loaders/film.py). A
film anywhere else is named by its path.
Must not import torch.
"""

from __future__ import annotations

from pathlib import Path

from engine.model.folders import user_folder
from engine.model.loaders import film

FILM = "film.safetensors"  # in the folder of a run
TWIN = "-1-layer"  # behind a run's name: the same with one layer
FILMS = Path(__file__).parents[2] / "resources" / "films"
LONGEST = 12  # digits of a step; Python refuses to read numbers of thousands


def named(base: str, step: int) -> str:
    return f"{base}@{step}"


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
    if Path(base).name == base:
        paths = (FILMS / f"{base}.safetensors", user_folder() / base / FILM)
        found = next((path for path in paths if path.is_file()), None)
        if found is not None:
            return found
    return Path(base) if film.is_film(Path(base)) else None
