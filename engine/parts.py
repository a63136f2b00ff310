"""The parts of an `analyze` document beside scores: what explains a run, and what the weights say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from engine.circuits.attribution.logit_attribution import Target
from engine.model.config import HeadRef
from engine.work import documents
from engine.work.jobs.circuits import circuits
from engine.work.jobs.composition import composition_of_pairs, composition_with_ends
from engine.work.jobs.explanation import Explainer, strongest_head
from engine.work.jobs.observe_behaviour import observe_behaviour
from engine.work.requests import Analyze, ObserveBehaviour
from engine.work.state import EngineState
from engine.work.task import Task

Document = dict[str, Any]

USUAL_PARTS = ("heads", "composition", "attribution", "verdict")
BEST = 10


class Parts:
    """One run and the parts wanted of it. `cell` is (head, query, key) as typed, for the part `attention`."""

    def __init__(
        self, wanted: Sequence[str], cell: Sequence[str] | None, request: Analyze, state: EngineState, task: Task
    ) -> None:
        self.wanted, self.cell, self.request, self.state, self.task = wanted, cell, request, state, task
        self.tokenizer = state.require().tokenizer

    def document(self) -> Document:
        """Only what was asked for; raises ValueError, in one line, where a part is not defined for this model."""
        explainer = Explainer(self.request, self.state, self.task)
        document: Document = {}
        if "composition" in self.wanted:
            document["composition"] = documents.edges(self._composition())
            document["composition_ends"] = documents.edges(composition_with_ends(self.state, self.task))
        best, found = explainer.prediction()
        if "attribution" in self.wanted:
            document["attribution"] = documents.attribution(found)
            head = strongest_head(found)
            document["attribution_by_source"] = {"head": str(head), "logits": explainer.by_source(head, Target(best))}
        if "lens" in self.wanted:
            document["lens"] = documents.lens(explainer.lens(best, BEST), self.tokenizer)
        if "paths" in self.wanted:
            document["paths"] = documents.paths(explainer.paths(best))
        if "attention" in self.wanted:
            document["attention"] = self._attention(explainer)
        if "circuits" in self.wanted:
            found_circuits = circuits(self.state, self.task)
            document["circuits"] = [documents.circuit(one, self.tokenizer) for one in found_circuits]
        return document

    def _composition(self) -> tuple[Any, ...]:
        """A one-layer model has no pairs; whoever asks for them is told so."""
        if self.state.require().model.config.layers < 2 and self.wanted == USUAL_PARTS:
            return ()
        return composition_of_pairs(self.state, self.task)

    def _attention(self, explainer: Explainer) -> Document | None:
        """None where no cell was named and the last token has no earlier copy."""
        if self.cell is not None:
            head, query, key = self.cell
            looking = explainer.attention(HeadRef.parse(head), _place(query), _place(key))
            return documents.looking(looking, self.tokenizer)
        request = ObserveBehaviour(self.request.prompt, None, self.request.interventions)
        seen = observe_behaviour(request, self.state, self.task)
        if seen.head is None or seen.source is None:
            return None
        return documents.looking(explainer.attention(seen.head, seen.destination, seen.source), self.tokenizer)


def _place(text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"a position is a whole number from 0, not {text[:20]!r}")
    return int(text)
