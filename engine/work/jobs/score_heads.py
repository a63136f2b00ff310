"""Role scores of every head on random repeats: patterns, control, prefix matching, copying, and what removal
costs.

In that order: all but the removals are there after a few runs and go out as a partial answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from engine.circuits.patching.metrics import TokenLoss
from engine.circuits.patching.sweeps import removals
from engine.circuits.scores.losses import copy_losses, token_losses
from engine.circuits.scores.patterns import ScorePatterns, WatchMass, control_stripe, followers
from engine.circuits.scores.probes import OLSSON_COPIES, OLSSON_SAMPLES, control, olsson_length, random_repeat
from engine.circuits.statistics import mean_and_error
from engine.model.config import HeadRef
from engine.model.transformer import Tap
from engine.work.jobs.copying import copying_scores, with_copying
from engine.work.jobs.head_scores import defined, head_scores, joined
from engine.work.jobs.reading import probe_bos, repeat_rows
from engine.work.jobs.remembering import remembered
from engine.work.jobs.running import chunks, run_tap
from engine.work.requests import ScoreHeads, removed
from engine.work.results import RoleScores
from engine.work.state import EngineState
from engine.work.task import Task


@remembered
def score_heads(request: ScoreHeads, state: EngineState, task: Task) -> RoleScores:
    """Raises PromptError for a length that does not fit, ValueError for a head that does not exist."""
    return _Scoring(request, state, task).complete()


MANY_HEADS, NOTABLE = 64, 16


class _Scoring:
    """One request on its way; every method is a stage."""

    def __init__(self, request: ScoreHeads, state: EngineState, task: Task) -> None:
        self.request, self.state, self.task = request, state, task
        self.opened = opened = state.require()
        self.length = request.length
        self.bos = probe_bos(opened, request.bos)
        self.repeats = repeat_rows(opened, self.length, request.samples, request.seed, request.bos)  # (N, T)
        self.portions = chunks(self.repeats, opened, opened.model.config.heads)  # of the removals
        heads = len(opened.model.config.all_heads)
        usual = heads if heads <= MANY_HEADS else NOTABLE
        self.removals = min(heads, usual if request.removals is None else request.removals)
        self.total = 2 + len(self.portions) * self.removals

    def complete(self) -> RoleScores:
        scores = self._patterns()
        self.task.report(1, self.total, "what heads copy", scores)
        scores = replace(scores, heads=with_copying(scores.heads, copying_scores(self.state, self.task)))
        self.task.report(2, self.total, "removing heads one by one", scores)
        rises = self._loss_rises(self._to_remove(scores))
        rises |= dict.fromkeys(removed(self.request.interventions), 0.0)
        heads = (replace(score, ablation_delta_loss=defined(rises.get(score.ref))) for score in scores.heads)
        return replace(scores, heads=tuple(heads), complete=True)

    def _to_remove(self, scores: RoleScores) -> frozenset[HeadRef]:
        """Of a large model the heads whose patterns say most: to remove each of hundreds would take many minutes."""
        loudest = sorted(scores.heads, key=lambda row: -max(row.induction or 0.0, row.previous_token or 0.0))
        return frozenset(row.ref for row in loudest[: self.removals])

    def _patterns(self) -> RoleScores:
        request, config = self.request, self.opened.model.config
        scored, losses = [], []
        for tokens in chunks(self.repeats, self.opened):
            self.task.yield_point()
            watch = ScorePatterns(tokens, self.bos, self.length)
            losses.append(token_losses(self.opened.model(tokens, self._tap(tokens, watch)), tokens))  # (B, T)
            scored.append(watch.scores())
        loss = torch.cat(losses)  # (N, T)
        others = {
            "induction_control": self._control(),
            "olsson_prefix": self._prefix_matching(),
        }
        first, second = copy_losses(loss, self.length)
        return RoleScores(
            model_hash=self.opened.info.hash,
            length=self.length,
            samples=request.samples,
            seed=request.seed,
            heads=head_scores(config, joined(scored), followers(self.repeats, self.bos), others),
            copy_loss_first=first,
            copy_loss_second=second,
            losses=tuple(loss.mean(0).tolist()),
            complete=False,
        )

    def _control(self) -> list[float]:
        tokens = control(self.repeats, self.length, self.request.seed)  # (N, T)
        return self._mass(tokens, lambda part: control_stripe(part, self.length))

    def _prefix_matching(self) -> list[float]:
        ordinary = self.opened.tokenizer.ordinary
        length = olsson_length(self.opened.model.config.context, ordinary)
        tokens = random_repeat(ordinary, length, OLSSON_SAMPLES, self.request.seed, self.bos, OLSSON_COPIES)
        return self._mass(tokens, lambda part: followers(part, self.bos))

    def _mass(self, tokens: Tensor, targets: Callable[[Tensor], Tensor]) -> list[float]:
        """Attention on the targets of each chunk of samples, mean over samples, for every head."""
        parts = []
        for part in chunks(tokens, self.opened):
            self.task.yield_point()
            watch = WatchMass(targets(part))
            self.opened.model.residual(part, self._tap(part, watch))
            parts.append(watch.mass())  # (B, heads)
        return mean_and_error(torch.cat(parts))[0].tolist()

    def _loss_rises(self, heads: frozenset[HeadRef]) -> dict[HeadRef, float | None]:
        """How much more the second copy costs, without its first token, when one of these heads is removed."""
        if not heads:
            return {}
        model, samples, done = self.opened.model, [], 2
        for tokens in self.portions:
            metric = TokenLoss(model, tokens, tokens.shape[1] - self.length + 1)
            rises, order = [], []
            for part in removals(model, tokens, metric, heads, tap=self._tap(tokens)):
                self.task.yield_point()
                rises.append(part.effect)  # (n, B)
                order += [part for part in part.what if isinstance(part, HeadRef)]
                done += len(part.what)
                self.task.report(done, self.total, "removing heads one by one")
            samples.append(torch.cat(rises))  # (heads, B)
        return dict(zip(order, torch.cat(samples, dim=1).mean(1).tolist(), strict=True))

    def _tap(self, tokens: Tensor, *watchers: Tap) -> Tap:
        return run_tap(self.task, self.opened, tokens, self.bos, self.request.interventions, *watchers)
