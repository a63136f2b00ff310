"""Names of checkpoints: `instant@300` is the model `instant` as it was after 300 steps of its training.

A model that ships, or was trained here, may have a film: the checkpoints of its run in one file (training/film.py).
Must not import torch.
"""

from __future__ import annotations

from pathlib import Path

from engine.model.folders import user_folder

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
    """The film of a model by its name; None where there is none, or the name is a path."""
    if not base or Path(base).name != base:
        return None
    paths = (FILMS / f"{base}.safetensors", user_folder() / base / "film.safetensors")
    return next((path for path in paths if path.is_file()), None)
