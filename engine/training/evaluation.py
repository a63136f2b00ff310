"""The copying figures of a model's card: how often it continues a span that it has seen before, on held-out text.

Each figure stands beside the ceiling of the literal single-token matcher (the majority of what followed earlier
copies of the current token), because a token that occurs twice for other reasons makes even a perfect matcher err.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from engine.circuits.scores.matcher import followed
from engine.model.tokenizer import Tokenizer
from engine.model.transformer import Transformer
from engine.training.data import RowMaker

Ids = NDArray[np.int64]
ROWS = 400  # a case; about 13 scored positions a row where the context allows
BATCH = 16
SPAN, GAP, LEAD = (4, 25), (0, 61), (1, 61)  # tokens, upper ends open; scaled down with short contexts


def evaluate(model: Transformer, tokenizer: Tokenizer, text: Ids, seed: int) -> dict[str, Any]:
    """The cases of `main.py evaluate` and the loss on plain text in nats per token (None without text).

    `text` is the held-out stream; the two cases that need text are left out when it is empty.
    """
    generator = np.random.default_rng(seed)
    maker = RowMaker(text, tokenizer.ordinary, tokenizer.bos or 0, generator)
    makers: dict[str, Callable[[int], tuple[Ids, int]]] = {"bos-r-r": _bos_r_r(maker), "r-gap-r": _r_gap_r(maker)}
    if len(text):
        makers |= {"text-r-gap-r": _text_r_gap_r(maker), "text-p-gap-p": _text_p_gap_p(maker)}
    shrink = max(1, 256 // model.config.context)
    cases = [_case(name, model, maker.bos, [make(shrink) for _ in range(ROWS)]) for name, make in makers.items()]
    return {"cases": cases, "text_loss": _text_loss(model, maker) if len(text) else None, "seed": seed}


def _size(maker: RowMaker, bounds: tuple[int, int], shrink: int) -> int:
    low, high = bounds
    return int(maker.generator.integers(low, max(low + 1, high // shrink)))


def _bos_r_r(maker: RowMaker) -> Callable[[int], tuple[Ids, int]]:
    def row(shrink: int) -> tuple[Ids, int]:
        span = maker.draw(_size(maker, SPAN, shrink))
        return np.concatenate([span, span]), len(span)

    return row


def _r_gap_r(maker: RowMaker) -> Callable[[int], tuple[Ids, int]]:
    def row(shrink: int) -> tuple[Ids, int]:
        span, gap = maker.draw(_size(maker, SPAN, shrink)), maker.draw(_size(maker, GAP, shrink))
        return np.concatenate([span, gap, span]), len(span)

    return row


def _text_r_gap_r(maker: RowMaker) -> Callable[[int], tuple[Ids, int]]:
    def row(shrink: int) -> tuple[Ids, int]:
        lead, gap = maker.words(_size(maker, LEAD, shrink)), maker.words(_size(maker, GAP, shrink))
        span = maker.draw(_size(maker, SPAN, shrink))
        return np.concatenate([lead, span, gap, span]), len(span)

    return row


def _text_p_gap_p(maker: RowMaker) -> Callable[[int], tuple[Ids, int]]:
    def row(shrink: int) -> tuple[Ids, int]:
        lead, size, gap = (_size(maker, bounds, shrink) for bounds in (LEAD, SPAN, GAP))
        running = maker.words(lead + size + gap)
        return np.concatenate([running, running[lead : lead + size]]), size

    return row


@torch.inference_mode()
def _case(name: str, model: Transformer, bos: int, rows: list[tuple[Ids, int]]) -> dict[str, Any]:
    """Scores the last `size - 1` tokens of every row: the copy from its second token on."""
    hits: list[bool] = []
    unique: list[bool] = []
    ceiling: list[float] = []
    rows = sorted(rows, key=_row_length)
    for start in range(0, len(rows), BATCH):
        group = rows[start : start + BATCH]
        batch = _padded([tokens for tokens, _ in group], bos)  # (B, T)
        best = model(torch.from_numpy(batch)).argmax(-1).numpy()  # (B, T)
        for (tokens, size), guessed in zip(group, best, strict=True):
            row = np.append(bos, tokens)  # causal, so that padding on the right changes nothing
            for place in range(len(row) - size, len(row) - 1):
                hits.append(bool(guessed[place] == row[place + 1]))
                unique.append(int((row[1:place] == row[place]).sum()) == 1)
                ceiling.append(_matched(row[: place + 1].tolist(), int(row[place + 1])))
    scored, alone = np.array(hits), np.array(unique)
    return {
        "name": name,
        "n": len(scored),
        "top1": float(scored.mean()),
        "top1_unique": float(scored[alone].mean()) if alone.any() else None,
        "n_unique": int(alone.sum()),
        "ceiling": float(np.mean(ceiling)),
    }


def _matched(ids: list[int], target: int) -> float:
    """How often the literal matcher is right here: it takes the majority of earlier followers, ties at random."""
    found = followed(ids)
    best = [number for number, places in found if len(places) == len(found[0][1])]
    return (target in best) / max(1, len(best))


def _row_length(row: tuple[Ids, int]) -> int:
    return len(row[0])


def _padded(rows: list[Ids], bos: int) -> Ids:
    batch = np.full((len(rows), 1 + max(len(row) for row in rows)), bos)
    for place, row in enumerate(rows):
        batch[place, 1 : 1 + len(row)] = row
    return batch


@torch.inference_mode()
def _text_loss(model: Transformer, maker: RowMaker) -> float:
    length = model.config.context // 2
    tokens = torch.from_numpy(np.stack([maker.plain(length).tokens for _ in range(128)]))  # (B, T)
    logits = model(tokens)[:, :-1].transpose(1, 2)  # (B, V, T-1)
    return float(torch.nn.functional.cross_entropy(logits, tokens[:, 1:]))
