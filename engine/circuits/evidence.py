"""Causal tests of the two-head circuit on random repeats: previous-token heads write a note, induction heads read it.

Each test meddles with one thing and measures one number a sample; what the numbers mean together is not decided here.
Everything is on BOS + L + L (probes.random_repeat). "Induction" is the strict score, averaged over the induction heads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import torch
from torch import Tensor

from engine.circuits.interventions.ablation import tap_for
from engine.circuits.interventions.edges import HeadInput
from engine.circuits.interventions.values import Ablate, ForcePattern, Intervention, Part, Shape
from engine.circuits.interventions.variants import Run
from engine.circuits.patching.activations import Direction
from engine.circuits.patching.corruption import fresh_first_copy
from engine.circuits.patching.metrics import HeadAttention, Metric, TokenLoss, measured
from engine.circuits.patching.moved_note import moved_note
from engine.circuits.patching.paths import exact_paths
from engine.circuits.scores.patterns import followers
from engine.circuits.statistics import interval, mean_and_error
from engine.model.config import HeadRef
from engine.model.transformer import Transformer

PARTS: tuple[Part, ...] = ("q", "k", "v")
CONTROL_DRAWS = 10  # sets of other heads that are ablated for comparison


@dataclass(frozen=True)
class Outcome:
    """What was done, to which heads, and a measure's mean over `n` samples with its standard error and 95 % interval.

    Measures: `induction`; `induction_one_on`, the attention one place after the strict source; `copy_loss`, nats a
    token of the second copy; `normalised_...`, the same with a path patched: 1 as in the clean run, 0 as in the corrupt
    one; `attention_k`, `_k1`, `_k2`, attention on the earlier copy of the query's token and on the two places after it.
    """

    test: str
    heads: tuple[HeadRef, ...]
    measure: str
    mean: float
    error: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, test: str, heads: Sequence[HeadRef], measure: str, values: Tensor) -> Outcome:
        """values (B), one a sample."""
        mean, error = mean_and_error(values[:, None].double())
        low, high = interval(values[:, None])
        return cls(
            test=test,
            heads=tuple(heads),
            measure=measure,
            mean=float(mean),
            error=float(error),
            low=float(low),
            high=float(high),
            n=int(values.isfinite().sum()),
        )


@dataclass(frozen=True)
class MeanAttention:
    """The mean over heads of their attention on `targets` (B, T, T) bool; a metric."""

    heads: tuple[HeadRef, ...]
    targets: Tensor

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(f"{head.layer}.pattern" for head in self.heads))

    def __call__(self, run: Run) -> Tensor:
        return torch.stack([HeadAttention(head, self.targets)(run) for head in self.heads]).mean(0)  # (N)


class Evidence:
    """The tests of one model on repeats (B, [1 +] 2L), for given previous-token and induction heads.

    `ordinary` are the token ids that corruption may draw from. Memory is bounded by the budget in every test.
    """

    def __init__(
        self,
        model: Transformer,
        repeats: Tensor,
        length: int,
        bos: int | None,
        ordinary: Sequence[int],
        previous: Sequence[HeadRef],
        induction: Sequence[HeadRef],
        seed: int = 0,
    ) -> None:
        if not previous or not induction:
            raise ValueError("the circuit is tested between previous-token and induction heads: this model lacks one")
        self.model, self.repeats, self.length, self.bos = model, repeats, length, bos
        self.ordinary, self.seed = ordinary, seed
        self.previous, self.induction = tuple(previous), tuple(induction)
        strict = followers(repeats, bos)  # (B, T, T)
        self.score = MeanAttention(self.induction, strict)
        self.one_on = MeanAttention(self.induction, strict.roll(1, dims=-1).tril())
        self.loss = TokenLoss(model, repeats, repeats.shape[1] - length + 1)

    def outcomes(self) -> Iterator[Outcome]:
        """Every test in turn: whoever iterates may stop between two."""
        yield from self._measured("nothing", ())
        yield from self._ablations()
        yield from self._paths()
        yield from self._forcings()
        yield from self._moved()

    def _measured(self, test: str, heads: Sequence[HeadRef], *interventions: Intervention) -> Iterator[Outcome]:
        tap = tap_for(self.model, self.repeats, interventions, self.bos)
        metrics: dict[str, Metric] = {"induction": self.score, "induction_one_on": self.one_on, "copy_loss": self.loss}
        for name, metric in metrics.items():
            yield Outcome.of(test, heads, name, measured(self.model, self.repeats, metric, tap))

    def _ablations(self) -> Iterator[Outcome]:
        """The previous-token heads, all of them and each; and sets of as many others that could feed induction."""
        yield from self._measured("ablate", self.previous, Ablate(self.previous))
        if len(self.previous) > 1:
            for head in self.previous:
                yield from self._measured("ablate", (head,), Ablate((head,)))
        for heads in self.control_sets():
            yield from self._measured("ablate_others", heads, Ablate(heads))

    def control_sets(self) -> list[tuple[HeadRef, ...]]:
        """Sets of as many other heads below the last induction head, drawn by seed; none where there are too few."""
        last = max(head.layer for head in self.induction)
        roles = {*self.previous, *self.induction}
        others = [head for head in self.model.config.all_heads if head.layer < last and head not in roles]
        if len(others) < len(self.previous):
            return []
        generator = torch.Generator().manual_seed(self.seed)
        drawn = (torch.randperm(len(others), generator=generator)[: len(self.previous)] for _ in range(CONTROL_DRAWS))
        return list(dict.fromkeys(tuple(sorted(others[place] for place in places.tolist())) for places in drawn))

    def _paths(self) -> Iterator[Outcome]:
        """What previous-token heads send to the induction heads' queries, keys and values, by exact path patching.

        Noising judges attention and copy loss; denoising judges attention only, because with a fresh first copy what
        stands at the source is the wrong token to copy. Beside them what as many other heads send to the keys.
        """
        corrupt = fresh_first_copy(self.repeats, self.length, self.ordinary, self.seed)
        attention, loss = ("normalised_induction", self.score), ("normalised_copy_loss", self.loss)
        cases: list[tuple[str, tuple[HeadRef, ...], Part, Direction, tuple[str, Metric]]] = []
        for part in PARTS:
            cases.append((f"noising_{part}", self.previous, part, "noising", attention))
            cases.append((f"noising_{part}", self.previous, part, "noising", loss))
            cases.append((f"denoising_{part}", self.previous, part, "denoising", attention))
        cases += [("noising_k_others", heads, "k", "noising", attention) for heads in self.control_sets()[:1]]
        for test, senders, part, direction, (measure, metric) in cases:
            receivers = [HeadInput(head, part) for head in self.induction]
            for effects in exact_paths(self.model, self.repeats, corrupt, [senders], receivers, metric, direction):
                yield Outcome.of(test, senders, measure, effects.normalised[0])

    def _forcings(self) -> Iterator[Outcome]:
        """The previous-token heads' patterns replaced: by the ideal one, by one place too far, by a random one."""
        shapes: tuple[tuple[str, Shape, int], ...] = (
            ("force_previous", "previous", 0),
            ("force_offset_2", "offset", 2),
            ("force_random", "random", 0),
        )
        for test, shape, offset in shapes:
            numbers = count(self.seed)
            forced = [ForcePattern(head, shape, offset, next(numbers)) for head in self.previous]
            yield from self._measured(test, self.previous, *forced)

    def _moved(self) -> Iterator[Outcome]:
        """The note moved on an induction head's keys, for the query amid the second copy: on to k + 2, and back to k;
        beside it what as many other heads wrote, moved on."""
        query = self.repeats.shape[1] - 1 - self.length // 2
        k = query - self.length
        if k + 2 >= query:
            return
        moves: list[tuple[str, tuple[HeadRef, ...], int]] = [
            ("note_moved_on", self.previous, k + 2),
            ("note_moved_back", self.previous, k),
            *(("others_moved_on", heads, k + 2) for heads in self.control_sets()[:1]),
        ]
        for receiver in self.induction:
            for test, senders, to in moves:
                below = [head for head in senders if head.layer < receiver.layer]
                found = moved_note(self.model, self.repeats, below, receiver, k, query, to)
                if test == moves[0][0]:
                    yield from self._places("note_in_place", receiver, found.attention_before)
                yield from self._places(test, receiver, found.attention_after)

    def _places(self, test: str, receiver: HeadRef, attention: Tensor) -> Iterator[Outcome]:
        """attention (B, 3) on k, k + 1, k + 2"""
        for place, measure in enumerate(("attention_k", "attention_k1", "attention_k2")):
            yield Outcome.of(test, (receiver,), measure, attention[:, place])
