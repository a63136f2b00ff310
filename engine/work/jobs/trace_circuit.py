"""The circuit that one position of the prompt used: every writer's part in every head's query, keys and values."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from engine.circuits.attribution.logit_attribution import reader_of
from engine.circuits.attribution.prompt_circuit import LayerCircuit, circuit_taps, trace
from engine.work.circuit_results import EMBED, POSITIONS, PromptCircuit, TokenValue
from engine.work.jobs.explanation import Explainer
from engine.work.jobs.remembering import remembered
from engine.work.jobs.running import frozen
from engine.work.requests import Analyze, PairKind, TraceCircuit
from engine.work.state import EngineState
from engine.work.task import Task

KINDS: tuple[PairKind, ...] = ("q", "k", "v")


@remembered
def trace_circuit(request: TraceCircuit, state: EngineState, task: Task) -> PromptCircuit:
    """Raises PromptError for a prompt that cannot be read, ValueError for a place that it does not have, TooLarge for
    a prompt too long to hold what every source wrote."""
    return _traced(request, state, task)


def _traced(request: TraceCircuit, state: EngineState, task: Task) -> PromptCircuit:
    explainer = Explainer(Analyze(request.prompt, request.interventions), state, task)
    model, place = explainer.model, explainer.place(request.destination)
    stream = explainer.stream(circuit_taps(model) | {"final.scale", "logits"})
    log_chances = stream.tap("logits")[place].log_softmax(-1)  # (V)
    token = int(log_chances.argmax())
    reader = reader_of(stream, token, place)  # (d)
    heads = tuple(map(str, model.config.all_heads))
    start = (EMBED, POSITIONS) if model.config.positions in ("absolute", "shortformer") else (EMBED,)
    writers = (*start, *heads)
    layers: list[LayerCircuit] = []
    for layer in trace(stream, place, reader):
        task.yield_point()
        layers.append(layer)
        task.report(len(layers), model.config.layers, "who gave what to whom on this prompt")
    direct = [float(stream.part(name)[place] @ reader) if name in stream.names() else np.nan for name in writers]
    contributions, shares = _tables(layers, writers)
    return PromptCircuit(
        prompt=request.prompt,
        interventions=request.interventions,
        destination=place,
        token=TokenValue(token, explainer.opened.tokenizer.token_text(token), float(log_chances[token].exp())),
        writers=writers,
        readers=heads,
        sources=frozen(torch.cat([layer.source for layer in layers])),
        attention=frozen(torch.cat([layer.attention for layer in layers]).double()),
        contributions=contributions,
        shares=shares,
        direct=frozen(np.array(direct)),
    )


def _tables(
    layers: list[LayerCircuit], writers: tuple[str, ...]
) -> tuple[dict[PairKind, NDArray[np.float64]], dict[PairKind, NDArray[np.float64]]]:
    """Contributions and shares, (W, R) for each kind; NaN where a writer comes too late."""
    rows = {name: place for place, name in enumerate(writers)}
    width = len(layers[0].source)
    shape = (len(writers), width * len(layers))
    parts = {kind: np.full(shape, np.nan) for kind in KINDS}
    shares = {kind: np.full(shape, np.nan) for kind in KINDS}
    for number, layer in enumerate(layers):
        columns = slice(number * width, (number + 1) * width)
        known = [(rows[name], place) for place, name in enumerate(layer.names) if name in rows]
        into, out_of = [row for row, _ in known], [place for _, place in known]
        for kind, rest in zip(KINDS, layer.rest, strict=True):
            added = getattr(layer, kind).double()  # (S, H)
            size = added.abs().sum(0) + rest.double().abs()  # (H)
            parts[kind][into, columns] = added[out_of].numpy()
            shares[kind][into, columns] = (added[out_of].abs() / size.clamp(min=1e-12)).numpy()
    for table in (*parts.values(), *shares.values()):
        table.flags.writeable = False
    return parts, shares
