"""Runs under interventions given as text, and the hand-built probe that most of their tests use."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from engine.circuits.interventions.ablation import tap_for
from engine.circuits.interventions.lines import parse
from engine.circuits.scores.patterns import ScorePatterns
from engine.circuits.scores.probes import random_repeat
from engine.model.handbuilt import VOCABULARY
from engine.model.taps import Capture, chain
from engine.model.transformer import Tap, Transformer

L = 11
MATCH, REST = math.exp(25), math.exp(12)
ROWS = range(L + 1, 2 * L + 1)  # the strict rows of BOS + L + L
TOKENS = random_repeat(range(1, VOCABULARY), L, samples=3, seed=4, bos=0)  # (3, 23)
UNIFORM = sum(1 / (i + 1) for i in ROWS) / L  # strict induction of a head that does not look


def tap_of(model: Transformer, tokens: Tensor, *lines: str, reference: Tensor | None = None) -> Tap:
    return tap_for(model, tokens, [parse(line) for line in lines], bos=0, reference=reference)


def run(model: Transformer, tokens: Tensor, *lines: str, reference: Tensor | None = None) -> Tensor:
    """The logits under these interventions, (B, T, V)."""
    return model(tokens, tap_of(model, tokens, *lines, reference=reference))


def kept(model: Transformer, tokens: Tensor, *lines: str, reference: Tensor | None = None) -> dict[str, Tensor]:
    """Every activation under these interventions."""
    capture = Capture(lambda _name: True)
    model(tokens, chain(tap_of(model, tokens, *lines, reference=reference), capture))
    return capture.kept


def induction(model: Transformer, *lines: str) -> Tensor:
    """The strict induction of the hand-built head 1.0 on TOKENS, one number a sample."""
    watch = ScorePatterns(TOKENS, 0, L)
    model(TOKENS, chain(tap_of(model, TOKENS, *lines), watch))
    return watch.scores().induction[:, 1]


def differ(a: Tensor, b: Tensor | float) -> float:
    """The largest difference."""
    return float(torch.as_tensor(a - b).abs().max())
