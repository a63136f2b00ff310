"""What the curves of a run show, measured on rows that never change: text loss, copying, and every head's scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from engine.circuits.interventions.ablation import tap_for
from engine.circuits.interventions.values import Intervention
from engine.model.taps import Capture, chain
from engine.model.tokenizer import Tokenizer
from engine.model.transformer import Transformer
from engine.training.data import RowMaker

ROWS = 16
LENGTH = 40  # distinct tokens of a repeat, fewer where context or vocabulary is too small
SEED = 20_000  # of the measuring rows, apart from every training seed


class Monitor:
    """Measures a model on fixed held-out rows of text and on fixed random repeats of the tokens in use."""

    def __init__(self, tokenizer: Tokenizer, held_out: NDArray[np.int64], context: int) -> None:
        self.bos, self.held_out, self.context = tokenizer.bos or 0, held_out, context

    @torch.inference_mode()
    def measure(
        self, model: Transformer, known: NDArray[np.int64], acting: Sequence[Intervention] = ()
    ) -> dict[str, Any]:
        """`known`: the tokens in use, of which the repeats are drawn; `acting`: what is done to every run."""
        maker = RowMaker(self.held_out, known, self.bos, np.random.default_rng(SEED))
        values = self._repeats(model, maker, known, acting)
        if len(self.held_out):
            plain = torch.from_numpy(np.stack([maker.plain(self.context // 2).tokens for _ in range(ROWS)]))
            values["text_loss"] = float(
                functional.cross_entropy(model(plain)[:, :-1].flatten(0, 1), plain[:, 1:].flatten())
            )
            rows = [maker.spliced(self.context // 2) for _ in range(ROWS)]
            values["spliced_accuracy"] = self._accuracy(model, rows)
        return values

    def _repeats(
        self, model: Transformer, maker: RowMaker, known: NDArray[np.int64], acting: Sequence[Intervention]
    ) -> dict[str, Any]:
        length = min(LENGTH, (self.context - 1) // 2, len(known))
        halves = np.stack([maker.generator.permutation(known)[:length] for _ in range(ROWS)])  # (B, L)
        tokens = torch.from_numpy(np.concatenate([np.full((ROWS, 1), self.bos), halves, halves], axis=1))
        capture = Capture(_is_pattern)
        logits = model(tokens, chain(tap_for(model, tokens, acting, self.bos), capture))  # (B, 2L+1, V)
        loss = functional.cross_entropy(logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none")  # (B, 2L)
        second = slice(length + 1, 2 * length)  # predicts the second copy but for its first token
        patterns = torch.stack(list(capture.kept.values()))  # (L, B, H, T, T)
        # The strict induction stripe: destination i of the second copy, source i - length + 1.
        stripe = patterns.diagonal(1 - length, dim1=-2, dim2=-1)[..., 2:]  # (L, B, H, length)
        return {
            "repeat_loss_first": float(loss[:, :length].mean()),
            "repeat_loss_second": float(loss[:, second].mean()),
            "repeat_accuracy": float((logits.argmax(-1)[:, second] == tokens[:, length + 2 :]).float().mean()),
            "induction": _rounded(stripe.mean(dim=(1, 3))),
            "previous_token": _rounded(patterns.diagonal(-1, dim1=-2, dim2=-1).mean(dim=(1, 3))),
        }

    def _accuracy(self, model: Transformer, rows: list[Any]) -> float:
        tokens = torch.from_numpy(np.stack([row.tokens for row in rows]))  # (B, T)
        copied = torch.from_numpy(np.stack([row.copied for row in rows]))[:, 1:]  # (B, T-1)
        return float((model(tokens)[:, :-1].argmax(-1) == tokens[:, 1:])[copied].float().mean())


def _is_pattern(name: str) -> bool:
    return name.endswith(".pattern")


def _rounded(scores: torch.Tensor) -> list[list[float]]:
    return [[round(float(score), 4) for score in layer] for layer in scores]  # (L, H)
