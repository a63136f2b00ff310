"""Where heads attend most in held-out text: all heads in one pass over a few rows, remembered for the next head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.model.config import HeadRef
from engine.model.tokenizer import PromptError
from engine.training.data import read_blocks
from engine.work.circuit_results import Firing, Firings
from engine.work.jobs.running import chunks, run_tap
from engine.work.requests import FindFirings
from engine.work.state import EngineState, OpenModel
from engine.work.task import Task

SOURCE, TITLE = "holmes", "held-out pages of “The Adventures of Sherlock Holmes”"
ROWS, FEW_ROWS, LENGTH = 48, 16, 64
MANY_HEADS = 64
SHOWN, AROUND = 8, 3  # places a head, and tokens on either side of what is marked
ELLIPSIS = "…"


@dataclass(frozen=True)
class _Scan:
    """The strongest attention of every head in every row: weight, destination and source, (N, heads); and the mean
    over tokens of the strongest attention, (heads)."""

    rows: Tensor
    weight: NDArray[np.float32]
    destination: NDArray[np.int64]
    source: NDArray[np.int64]
    mean: NDArray[np.float64]


def find_firings(request: FindFirings, state: EngineState, task: Task) -> Firings:
    """Empty where the model cannot read the text. Raises ValueError for a head that does not exist."""
    opened = state.require()
    opened.model.config.require_heads((request.head,))
    key = (opened.info.hash, "firings")
    scan: _Scan | None = state.recent.get(key)
    if scan is None:
        rows = _rows(opened)
        if rows is None:
            return Firings(opened.info.hash, request.head, TITLE, 0, None, ())
        scan = _scanned(rows, opened, task)
        state.recent.put(key, scan)
    return _firings(scan, request.head, opened)


def _rows(opened: OpenModel) -> Tensor | None:
    """(N, T) BOS and running text, or None where the tokenizer does not know its words."""
    config, tokenizer = opened.model.config, opened.tokenizer
    first = [] if tokenizer.bos is None else [tokenizer.bos]
    length = min(LENGTH, config.context) - len(first)
    count = ROWS if len(config.all_heads) <= MANY_HEADS else FEW_ROWS
    try:
        ids = tokenizer.encode("".join(read_blocks(SOURCE, held_out=True)), bos=False)
    except PromptError:
        return None
    starts = np.linspace(0, len(ids) - length, count).astype(int).tolist()
    return torch.tensor([[*first, *ids[start : start + length]] for start in starts])


class _Strongest:
    """A tap that keeps, for every head, where it attends most in each row; the first token does not count."""

    def __init__(self) -> None:
        self.found: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []

    def __call__(self, name: str, x: Tensor) -> Tensor:
        if name.endswith(".pattern"):
            bare = x[..., 1:]  # (B, H, T, T-1)
            weight, source = bare.max(-1)  # (B, H, T)
            top, destination = weight.max(-1)  # (B, H)
            chosen = source.gather(-1, destination[..., None])[..., 0] + 1  # (B, H)
            self.found.append((top, destination, chosen, weight[..., 1:].mean(-1)))
        return x


def _scanned(rows: Tensor, opened: OpenModel, task: Task) -> _Scan:
    parts: list[list[Tensor]] = []
    portions = chunks(rows, opened)
    for done, portion in enumerate(portions):
        task.yield_point()
        task.report(done, len(portions), "where heads fire in held-out text")
        watch = _Strongest()
        opened.model.residual(portion, run_tap(task, opened, portion, opened.tokenizer.bos, (), watch))
        parts.append([torch.cat(column, dim=1) for column in zip(*watch.found, strict=True)])  # (B, heads) each
    weight, destination, source, mean = (torch.cat(column) for column in zip(*parts, strict=True))
    return _Scan(rows, weight.numpy(), destination.numpy(), source.numpy(), mean.double().mean(0).numpy())


def _firings(scan: _Scan, head: HeadRef, opened: OpenModel) -> Firings:
    column = opened.model.config.all_heads.index(head)
    order = np.argsort(-scan.weight[:, column], kind="stable")[:SHOWN]
    places = [
        _firing(scan.rows[row].tolist(), int(scan.destination[row, column]), int(scan.source[row, column]), opened)
        for row in order.tolist()
    ]
    weights = scan.weight[order, column].tolist()
    return Firings(
        model_hash=opened.info.hash,
        head=head,
        text=TITLE,
        n_tokens=scan.rows.numel(),
        mean=float(scan.mean[column]),
        firings=tuple(Firing(*place, weight) for place, weight in zip(places, weights, strict=True)),
    )


def _firing(ids: list[int], destination: int, source: int, opened: OpenModel) -> tuple[tuple[str, ...], int, int]:
    """The tokens around both places, an ellipsis where tokens between them are left out; and both places in that."""
    texts = opened.tokenizer.texts(ids)
    near = {place for middle in (destination, source) for place in range(middle - AROUND, middle + AROUND + 1)}
    shown = sorted(place for place in near if 0 <= place <= destination + AROUND and place < len(texts))
    words: list[str] = []
    index: dict[int, int] = {}
    for before, place in zip([None, *shown], shown, strict=False):
        if before is not None and place != before + 1:
            words.append(ELLIPSIS)
        index[place] = len(words)
        words.append(texts[place])
    return tuple(words), index[destination], index[source]
