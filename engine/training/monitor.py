"""What the curves of a run show, measured on rows that never change: losses, copying, every head's scores, and what
the weights have learned by heart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from engine.circuits.interventions.ablation import tap_for
from engine.circuits.interventions.values import Intervention
from engine.circuits.scores.losses import copy_losses, in_context, token_losses
from engine.circuits.weights.composition import scan
from engine.circuits.weights.composition_edges import merged
from engine.circuits.weights.ovqk import eigenvalues_by_layer
from engine.circuits.weights.view import Weights
from engine.model.taps import Capture, chain
from engine.model.tokenizer import Tokenizer
from engine.model.transformer import Transformer
from engine.training import chains, memories
from engine.training.data import STATES, Row, RowMaker
from engine.training.recipes import Stage

ROWS = 16
CHAINS = 32
LENGTH = 40  # distinct tokens of a repeat, fewer where context or vocabulary is too small
SEED = 20_000  # of the measuring rows, apart from every training seed
Measured = dict[str, Any]


class Monitor:
    """Measures a model on fixed held-out rows of text and on fixed random repeats of the tokens in use."""

    def __init__(self, tokenizer: Tokenizer, held_out: NDArray[np.int64], context: int) -> None:
        self.bos, self.held_out, self.context = tokenizer.bos or 0, held_out, context

    @torch.inference_mode()
    def measure(
        self, model: Transformer, stage: Stage, known: NDArray[np.int64], acting: Sequence[Intervention] = ()
    ) -> Measured:
        """`stage`: whose mix of rows is measured; `known`: the tokens in use, of which the repeats are drawn; `acting`:
        what is done to every run."""

        def maker() -> RowMaker:
            return RowMaker(self.held_out, known, self.bos, np.random.default_rng(SEED), stage.burst)

        first = maker()
        values = self._repeats(model, first, known, acting)
        values |= self._rows(model, maker(), stage, acting)
        if "chain" in stage.mix:
            values["divergence"] = self._chains(model, known, acting)
        values |= _weights(model, torch.from_numpy(known))
        if len(self.held_out):
            plain = torch.from_numpy(np.stack([first.plain(self.context // 2).tokens for _ in range(ROWS)]))
            values["text_loss"] = float(
                functional.cross_entropy(model(plain)[:, :-1].flatten(0, 1), plain[:, 1:].flatten())
            )
            rows = [first.spliced(self.context // 2) for _ in range(ROWS)]
            values["spliced_accuracy"] = self._accuracy(model, rows)
        return values

    def _run(self, model: Transformer, tokens: Tensor, acting: Sequence[Intervention], keep: Capture) -> Tensor:
        return model(tokens, chain(tap_for(model, tokens, acting, self.bos), keep))  # (B, T, V)

    def _repeats(
        self, model: Transformer, maker: RowMaker, known: NDArray[np.int64], acting: Sequence[Intervention]
    ) -> Measured:
        length = min(LENGTH, (self.context - 1) // 2, len(known))
        halves = np.stack([maker.generator.permutation(known)[:length] for _ in range(ROWS)])  # (B, L)
        tokens = torch.from_numpy(np.concatenate([np.full((ROWS, 1), self.bos), halves, halves], axis=1))
        capture = Capture(_is_pattern)
        logits = self._run(model, tokens, acting, capture)  # (B, 2L+1, V)
        first, second = copy_losses(token_losses(logits, tokens), length)
        guessed = logits.argmax(-1)[:, length + 1 : 2 * length]  # predicts the second copy but for its first token
        patterns = torch.stack(list(capture.kept.values()))  # (L, B, H, T, T)
        # The strict induction stripe: destination i of the second copy, source i - length + 1.
        stripe = patterns.diagonal(1 - length, dim1=-2, dim2=-1)[..., 2:]  # (L, B, H, length)
        return {
            "repeat_loss_first": first,
            "repeat_loss_second": second,
            "repeat_accuracy": float((guessed == tokens[:, length + 2 :]).float().mean()),
            "induction": _rounded(stripe.mean(dim=(1, 3))),
            "previous_token": _rounded(patterns.diagonal(-1, dim1=-2, dim2=-1).mean(dim=(1, 3))),
        }

    def _rows(self, model: Transformer, maker: RowMaker, stage: Stage, acting: Sequence[Intervention]) -> Measured:
        """The loss on rows as the run learns from, and the in-context score: on running text where the run has any, as
        random tokens among text are harder wherever they stand."""
        rows = maker.rows(stage.mix, ROWS, stage.row_length)
        losses = self._losses(model, rows, acting)  # (B, T)
        running = losses
        if len(self.held_out):
            running = self._losses(model, [maker.plain(self.context) for _ in range(ROWS)], acting)
        return {
            "loss": float(losses.nanmean()),
            "in_context": float(in_context(running).late_minus_early.mean()),
        }

    def _losses(self, model: Transformer, rows: Sequence[Row], acting: Sequence[Intervention]) -> Tensor:
        tokens = torch.from_numpy(np.stack([row.tokens for row in rows]))  # (B, T)
        return token_losses(self._run(model, tokens, acting, Capture(_nothing)), tokens)

    def _chains(
        self, model: Transformer, known: NDArray[np.int64], acting: Sequence[Intervention]
    ) -> dict[chains.Predictor, float]:
        """How far the model is from each exact predictor, in nats: KL(predictor || model) over `CHAINS` chains."""
        symbols_of, generator = known[:STATES], np.random.default_rng(SEED)
        states, length = len(symbols_of), self.context - 1
        symbols = np.stack([chains.walk(states, length, generator) for _ in range(CHAINS)])  # (B, T-1)
        tokens = torch.from_numpy(np.concatenate([np.full((CHAINS, 1), self.bos), symbols_of[symbols]], axis=1))
        logits = self._run(model, tokens, acting, Capture(_nothing))[:, 1:-1]  # (B, T-2, V): after each symbol
        logs = logits.double().log_softmax(-1)[..., torch.from_numpy(symbols_of)]  # (B, T-2, k)
        exact = {name: chains.predicted(symbols[:, :-1], states, name) for name in chains.PREDICTORS}
        return {name: chains.divergence(value, logs.numpy()) for name, value in exact.items()}

    def _accuracy(self, model: Transformer, rows: list[Any]) -> float:
        tokens = torch.from_numpy(np.stack([row.tokens for row in rows]))  # (B, T)
        copied = torch.from_numpy(np.stack([row.copied for row in rows]))[:, 1:]  # (B, T-1)
        return float((model(tokens)[:, :-1].argmax(-1) == tokens[:, 1:])[copied].float().mean())


def _weights(model: Transformer, known: Tensor) -> Measured:
    """What needs no run: copying by eigenvalues, composition of heads, the memories of the tokens in use."""
    found: Measured = {
        "copying": [_shortened(layer) for layer in eigenvalues_by_layer(model)],
        "memory_copy": [_shortened(layer) for layer in memories.copies(model, known)],
    }
    places, matches = memories.positions(model), memories.matches(model, known)
    if places is not None:
        found["memory_position"] = [_shortened(layer) for layer in places]
    if matches is not None:
        found["memory_match"] = [_shortened(row) for row in matches]
    if model.config.layers > 1:
        scores = merged(block for blocks in scan(Weights(model)) for block in blocks)
        # fraction of the ceiling, (writer, reader); readers are all heads but those of the first layer
        found["composition"] = {kind: _rounded(one.fraction) for kind, one in scores.items()}
    return found


def _is_pattern(name: str) -> bool:
    return name.endswith(".pattern")


def _nothing(_name: str) -> bool:
    return False


def _shortened(values: Sequence[float | None]) -> list[float | None]:
    return [None if value is None else round(value, 4) for value in values]


def _rounded(scores: Tensor) -> list[list[float]]:
    return [[round(float(score), 4) for score in row] for row in scores]  # (L, H)
