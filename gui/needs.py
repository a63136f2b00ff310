"""What the window wants to know now, from what is shown: the requests behind every panel in sight, most urgent first.

A need has the name under which the state files its answer. Pure: asking is for the conductor.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from engine.circuits.interventions.values import Intervention
from engine.model.config import HeadRef
from engine.work.requests import (
    Analyze,
    Compare,
    ExamineHead,
    ExamineVirtualHead,
    ExplainAttention,
    ExplainPrediction,
    FindFirings,
    Judge,
    LoadModel,
    MeasureComposition,
    ObserveBehaviour,
    PatchPair,
    Prompt,
    ReadFilm,
    Request,
    RunExperiment,
    ScoreHeads,
    StudyHead,
    SweepHeads,
    TraceCircuit,
    WalkThrough,
)
from engine.work.results import ModelInfo
from gui.state import ExplorerState

PROMPTS = 24  # of each condition of an experiment in the window
NOTHING: tuple[Intervention, ...] = ()


@dataclass(frozen=True)
class Need:
    """One thing the window wants to know: the question, and under which name its answer is filed."""

    name: str
    request: Request


def opening_needs(state: ExplorerState) -> Iterator[Need]:
    """The model, and the prompt with every head in place."""
    shown, model = state.selection, state.findings.model
    if shown.model:
        yield Need("model", LoadModel(shown.model))
    if model is not None and (shown.prompt.text or shown.prompt.repeat):
        yield Need("baseline", Analyze(shown.prompt))


def run_needs(state: ExplorerState) -> Iterator[Need]:
    """All about a prompt that has been read. Behaviour goes into the run lane: it interrupts scores, and is quick."""
    shown, baseline, now = state.selection, state.findings.baseline, state.in_force
    if baseline is None:
        return
    if now:
        yield Need("analysis", Analyze(shown.prompt, now))
    head = state.shown_head
    if head is not None and (shown.raw_scores or baseline.patterns is None):
        yield Need("detail", ExamineHead(shown.prompt, head, now))
    yield from _comparison(state, head)
    in_reach = shown.token is not None and shown.token < len(baseline.tokens)
    yield Need("behaviour", ObserveBehaviour(shown.prompt, shown.token if in_reach else None, lane="run"))
    for panel, needs in PANEL_NEEDS.items():
        if panel in shown.panels:
            yield from needs(state)


def model_needs(state: ExplorerState) -> Iterator[Need]:
    """About the model whatever the prompt; last, because it takes longest."""
    if state.findings.model is not None:
        yield Need("scores", ScoreHeads(length=probe_length(state.findings.model)))


def _comparison(state: ExplorerState, head: HeadRef | None) -> Iterator[Need]:
    """Two runs side by side: with and without interventions, or two prompts; and where their patterns were too many to
    be kept the shown head in the other."""
    shown, now = state.selection, state.in_force
    if state.shows_difference:
        other, there = shown.prompt, NOTHING
    elif shown.other:
        other, there = Prompt(shown.other, bos=shown.prompt.bos), now
    else:
        return
    yield Need("comparison", Compare(shown.prompt, other, now, there if state.shows_difference else None))
    found = state.findings.fitting_comparison
    if found is not None and found.second.patterns is None and head is not None:
        yield Need("other_detail", ExamineHead(other, head, there))


def requests_of(state: ExplorerState, names: Collection[str]) -> tuple[Request, ...]:
    """The requests behind findings of these names, as far as they are needed now; a run without interventions is the
    baseline."""
    needs = {need.name: need.request for need in (*opening_needs(state), *run_needs(state), *model_needs(state))}
    if "baseline" in needs:
        needs.setdefault("analysis", needs["baseline"])
    return tuple(dict.fromkeys(needs[name] for name in names if name in needs))


# ---------------------------------------------------------------- what single panels show
def _diagram(state: ExplorerState) -> Iterator[Need]:
    yield Need("composition", MeasureComposition())
    if state.selection.diagram.source == "prompt":
        shown = state.selection
        yield Need("circuit", TraceCircuit(shown.prompt, state.held_focus.destination, state.in_force))


def _pair(state: ExplorerState) -> Iterator[Need]:
    shown = state.selection
    yield from _diagram(state)
    if shown.pair is None or len(shown.pair.heads) < 2:
        return
    writer, reader = shown.pair.heads
    yield Need("virtual", ExamineVirtualHead(shown.prompt, writer, reader, state.in_force))
    other = Prompt(shown.other, bos=shown.prompt.bos) if shown.other else None
    yield Need("proof", PatchPair(shown.prompt, writer, reader, other, state.held_focus.destination, state.in_force))


def _page(state: ExplorerState) -> Iterator[Need]:
    head = state.held_head
    if head is not None:
        yield Need("study", StudyHead(state.selection.prompt, head, state.in_force))
        yield from _diagram(state)
        yield Need("firings", FindFirings(head))


def _attention(state: ExplorerState) -> Iterator[Need]:
    focus = state.held_focus
    if focus.head is not None and focus.destination is not None and focus.source is not None:
        cell = (focus.head, focus.destination, focus.source)
        yield Need("attention_split", ExplainAttention(state.selection.prompt, *cell, state.in_force))


def _logits(state: ExplorerState) -> Iterator[Need]:
    shown, now = state.selection, state.in_force
    asked = (shown.prompt, state.held_focus.destination, shown.target or None, shown.against or None, shown.head)
    yield Need("prediction_split", ExplainPrediction(*asked, now))
    if now:
        yield Need("baseline_split", ExplainPrediction(*asked))


def _sweep(state: ExplorerState) -> Iterator[Need]:
    shown = state.selection
    yield Need("sweep", SweepHeads(shown.prompt, state.held_focus.destination, shown.target or None, state.in_force))


def _walk(state: ExplorerState) -> Iterator[Need]:
    if not state.in_force:
        yield Need("walk", WalkThrough(state.selection.prompt, state.held_focus.destination))


def verdict_request(state: ExplorerState) -> Judge | None:
    """What the verdict panel asks: of the prompt, or of the model; nothing while interventions are in force."""
    if state.in_force:
        return None
    if state.selection.judges_model:
        return Judge(length=probe_length(state.findings.model)) if state.findings.model is not None else None
    return Judge(state.selection.prompt, state.held_focus.destination)


def _verdict(state: ExplorerState) -> Iterator[Need]:
    asked = verdict_request(state)
    if asked is not None:
        yield Need("verdict", asked)


def _gallery(state: ExplorerState) -> Iterator[Need]:
    """Nothing is measured before a guess is made."""
    if state.selection.guess is not None:
        yield Need("experiment", RunExperiment(state.selection.experiment, samples=PROMPTS))


def _timeline(state: ExplorerState) -> Iterator[Need]:
    """Also where no checkpoint could be read: the answer then says what is wrong, or that there is no film."""
    model = state.findings.model
    if model is not None and (model.steps or model.ships):
        yield Need("film", ReadFilm(model.run, len(model.steps)))


PANEL_NEEDS: dict[str, Callable[[ExplorerState], Iterator[Need]]] = {
    "attention": _attention,
    "logits": _logits,
    "page": _page,
    "pair": _pair,
    "diagram": _diagram,
    "matrix": _diagram,
    "walk": _walk,
    "sweep": _sweep,
    "verdict": _verdict,
    "gallery": _gallery,
    "timeline": _timeline,
}
PANEL_FINDINGS = (
    *("composition", "circuit", "proof", "study", "firings", "virtual"),
    *("attention_split", "prediction_split", "baseline_split", "sweep", "walk", "verdict", "experiment", "film"),
)


def probe_length(model: ModelInfo) -> int:
    """How many tokens the random repeat may have: 40 where context and vocabulary allow it."""
    return max(1, min(40, (model.context - 1) // 2, model.vocabulary - 1))
