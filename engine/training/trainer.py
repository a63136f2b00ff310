"""Trains a recipe from a seed: the same seed, machine and number of threads give the same weights, bit for bit.

Writes a film while it runs, and the model with its card at the end. Knows nothing of windows or of command lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from engine.model.tokenizer import Tokenizer
from engine.model.transformer import Transformer
from engine.training import vocabulary
from engine.training.data import RowMaker, read_blocks
from engine.training.film import FilmWriter
from engine.training.monitor import Monitor
from engine.training.recipes import Recipe, Stage

Curve = dict[str, Any]
THREADS = 1  # fixed, because another number of threads adds up in another order
MEASURE_EVERY = 50


@dataclass(frozen=True)
class Trained:
    model: Transformer
    tokenizer: Tokenizer
    curves: list[Curve]


def train(recipe: Recipe, seed: int, out: Path, report: Callable[[Curve], None]) -> Trained:
    """Run every stage of `recipe`; `report` gets each row of the curves as it is measured. Writes `out`/film."""
    torch.manual_seed(seed)
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a check of torch's own that costs a tenth
    generator = np.random.default_rng(seed)
    tokenizer = make_tokenizer(recipe)
    model = initial_model(recipe)
    text = encoded(tokenizer, recipe, held_out=False)
    order = generator.permutation(tokenizer.ordinary)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.stages[0].rate_start, betas=(0.9, 0.98), weight_decay=recipe.weight_decay
    )
    monitor = Monitor(tokenizer, encoded(tokenizer, recipe, held_out=True), recipe.config.context)
    film = FilmWriter(out / "film.safetensors", torch.float16 if recipe.half_precision_film else torch.float32)
    curves: list[Curve] = []
    step = 0
    for stage in recipe.stages:
        known = np.sort(order[: stage.vocabulary])
        maker = RowMaker(text, known, tokenizer.bos or 0, generator)
        for place in range(min(stage.steps, recipe.steps - step)):
            if step % MEASURE_EVERY == 0:
                curves.append({"step": step, **monitor.measure(model, known)})
                report(curves[-1])
            if step == 0 or step in recipe.checkpoints:
                film.add(step, model, curves)
            rate = _rate(stage, place) * min(1.0, (step + 1) / recipe.warm_up)
            _step(model, optimizer, maker, stage, rate, generator)
            step += 1
    curves.append({"step": step, **monitor.measure(model, np.sort(order))})
    report(curves[-1])
    film.add(step, model, curves)
    return Trained(model.eval(), tokenizer, curves)


def make_tokenizer(recipe: Recipe) -> Tokenizer:
    if recipe.words:
        return vocabulary.words(recipe.words)
    return vocabulary.byte_pairs(recipe.sources, recipe.config.vocabulary)


def encoded(tokenizer: Tokenizer, recipe: Recipe, held_out: bool) -> np.ndarray[Any, np.dtype[np.int64]]:
    """All text of the recipe as one stream of tokens; the held-out part has every source once."""
    ids: list[int] = []
    for source, times in recipe.sources.items():
        once = [number for block in read_blocks(source, held_out) for number in tokenizer.encode(block, bos=False)]
        ids += once * (1 if held_out else times)
    return np.asarray(ids, dtype=np.int64)


def initial_model(recipe: Recipe) -> Transformer:
    """Attention weights of variance 1/fan_in, embeddings large enough that first attention is not flat, sinusoidal
    positions: with the usual std of 0.02 no induction head forms in models of this size."""
    model = Transformer(recipe.config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(("W_Q", "W_K", "W_V", "W_O", "W_U")):
                weight.normal_(0.0, 1.0 / math.sqrt(weight.shape[0]))
        model.W_E.normal_(0.0, recipe.embedding_std)  # (V, d)
        if recipe.config.positions in ("shortformer", "absolute"):
            model.W_pos.copy_(sinusoids(*model.W_pos.shape) * recipe.position_scale)  # (T, d)
        if recipe.unembedding_scale:
            model.W_U.copy_(model.W_E.T * recipe.unembedding_scale)  # (d, V)
    return model


def sinusoids(length: int, width: int) -> Tensor:
    """(T, d) sines and cosines of Vaswani et al. 2017."""
    angles = torch.outer(torch.arange(length), 10_000.0 ** (-torch.arange(0, width, 2) / width))  # (T, d/2)
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(1)  # (T, d)


def _rate(stage: Stage, place: int) -> float:
    """Cosine from the stage's first to its last learning rate."""
    share = 0.5 * (1.0 + math.cos(math.pi * place / stage.steps))
    return stage.rate_end + (stage.rate_start - stage.rate_end) * share


def _step(
    model: Transformer,
    optimizer: torch.optim.Optimizer,
    maker: RowMaker,
    stage: Stage,
    rate: float,
    generator: np.random.Generator,
) -> None:
    kinds = generator.choice(list(stage.mix), stage.rows, p=list(stage.mix.values()))
    rows = [getattr(maker, kind)(stage.row_length) for kind in kinds]
    tokens = torch.from_numpy(np.stack([row.tokens for row in rows]))  # (B, T)
    copied = np.stack([row.copied for row in rows])[:, 1:]  # (B, T-1)
    chosen = torch.from_numpy(np.flatnonzero(copied | (generator.random(copied.shape) < stage.plain_share)))  # (n)
    targets = tokens[:, 1:].flatten()[chosen]  # (n)
    unembedding = model.unembedding
    if stage.vocabulary is not None:
        known = torch.from_numpy(maker.ordinary)
        unembedding, targets = unembedding[:, known], torch.searchsorted(known, targets)
    logits = model.residual(tokens)[:, :-1].flatten(0, 1)[chosen] @ unembedding  # (n, V)
    loss = functional.cross_entropy(logits, targets)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
