"""Models that look like an induction circuit to one kind of evidence and are none, and checkpoints of films."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from engine.circuits.interventions.ablation import rotation
from engine.model.config import HeadRef, ModelConfig
from engine.model.handbuilt import LOGIT, MATCH, REST, VOCABULARY, Draft, tokenizer
from engine.model.library import ModelInfo
from engine.model.tokenizer import Tokenizer
from engine.model.transformer import Attention, Transformer
from engine.work.recent import RecentRuns
from engine.work.state import EngineState, OpenModel

FILMS = Path(__file__).parents[2] / "resources" / "films"
TOKENS = range(VOCABULARY)


def opened(model: Transformer, words: Tokenizer | None = None, name: str = "made") -> EngineState:
    """A model that was never a file, as a state that jobs can work on."""
    config = model.config
    info = ModelInfo(name, name, "made", "", config, 0, "", hash=f"{name}-{id(model)}")
    return EngineState(OpenModel(info, model, words or tokenizer()), RecentRuns())


def resting_writer(context: int = 32) -> Transformer:
    """Head 0.0's outputs fit head 1.0's keys perfectly, but it attends to BOS always: the note is never written."""
    draft = Draft({"tok": VOCABULARY, "prev": VOCABULARY, "out": VOCABULARY, "pos": context, "one": 1})
    sink = range(VOCABULARY, VOCABULARY + 1)
    draft.query(0, draft.blocks["one"], sink, MATCH)
    draft.key(0, draft.blocks["tok"][:1], sink)
    draft.copy(0, "tok", "prev")
    _reader(draft, "tok")
    return draft.model


def blind_reader(context: int = 32) -> Transformer:
    """Head 0.0 writes the note and head 1.0's keys read it, but its queries read a block that nothing ever writes."""
    sizes = {"tok": VOCABULARY, "prev": VOCABULARY, "out": VOCABULARY, "ghost": VOCABULARY, "pos": context, "one": 1}
    draft = Draft(sizes)
    draft.previous_token_head(0, "tok", "prev")
    _reader(draft, "ghost")
    return draft.model


def pointer_with_idle_notes(context: int = 23) -> Transformer:
    """The pointer circuit, and beside it head 0.1, which notes the previous token for keys that no query asks for."""
    sizes = {"tok": VOCABULARY, "ptr": context, "prev": VOCABULARY, "out": VOCABULARY}
    draft = Draft(sizes | {"ghost": VOCABULARY, "pos": context, "one": 1}, heads=2)
    places, second = range(VOCABULARY, VOCABULARY + context), draft.model.config.d_head
    sink = range(places.stop, places.stop + 1)
    draft.query(0, draft.blocks["tok"], TOKENS, MATCH)
    draft.query(0, draft.blocks["pos"], places, -2 * MATCH)
    draft.query(0, draft.blocks["one"], sink, REST)
    draft.key(0, draft.blocks["tok"], TOKENS)
    draft.key(0, draft.blocks["pos"], places)
    draft.key(0, draft.blocks["tok"][:1], sink)
    draft.copy(0, "pos", "ptr")
    draft.query(0, draft.blocks["pos"][1:], range(second, second + context - 1), MATCH)
    draft.key(0, draft.blocks["pos"], range(second, second + context))
    draft.copy(0, "tok", "prev", head=1)
    draft.query(1, draft.blocks["ptr"][:-1], range(1, context), MATCH)
    draft.key(1, draft.blocks["pos"], range(context))
    draft.query(1, draft.blocks["ghost"], range(context, context + VOCABULARY), MATCH)
    draft.key(1, draft.blocks["prev"], range(context, context + VOCABULARY))
    draft.copy(1, "tok", "out", LOGIT)
    return draft.model


def _reader(draft: Draft, asks: str) -> None:
    draft.query(1, draft.blocks[asks], TOKENS, MATCH)
    draft.key(1, draft.blocks["prev"], TOKENS)
    draft.copy(1, "tok", "out", LOGIT)


def rotated_values(model: Transformer, heads: tuple[HeadRef, ...], seed: int = 0) -> Transformer:
    """A copy in which what these heads read is turned before it is written: W_V R W_O, patterns as they were."""
    turned, turn = copy.deepcopy(model), rotation(model.config.d_head, seed).to(model.W_E)
    with torch.no_grad():
        for layer, head in heads:
            attention = turned.layers[layer].attention
            assert isinstance(attention, Attention)
            columns = slice(head * model.config.d_head, (head + 1) * model.config.d_head)
            attention.W_V[:, columns] = attention.W_V[:, columns] @ turn
    return turned


def frames(film: str, config: ModelConfig) -> dict[int, Transformer]:
    """The checkpoints of a film by step."""
    found: dict[int, dict[str, Tensor]] = {}
    with safe_open(FILMS / f"{film}.safetensors", framework="pt") as file:  # type: ignore[no-untyped-call]
        for key in file.keys():  # noqa: SIM118  (no mapping)
            step, name = re.fullmatch(r"(\d+)/(.+)", key).groups()  # type: ignore[union-attr]
            found.setdefault(int(step), {})[name] = file.get_tensor(key).float()
    models = {}
    for step, weights in sorted(found.items()):
        models[step] = Transformer(config).requires_grad_(False)
        models[step].load_state_dict(weights)
    return models


def curves(film: str) -> list[dict[str, Any]]:
    with safe_open(FILMS / f"{film}.safetensors", framework="pt") as file:  # type: ignore[no-untyped-call]
        return json.loads(file.metadata()["curves"])
