"""Every head and MLP removed one at a time: what becomes of a token and of the loss. Goes out layer by layer."""

from __future__ import annotations

import math
from dataclasses import replace

from engine.circuits.patching.metrics import TokenOutcome, measured
from engine.circuits.patching.sweeps import removals
from engine.work.circuit_results import HeadSweep, SweepRow, TokenValue
from engine.work.jobs.explanation import Explainer
from engine.work.jobs.reading import token_id
from engine.work.jobs.remembering import remembered
from engine.work.jobs.running import run_tap
from engine.work.requests import Analyze, SweepHeads
from engine.work.state import EngineState
from engine.work.task import Task

MANY_HEADS = 64  # with more, the loss of the whole prompt without each of them would take minutes


@remembered
def sweep_heads(request: SweepHeads, state: EngineState, task: Task) -> HeadSweep:
    """Raises PromptError for a prompt or a token that cannot be read, ValueError for a place that is not there."""
    return _swept(request, state, task)


def _swept(request: SweepHeads, state: EngineState, task: Task) -> HeadSweep:
    explainer = Explainer(Analyze(request.prompt, request.interventions), state, task)
    opened, model, tokens = explainer.opened, explainer.model, explainer.tokens
    place = explainer.place(request.position)
    tap = run_tap(task, opened, tokens, explainer.reading.bos, request.interventions)
    if request.token is None:
        token = int((model.residual(tokens, tap)[0, place] @ model.unembedding).argmax())
    else:
        token = token_id(request.token, opened.tokenizer)
    with_loss = len(model.config.all_heads) <= MANY_HEADS and tokens.shape[1] > 1
    metric = TokenOutcome(model, tokens, token, place, with_loss)
    logit, chance, loss = measured(model, tokens, metric, tap)[0].tolist()
    sweep = HeadSweep(
        prompt=request.prompt,
        interventions=request.interventions,
        position=place,
        token=TokenValue(token, opened.tokenizer.token_text(token), chance),
        logit=logit,
        loss=_defined(loss),
        rows=(),
        complete=False,
    )
    total = len(model.config.all_heads) + (model.config.layers if model.config.d_mlp else 0)
    for part in removals(model, tokens, metric, mlps=True, tap=tap):
        rows = zip(part.what, part.effect[:, 0].tolist(), strict=True)
        found = tuple(SweepRow(str(what), by[0], by[1], _defined(by[2])) for what, by in rows)
        sweep = replace(sweep, rows=(*sweep.rows, *found))
        task.report(len(sweep.rows), total, "removing heads one by one", sweep)
        task.yield_point()
    return replace(sweep, complete=True)


def _defined(value: float) -> float | None:
    return value if math.isfinite(value) else None
