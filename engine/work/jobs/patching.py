"""Two aligned prompts: where putting an activation of one into the run of the other carries the prediction over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import torch

from engine.circuits.interventions.edges import Sender, senders_before
from engine.circuits.patching.activations import Direction, Effects, Kind, Site, What, patch, sites
from engine.circuits.patching.corruption import differing
from engine.circuits.patching.metrics import LogitDifference, measured
from engine.circuits.patching.paths import exact_paths
from engine.work.jobs.reading import read
from engine.work.jobs.running import batch
from engine.work.requests import Prompt
from engine.work.state import EngineState
from engine.work.task import Task

DIRECTIONS: tuple[Direction, ...] = ("denoising", "noising")
BY_POSITION: tuple[Kind, ...] = ("resid_pre", "attn_out", "mlp_out")
BY_HEAD: tuple[Kind, ...] = ("z", "q", "k", "v", "pattern")


@dataclass(frozen=True)
class Patched:
    """Effects on the lead of the token `right`, the clean prompt's best, over `wrong`, the corrupt one's, after the
    last token; `clean` and `corrupt` are that lead in the two runs. An effect is (denoising, noising), each the share
    of the way to the run that the activation came from.
    """

    corrupt_ids: tuple[int, ...]
    differs: tuple[int, ...]
    right: int
    wrong: int
    clean: float
    corrupt: float
    activations: dict[Site, tuple[float, ...]]
    direct: dict[Sender, tuple[float, ...]]


def patch_prompts(clean: Prompt, corrupt: str, state: EngineState, task: Task) -> Patched:
    """Every activation by layer and position or by head, and every direct path to the logits, patched by itself.

    Raises PromptError for a prompt that cannot be read, ValueError for prompts that differ in length or not at all, or
    that are continued by the same token.
    """
    opened = state.require()
    model, ids = opened.model, read(replace(clean, text=corrupt, repeat=None), opened).ids
    pair = batch(read(clean, opened).ids), batch(ids)  # (1, T) each
    places = differing(*pair)[0].nonzero().flatten().tolist()
    if not places:
        raise ValueError("the two prompts are the same: change a word of the corrupt one")
    right, wrong = (int((model.residual(tokens)[0, -1] @ model.unembedding).argmax()) for tokens in pair)
    if right == wrong:
        text = opened.tokenizer.token_text(right)
        raise ValueError(f"both prompts are continued by {text!r}: change the corrupt one until its prediction differs")
    metric = LogitDifference(model, torch.tensor([right]), torch.tensor([wrong]))
    reached = range(places[0], len(ids))  # nothing differs before
    kinds = [kind for kind in BY_POSITION if kind != "mlp_out" or model.config.d_mlp]
    wanted = [site for kind in kinds for site in sites(model.config, kind, reached)]
    wanted += [site for kind in BY_HEAD for site in sites(model.config, kind)]
    groups = [(sender,) for sender in senders_before(model.config, model.config.layers) if sender != "pos"]
    return Patched(
        corrupt_ids=tuple(ids),
        differs=tuple(places),
        right=right,
        wrong=wrong,
        clean=float(measured(model, pair[0], metric)),
        corrupt=float(measured(model, pair[1], metric)),
        activations=_both({way: patch(model, *pair, wanted, metric, way) for way in DIRECTIONS}, task),
        direct={
            group[0]: effects
            for group, effects in _both(
                {way: exact_paths(model, *pair, groups, ["logits"], metric, way) for way in DIRECTIONS}, task
            ).items()
        },
    )


def _both(runs: Mapping[Direction, Iterable[Effects[What]]], task: Task) -> dict[What, tuple[float, ...]]:
    """The effects of each of what is patched, in the order of `runs`."""
    found: dict[What, tuple[float, ...]] = {}
    for effects in runs.values():
        for part in effects:
            task.yield_point()
            for what, value in zip(part.what, part.effect[:, 0].tolist(), strict=True):
                found[what] = (*found.get(what, ()), value)
    return found
