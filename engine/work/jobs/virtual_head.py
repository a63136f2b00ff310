"""Two heads as one: where it attends on a prompt, and what it moves."""

from __future__ import annotations

from engine.circuits.weights.composition import virtual_ov, virtual_pattern
from engine.circuits.weights.factored import Factored, product
from engine.circuits.weights.ovqk import token_embedding
from engine.circuits.weights.view import Weights
from engine.work.circuit_results import VirtualHead
from engine.work.jobs.explanation import Explainer
from engine.work.jobs.head_circuits import ov_circuit
from engine.work.jobs.remembering import remembered
from engine.work.jobs.running import frozen
from engine.work.requests import Analyze, ExamineVirtualHead
from engine.work.state import EngineState
from engine.work.task import Task


@remembered
def examine_virtual_head(request: ExamineVirtualHead, state: EngineState, task: Task) -> VirtualHead:
    """Raises PromptError for a prompt that cannot be read, ValueError for heads that do not follow one another."""
    opened = state.require()
    model, weights = opened.model, Weights(opened.model)
    first, second = virtual_ov(weights, request.writer, request.reader)  # (d, h), (h, d)
    explainer = Explainer(Analyze(request.prompt, request.interventions), state, task)
    names = [f"{head.layer}.pattern" for head in (request.writer, request.reader)]
    stream = explainer.stream(frozenset({"embed", *names}))
    writer, reader = (
        stream.tap(name)[head.head] for name, head in zip(names, (request.writer, request.reader), strict=True)
    )
    circuit = Factored(product(token_embedding(model), first), product(second, weights.unembedding))
    return VirtualHead(
        prompt=request.prompt,
        interventions=request.interventions,
        writer=request.writer,
        reader=request.reader,
        pattern=frozen(virtual_pattern(writer, reader)),
        ov=ov_circuit(circuit, request.writer, first, explainer),
    )
