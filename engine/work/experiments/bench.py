"""What the experiments share: the heads of the open model, prompts of random tokens, and what a head and the prediction
do at the last position of many prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.circuits.attribution.logit_attribution import attribution_taps
from engine.circuits.attribution.stream import Stream
from engine.circuits.interventions.values import Intervention
from engine.circuits.statistics import interval
from engine.circuits.trial import Roles
from engine.circuits.weights.view import folded
from engine.model.config import HeadRef
from engine.model.taps import Capture
from engine.work.experiments.catalogue import Measure
from engine.work.jobs.judge import roles_of
from engine.work.jobs.reading import longest_repeat
from engine.work.jobs.running import run_tap
from engine.work.jobs.score_heads import score_heads
from engine.work.requests import ScoreHeads
from engine.work.state import EngineState
from engine.work.task import Part, Task

AT_A_TIME = 1024  # tokens that run together
NAMED_ON, OTHER_SETS = 20, 4  # tokens of the repeats that name the heads; sets of random heads to compare with


def portions(tokens: Tensor) -> tuple[Tensor, ...]:
    """Prompts (B, T) a few at a time. Others pass between two layers; logits are made at the last position only."""
    return tokens.split(max(1, AT_A_TIME // tokens.shape[1]))


class NotPossible(ValueError):
    """This model cannot be asked; the message is one line that says why."""


@dataclass(frozen=True)
class Seen:
    """At the last position of B prompts: attention of the induction heads' mean (B, T), and logits (B, V)."""

    attention: Tensor
    logits: Tensor

    def on(self, *places: int) -> Tensor:
        """(B): attention on these positions together."""
        return self.attention[:, list(places)].sum(1)

    def chance(self, tokens: Tensor) -> Tensor:
        """(B): the probability of each prompt's token."""
        return self.logits.softmax(-1).gather(1, tokens[:, None])[:, 0]

    def lead(self, tokens: Tensor, over: Tensor | None = None) -> Tensor:
        """(B): the logit of each prompt's token over that of another one, or over the mean of all."""
        own = self.logits.gather(1, tokens[:, None])[:, 0]
        return own - (self.logits.mean(1) if over is None else self.logits.gather(1, over[:, None])[:, 0])


class Bench:
    """One model, one seed, `samples` prompts a condition. Everything random is drawn from the seed."""

    def __init__(self, state: EngineState, task: Task, samples: int, seed: int) -> None:
        self.state, self.task, self.samples, self.seed = state, task, samples, seed
        self.opened = state.require()
        self.model, self.tokenizer = self.opened.model, self.opened.tokenizer
        self.generator = np.random.default_rng((seed, 7))

    @cached_property
    def roles(self) -> Roles:
        """Named on random repeats. Raises NotPossible for a model in which no head matches."""
        length = min(NAMED_ON, longest_repeat(self.opened, None))
        scores = score_heads(ScoreHeads(length, 8, self.seed, None, removals=0), self.state, Part(self.task))
        found = roles_of(scores.heads)
        if not found.induction:
            raise NotPossible("no head of this model looks at what followed an earlier copy")
        return found

    @property
    def heads(self) -> tuple[HeadRef, ...]:
        return self.roles.induction

    def random_heads(self) -> list[tuple[HeadRef, ...]]:
        """Sets of as many heads without a part, of any layer. Raises NotPossible where there are none."""
        parts = {*self.roles.induction, *self.roles.previous, *self.roles.duplicate}
        free = [head for head in self.model.config.all_heads if head not in parts]
        count = len(self.heads)
        if not free:
            raise NotPossible("this model has no heads without a part in the circuit to compare with")
        order = [self.generator.permutation(len(free))[:count].tolist() for _ in range(OTHER_SETS)]
        return list(dict.fromkeys(tuple(sorted(free[place] for place in places)) for places in order))

    def fill(self, fixed: int, stretches: int, most: int) -> int:
        """How many random tokens may stand in each of so many stretches beside `fixed` others: `most`, or what the
        vocabulary and the context leave. Raises NotPossible where that is none."""
        room = min(len(self.tokenizer.ordinary), self.model.config.context - 1 - stretches)
        found = min(most, (room - fixed) // stretches)
        if found < 1:
            raise NotPossible(f"{fixed + stretches} distinct tokens are needed and there is room for {room}")
        return found

    def draw(self, count: int) -> NDArray[np.int64]:
        """(samples, count) ordinary tokens, distinct within a row. Raises NotPossible for a small vocabulary."""
        ordinary = np.asarray(self.tokenizer.ordinary, dtype=np.int64)
        room = self.model.config.context - 1
        if count > min(len(ordinary), room):
            raise NotPossible(f"{count} distinct tokens are needed; this model has {len(ordinary)} and reads {room}")
        return np.stack([self.generator.choice(ordinary, count, replace=False) for _ in range(self.samples)])

    def rows(self, *columns: NDArray[np.int64]) -> Tensor:
        """(samples, [1 +] T): BOS, where the model has one, and columns (samples, n) beside one another."""
        tokens = torch.from_numpy(np.concatenate(columns, axis=1))
        if self.tokenizer.bos is None:
            return tokens
        return torch.cat((torch.full((len(tokens), 1), self.tokenizer.bos), tokens), dim=1)

    @property
    def shift(self) -> int:
        """Where the first column stands."""
        return 0 if self.tokenizer.bos is None else 1

    def see(self, tokens: Tensor, interventions: Sequence[Intervention] = ()) -> Seen:
        """Runs tokens (B, T) in portions; attention is the mean over the induction heads."""
        attention, logits = [], []
        for part in portions(tokens):
            watch = _Rows(self.heads)
            tap = run_tap(self.task, self.opened, part, self.tokenizer.bos, interventions, watch)
            final = self.model.residual(part, tap)[:, -1]  # (b, d)
            attention.append(torch.stack(watch.rows).mean(0))  # (b, T)
            logits.append(final @ self.model.unembedding)  # (b, V)
        return Seen(torch.cat(attention), torch.cat(logits))

    def direct(self, text: str, token: int) -> float:
        """What the induction heads add to a token's logit at the end of a text, over the mean logit, directly."""
        tokens = torch.tensor([self.tokenizer.encode(text, bos=self.tokenizer.bos is not None)])
        kept = Capture((attribution_taps(self.model) - {"logits"}).__contains__)
        self.model.residual(tokens, kept)
        stream = Stream(self.model, kept.kept)
        column = self.model.unembedding[:, token] - self.model.unembedding.mean(1)  # (d)
        reader = folded(self.model.norm_final, column[:, None])[:, 0] * stream.scale("final")[-1]  # (d)
        return sum(float(stream.part(str(head))[-1] @ reader) for head in self.heads)

    def measure(self, condition: str, what: str, values: Tensor, control: bool = False) -> Measure:
        """values (B), one a prompt."""
        low, high = interval(values[:, None])
        known = values[values.isfinite()].double()
        mean = float(known.mean()) if len(known) else float("nan")
        return Measure(condition, what, mean, float(low), float(high), len(known), control)

    def single(self, text: str) -> int | None:
        """The token that a text is by itself; None where it takes several."""
        try:
            ids = self.tokenizer.encode(text, bos=False)
        except ValueError:
            return None
        return ids[0] if len(ids) == 1 else None


class _Rows:
    """A tap that keeps each head's attention from the last position, (B, T) a head."""

    def __init__(self, heads: Sequence[HeadRef]) -> None:
        self.heads, self.rows = heads, list[Tensor]()

    def __call__(self, name: str, x: Tensor) -> Tensor:
        for layer, head in self.heads:
            if name == f"{layer}.pattern":
                self.rows.append(x[:, head, -1])
        return x
