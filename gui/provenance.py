"""Where the numbers of a figure or a table come from, as plain words and values that travel with the file."""

from __future__ import annotations

from typing import Any

from engine import VERSION
from engine.work.requests import Prompt
from gui.state import ExplorerState
from gui.wording import probe


def provenance_of(state: ExplorerState) -> dict[str, Any]:
    """Program, model and its hash, prompt, probe, interventions and what is pinned; what does not apply is None."""
    shown, found = state.selection, state.findings
    model, scores = found.model, found.fitting_scores
    now = found.analysis.interventions if found.analysis is not None else ()
    return {
        "program": f"Headscope {VERSION}",
        "model": None if model is None else model.name,
        "model_hash": None if model is None else model.hash,
        "prompt": _prompt(found.analysis.prompt if found.analysis is not None else shown.prompt),
        "compared_with": shown.other or None,
        "interventions": [str(value) for value in now],
        "head_scores_measured_on": None if scores is None else f"{probe(scores)}, seed {scores.seed}",
        "pinned": {
            "token": shown.token,
            "source": shown.source,
            "head": None if shown.head is None else str(shown.head),
            "pair": None if shown.pair is None else list(shown.pair),
        },
    }


def _prompt(prompt: Prompt) -> dict[str, Any]:
    if prompt.repeat is not None:
        return {"random_repeat": prompt.repeat.length, "seed": prompt.repeat.seed, "bos": prompt.bos}
    return {"text": prompt.text, "bos": prompt.bos}
