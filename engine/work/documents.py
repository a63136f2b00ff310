"""Results as the plain documents of the headless twin: its names and fields are a contract, nothing
else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.model.config import ModelConfig
from engine.work.results import Analysis, HeadScores, ModelInfo

OLSSON_EARLY, OLSSON_LATE = 50, 500  # positions, for prompts that have both


def listed(info: ModelInfo) -> dict[str, Any]:
    """One line of `models`."""
    names = ("name", "kind", "layers", "heads", "parameters", "context", "path", "licence")
    return {name: getattr(info, name) for name in names}


def model(info: ModelInfo, config: ModelConfig) -> dict[str, Any]:
    return {
        "name": info.name,
        "architecture": "attention and MLP" if config.d_mlp else "attention-only",
        "layers": info.layers,
        "heads": info.heads,
        "d_model": info.d_model,
        "d_head": info.d_head,
        "vocabulary": info.vocabulary,
        "positions": info.positions,
        "hash": info.hash,
    }


def run(analysis: Analysis) -> dict[str, Any]:
    """Tokens, losses and predictions of one run."""
    return {
        "tokens": [{"position": token.position, "id": token.id, "text": token.text} for token in analysis.tokens],
        "predictions": [asdict(prediction) for prediction in analysis.predictions],
        "loss": analysis.losses.tolist(),
    }


def in_context(losses: Sequence[float] | NDArray[np.float32]) -> dict[str, float | None]:
    """How much later tokens are foretold better than early ones, in nats; negative means that context helps.

    As in Olsson et al. 2022 the loss at position 500 against that at 50; a shorter run is halved, and the
    means of its halves are compared.
    """
    known = np.asarray(losses, dtype=np.float64)[1:]  # position 0 is foretold by nothing
    if len(known) < 2:
        return {"early": None, "late": None, "late_minus_early": None}
    if len(known) >= OLSSON_LATE:
        early, late = float(known[OLSSON_EARLY - 1]), float(known[OLSSON_LATE - 1])
    else:
        half = len(known) // 2
        early, late = float(known[:half].mean()), float(known[half:].mean())
    return {"early": early, "late": late, "late_minus_early": late - early}


def heads(scores: Sequence[HeadScores]) -> list[dict[str, Any]]:
    return [asdict(score) for score in scores]
