"""The sample prompts of a model: lines of resources/prompts, each under a comment that says why."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.work.results import ModelInfo

FOLDER = Path(__file__).resolve().parent.parent / "resources" / "prompts"


@dataclass(frozen=True)
class Sample:
    """A prompt worth trying and, in one sentence, why."""

    text: str
    why: str = ""


def samples(model: ModelInfo) -> tuple[Sample, ...]:
    """Those written for the model or its family; a model from elsewhere has none."""
    for name in (model.name, model.name.partition("-")[0]):
        path = FOLDER / f"{name}.txt"
        if name and path.is_file():
            return read_samples(path.read_text(encoding="utf-8"))
    return ()


def read_samples(text: str) -> tuple[Sample, ...]:
    """One prompt a line; a line that begins with # says why the next one is worth trying."""
    found, why = [], ""
    for line in text.splitlines():
        if line.startswith("#"):
            why = line.lstrip("# ").strip()
        elif line.strip():
            found.append(Sample(line, why))
            why = ""
    return tuple(found)
