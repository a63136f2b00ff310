"""Runs of random models with every activation kept, over all the shapes that a split of a run must hold for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from engine.model.taps import Capture, chain
from engine.model.transformer import Tap, Transformer
from tests.engine.shapes import KINDS

BIAS: dict[str, Any] = {"attention_bias": True, "output_bias": True}
BIASED: dict[str, Any] = BIAS | {"norm": "layer"}
SHAPES: list[tuple[str, dict[str, Any]]] = [(kind, {}) for kind in KINDS] + [
    ("absolute-bare", BIASED | {"kv_heads": 2}),
    ("absolute-bare", {"positions": "none"}),
    ("shortformer-bare", BIASED),
    ("shortformer-bare", BIAS | {"norm": "rms"}),
    ("alibi-bare", BIASED | {"kv_heads": 1}),
    ("alibi-bare", BIAS),
    ("neox-like", BIAS | {"rotary_pairing": "interleaved"}),
    ("llama-like", BIAS | {"rotary_dim": 4}),
    ("gpt2-like", {"parallel_residual": True}),
]


REPEAT = torch.tensor([[0, *range(1, 12), *range(1, 12)]])  # BOS + L + L for the hand-built models, L = 11


def everything(model: Transformer, tokens: Tensor, *before: Tap) -> dict[str, Tensor]:
    """Every activation of a run, after the taps `before` have done what they do."""
    kept = Capture(lambda _name: True)
    model(tokens, chain(*before, kept))
    return kept.kept


def near(actual: Tensor, expected: Tensor, tolerance: float = 1e-9) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance)
