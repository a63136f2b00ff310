"""Names of checkpoints: `instant@300` is the model `instant` as it was after 300 steps of its training.

A model that ships may have a film, the checkpoints of its run in one file (training/film.py). Must not import torch.
"""

from __future__ import annotations

from pathlib import Path

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
    path = FILMS / f"{base}.safetensors"
    return path if base and Path(base).name == base and path.is_file() else None
