"""Is a pair of heads used on this prompt, and through what? Exact path patching by queries, keys and values."""

from __future__ import annotations

import math

from torch import Tensor

from engine.circuits.interventions.edges import HeadInput
from engine.circuits.interventions.values import Part
from engine.circuits.patching.activations import Direction
from engine.circuits.patching.corruption import differing, single_note
from engine.circuits.patching.metrics import AttentionAndLead
from engine.circuits.patching.paths import exact_paths
from engine.circuits.scores.patterns import followers
from engine.circuits.weights.ovqk import check_order
from engine.model.config import HeadRef
from engine.work.circuit_results import PathEffect, PathProof
from engine.work.jobs.explanation import Explainer
from engine.work.jobs.reading import read
from engine.work.jobs.remembering import remembered
from engine.work.jobs.running import batch
from engine.work.requests import Analyze, PatchPair, Prompt
from engine.work.state import EngineState
from engine.work.task import Task

PARTS: tuple[Part, ...] = ("q", "k", "v")
DIRECTIONS: tuple[Direction, ...] = ("noising", "denoising")
METRICS = ("attention", "logit")
SEED = 0  # of the token that stands for the note


@remembered
def patch_pair(request: PatchPair, state: EngineState, task: Task) -> PathProof:
    """Raises PromptError for a prompt that cannot be read; ValueError for heads that do not follow one another, under
    interventions, and where the token of the destination has no earlier copy."""
    if request.interventions:
        raise ValueError("path patching compares two plain runs: switch the interventions off to see it")
    check_order(request.reader, request.writer)
    return _Proof(request, state, task).proven()


class _Proof:
    """The clean run, the corrupt one, and what is measured in both."""

    def __init__(self, request: PatchPair, state: EngineState, task: Task) -> None:
        self.request, self.task, self.opened = request, task, state.require()
        self.explainer = Explainer(Analyze(request.prompt), state, task)
        self.model, self.clean = self.explainer.model, self.explainer.tokens  # (1, T)
        self.model.config.require_heads((request.writer, request.reader))
        self.place = self.explainer.place(request.destination)
        self.source = self._source()
        self.corrupt, self.how = self._corrupt()
        token = int(self.clean[0, self.source])
        self.metric = AttentionAndLead(self.model, request.reader, self.place, self.source, token)

    def _source(self) -> int:
        """Of the places that follow an earlier copy of the destination's token, the one that the reader attends to."""
        layer, head = self.request.reader
        targets = followers(self.clean, self.explainer.reading.bos)[0, self.place]  # (T)
        if not targets.any():
            texts = self.opened.tokenizer.texts(self.explainer.reading.ids)
            raise ValueError(f"no earlier {texts[self.place]!r} in this prompt: there is no note that could be read")
        row = self.explainer.stream(frozenset({"embed", f"{layer}.pattern"})).tap(f"{layer}.pattern")[head, self.place]
        return int(row.masked_fill(~targets, -1.0).argmax())

    def _corrupt(self) -> tuple[Tensor, str]:
        """(1, T), and in words what it is."""
        if self.request.other is not None:
            other = batch(read(self._like(self.request.other), self.opened).ids)
            if not differing(self.clean, other).any():
                raise ValueError("the two prompts are the same: change a word of the second one")
            return other, "prompt B"
        corrupt = single_note(self.clean, self.source, self.opened.tokenizer.ordinary, SEED)
        texts = self.opened.tokenizer.texts(corrupt[0].tolist())
        was = self.opened.tokenizer.texts(self.explainer.reading.ids)[self.source - 1]
        return corrupt, f"this prompt with {texts[self.source - 1]!r} in place of {was!r} at {self.source - 1}"

    def _like(self, other: Prompt) -> Prompt:
        return Prompt(other.text, bos=self.request.prompt.bos)

    def proven(self) -> PathProof:
        writer, reader = self.request.writer, self.request.reader
        others = tuple(head for head in self.model.config.all_heads if head.layer == writer.layer and head != writer)
        groups: list[tuple[HeadRef, ...]] = [(writer,), others] if others else [(writer,)]
        own: list[PathEffect] = []
        control: list[PathEffect] = []
        steps = [(part, direction) for part in PARTS for direction in DIRECTIONS]
        for done, (part, direction) in enumerate(steps):
            self.task.report(done, len(steps), f"patching what {writer} sends to {reader}")
            self.task.yield_point()
            found = self._effects(groups, part, direction)
            own += found[0]
            control += found[1] if others else []
        return PathProof(
            prompt=self.request.prompt,
            interventions=(),
            writer=writer,
            reader=reader,
            destination=self.place,
            source=self.source,
            how=self.how,
            effects=tuple(own),
            control=tuple(control),
            control_heads=others,
        )

    def _effects(self, groups: list[tuple[HeadRef, ...]], part: Part, direction: Direction) -> list[list[PathEffect]]:
        """For each group of senders both metrics."""
        receivers = [HeadInput(self.request.reader, part)]
        found = []
        for effects in exact_paths(self.model, self.clean, self.corrupt, groups, receivers, self.metric, direction):
            for row in effects.effect[:, 0]:  # (2)
                ends = zip(METRICS, row.tolist(), effects.clean[0].tolist(), effects.corrupt[0].tolist(), strict=True)
                found.append(
                    [
                        PathEffect(part, direction, metric, value if math.isfinite(value) else None, clean, corrupt)
                        for metric, value, clean, corrupt in ends
                    ]
                )
        return found
