"""Experiments that meddle with the circuit on random repeats: positions taken away, copying scrambled."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.circuits.evidence import MeanAttention
from engine.circuits.interventions.ablation import tap_for
from engine.circuits.interventions.values import ChangePositions, Intervention, ScrambleOV
from engine.circuits.patching.metrics import Metric, TokenLoss, measured
from engine.circuits.scores.patterns import followers
from engine.model.config import HeadRef
from engine.work.experiments.bench import Bench, NotPossible, portions
from engine.work.experiments.catalogue import Measure
from engine.work.experiments.literal import Outcome
from engine.work.jobs.judge import OTHER_DRAWS
from engine.work.jobs.reading import longest_repeat, repeat_rows

LENGTH, SEEDS = 20, 4
DIES, LIVES = 0.5, 0.7  # a share of the attention below the one is dead, above the other alive


class _Repeats:
    """Random repeats on which the induction heads are watched; other draws than those that named them."""

    def __init__(self, bench: Bench) -> None:
        self.bench, self.bos = bench, bench.tokenizer.bos
        self.length = min(LENGTH, longest_repeat(bench.opened, None))
        seed = bench.seed + OTHER_DRAWS
        self.parts = portions(repeat_rows(bench.opened, self.length, bench.samples, seed, None))

    def attention(self, interventions: Sequence[Intervention] = ()) -> Tensor:
        """(B): mean strict induction of the induction heads."""
        return self._over(lambda part: MeanAttention(self.bench.heads, followers(part, self.bos)), interventions)

    def loss(self, interventions: Sequence[Intervention] = ()) -> Tensor:
        """(B): nats a token of the second copy, without its first."""
        first = self.parts[0].shape[1] - self.length + 1
        return self._over(lambda part: TokenLoss(self.bench.model, part, first), interventions)

    def _over(self, metric: object, interventions: Sequence[Intervention]) -> Tensor:
        assert callable(metric)
        values = []
        for part in self.parts:
            self.bench.task.yield_point()
            made: Metric = metric(part)
            tap = tap_for(self.bench.model, part, interventions, self.bos)
            values.append(measured(self.bench.model, part, made, tap))
        return torch.cat(values)


def positions(bench: Bench) -> Outcome:
    if bench.model.config.positions == "none":
        raise NotPossible("this model has no positions that could be taken away")
    roles, repeats = bench.roles, _Repeats(bench)
    pointing = bool(roles.duplicate) and not roles.previous
    below = roles.duplicate if pointing else roles.previous
    if not below:
        raise NotPossible("no previous-token or duplicate-token head stands below the induction heads")
    base = repeats.attention()
    cases: dict[str, tuple[HeadRef, ...] | None] = {
        f"removed in {_listed(below)} (head 1)": below,
        f"removed in {_listed(bench.heads)} (head 2)": bench.heads,
        "removed everywhere": None,
    }
    measures = [bench.measure("untouched", "attention", base, control=True)]
    shares = []
    for name, heads in cases.items():
        left = repeats.attention([ChangePositions("remove", heads=heads)])
        shares.append(bench.measure(name, "share of the attention left", left / base))
    lower, upper, everywhere = shares
    expected = (lower.low > LIVES, upper.high < DIES) if pointing else (lower.high < DIES, upper.low > LIVES)
    held = all(expected) and everywhere.high < DIES
    finding = f"Left without positions in head 1: {lower.mean:.2f}, in head 2: {upper.mean:.2f}, everywhere: "
    return [*measures, *shares], held, f"{finding}{everywhere.mean:.2f}."


def scrambled(bench: Bench) -> Outcome:
    if bench.model.config.d_head == 1:
        raise NotPossible("heads of one dimension cannot be turned")
    repeats = _Repeats(bench)
    base, loss = repeats.attention(), repeats.loss()
    layers = {head.layer for head in bench.heads}
    config, parts = bench.model.config, {*bench.heads, *bench.roles.previous, *bench.roles.duplicate}
    others = [head for head in config.all_heads if head.layer in layers and head not in parts][: len(bench.heads)]
    measures: list[Measure] = [bench.measure("untouched", "loss of the second copy", loss, control=True)]
    turned = [[ScrambleOV(head, seed) for head in bench.heads] for seed in range(SEEDS)]
    kept = torch.stack([repeats.attention(one) for one in turned]).mean(0) / base
    lost = torch.stack([repeats.loss(one) for one in turned]).mean(0)
    measures += [
        bench.measure(f"OV of {_listed(bench.heads)} turned", "share of the attention left", kept),
        bench.measure(f"OV of {_listed(bench.heads)} turned", "loss of the second copy", lost),
    ]
    told = "there are no other heads in their layers to compare with"
    if others:
        idle = torch.stack([repeats.loss([ScrambleOV(head, seed) for head in others]) for seed in range(SEEDS)]).mean(0)
        measures.append(bench.measure(f"OV of {_listed(others)} turned", "loss of the second copy", idle, control=True))
        told = f"turning others leaves it at {measures[-1].mean:.2f}"
    held = measures[1].low > LIVES and measures[2].low > 2 * measures[0].high
    return (
        measures,
        held,
        (
            f"They keep {measures[1].mean:.2f} of their attention and the loss goes from {measures[0].mean:.2f} to "
            f"{measures[2].mean:.2f} nats; {told}."
        ),
    )


def _listed(heads: Sequence[HeadRef]) -> str:
    return ", ".join(map(str, heads))
