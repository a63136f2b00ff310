"""Models in words: names, facts, sizes, and how far an opening or a fetch has come. Pure functions, no Qt."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from engine.work.results import ModelInfo

MEGABYTE, GIGABYTE = 1_000_000, 1_000_000_000
LONG_JOB = MEGABYTE  # steps: whoever counts that far counts bytes
SMOLLM2 = "SmolLM2-135M"
_SEED = re.compile(r"-seed-\d+$")


def model_line(model: ModelInfo) -> str:
    """Name and size, as on the model button."""
    layers = f"{model.layers} layer{'s' if model.layers != 1 else ''}"
    return f"{model.title or model.name}   {layers} × {model.heads} head{'s' if model.heads != 1 else ''}"


def model_facts(model: ModelInfo) -> str:
    """What a person may want to know of a model, for a tooltip."""
    kind = f"{model.kind}, {model.stored}" if model.kind and model.stored else model.kind or model.stored
    facts = [
        model.summary,
        kind,
        f"{model.parameters:,} parameters, width {model.d_model}, vocabulary {model.vocabulary:,}",
        f"{model.positions} positions, context {model.context} tokens, licence {model.licence or 'not stated'}",
        f"{bytes_text(model.size)} on disk, about {bytes_text(model.memory)} of memory when open",
        f"prompts begin {'with' if model.prepends_bos else 'without'} ⟨bos⟩ unless you say otherwise",
        short_path(model.path),
    ]
    return "\n".join(filter(None, facts))


def is_seed_twin(model: ModelInfo) -> bool:
    """The same recipe with other random numbers: worth having, but not worth a line of its own in a short list."""
    return model.ships and bool(_SEED.search(model.name))


def title_of(text: str, models: Sequence[ModelInfo]) -> str:
    """What to call a model that was chosen by name, file or folder."""
    title = next((model.title for model in models if text in (model.name, model.path)), "")
    return title or Path(text).name or text


def count_text(number: int) -> str:
    """Parameters: 45 k, 2.3 M, 135 M, 1.2 B."""
    for unit, sign in ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")):
        if number >= unit:
            amount = number / unit
            return f"{amount:.0f} {sign}" if amount >= 10 else f"{amount:.1f} {sign}"
    return str(number)


def bytes_text(size: int) -> str:
    """0.2 MB, 9.5 MB, 93 MB, 0.9 GB; an en dash where it is not known."""
    if size <= 0:
        return "–"
    if size >= 0.5 * GIGABYTE:
        return f"{size / GIGABYTE:.1f} GB"
    megabytes = size / MEGABYTE
    return f"{megabytes:.0f} MB" if megabytes >= 10 else f"{max(megabytes, 0.1):.1f} MB"


def short_path(path: str) -> str:
    """With ~ for the user's folder."""
    try:
        return str(Path("~") / Path(path).relative_to(Path.home()))
    except (ValueError, RuntimeError):
        return path


def status_line(what: str, done: int, total: int) -> str:
    """A job on its way: “removing heads 3 of 8 …”, “fetching SmolLM2-135M 34 of 93 MB …”."""
    if not what:
        return ""
    if total >= LONG_JOB:
        return f"{what} {done / MEGABYTE:.0f} of {total / MEGABYTE:.0f} MB …"
    return f"{what} {done} of {total} …" if total > 1 else f"{what} …"
