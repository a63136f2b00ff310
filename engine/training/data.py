"""Rows of tokens for training and for the copying figures, and the text they are cut from.

A row holds BOS, then text or random tokens, in which spans may come back later ("copies"). Where a copy stands is
known, so that loss and accuracy can be told for copied and for plain positions apart.
"""

from __future__ import annotations

import lzma
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.training import chains

Ids = NDArray[np.int64]

TEXT_FOLDER = Path(__file__).parents[2] / "resources" / "text"
BLOCK = 20_000  # characters; every HELD_OUT_EVERY-th block is kept from training
HELD_OUT_EVERY = 20
STATES = 3  # symbols of a Markov chain, as in Edelman et al. 2024
KINDS = ("periodic", "random", "spliced", "bursty", "chain", "plain")  # of rows: methods of RowMaker
NEEDS_TEXT = ("spliced", "plain")


@dataclass(frozen=True)
class Row:
    """`tokens` (T), BOS first; `copied` (T) is true where a token repeats a span and so did the token before it."""

    tokens: Ids
    copied: NDArray[np.bool_]


def read_blocks(source: str, held_out: bool) -> list[str]:
    """The blocks of one text, those for training or the held-out ones."""
    text = lzma.decompress((TEXT_FOLDER / f"{source}.txt.xz").read_bytes()).decode("utf-8")
    blocks = [text[start : start + BLOCK] for start in range(0, len(text), BLOCK)]
    return [b for place, b in enumerate(blocks) if (place % HELD_OUT_EVERY == HELD_OUT_EVERY - 1) == held_out]


class RowMaker:
    """Draws rows from a stream of text tokens (may be empty) and from the ordinary vocabulary.

    `burst`: how often each pair of a bursty row stands in it.
    """

    def __init__(
        self, text: Ids, ordinary: Sequence[int] | Ids, bos: int, generator: np.random.Generator, burst: int = 4
    ) -> None:
        self.text, self.ordinary, self.bos = text, np.asarray(ordinary, dtype=np.int64), bos
        self.generator, self.burst = generator, burst

    def rows(self, mix: Mapping[str, float], count: int, length: int) -> list[Row]:
        """`count` rows, each of a kind drawn with the shares of `mix`."""
        kinds = self.generator.choice(list(mix), count, p=list(mix.values()))
        return [getattr(self, kind)(length) for kind in kinds]

    def plain(self, length: int) -> Row:
        """BOS and running text."""
        return self._row([self.words(length)], [False], length)

    def spliced(self, length: int) -> Row:
        """Running text in which one to three spans of 4-24 tokens come back after a gap of 0-60 tokens.

        Half of the spans are the row's own text, half are random tokens.
        """
        return self._with_copies(length, self.words, random_share=0.5)

    def random(self, length: int) -> Row:
        """The same with random tokens everywhere."""
        return self._with_copies(length, self.draw, random_share=1.0)

    def periodic(self, length: int) -> Row:
        """One random span of random length, over and over."""
        period = int(self.generator.integers(4, max(5, length // 2)))
        tokens = np.resize(self.draw(period), length - 1)
        return Row(np.append(self.bos, tokens), np.arange(length) > period + 1)

    def bursty(self, length: int) -> Row:
        """Pairs of random tokens, each `burst` times, in random order (planted bigrams; burstiness of Reddy 2023)."""
        kinds = max(1, (length - 1) // (2 * self.burst))
        pairs = self.draw(2 * kinds).reshape(kinds, 2)
        order = self.generator.permutation(np.repeat(np.arange(kinds), self.burst))
        seen: set[int] = set()
        parts: list[Ids] = []
        copies: list[bool] = []
        for pair in order.tolist():
            parts.append(pairs[pair])
            copies.append(pair in seen)
            seen.add(pair)
        return self._row([*parts, self.draw(length)], [*copies, False], length)

    def chain(self, length: int) -> Row:
        """A Markov chain of its own over a few of the tokens."""
        symbols = self.generator.permutation(self.ordinary)[:STATES]
        walk = chains.walk(len(symbols), length - 1, self.generator)
        return Row(np.append(self.bos, symbols[walk]), np.zeros(length, dtype=np.bool_))

    def words(self, count: int) -> Ids:
        start = int(self.generator.integers(0, len(self.text) - count))
        return self.text[start : start + count]

    def draw(self, count: int) -> Ids:
        return self.generator.choice(self.ordinary, count)

    def _with_copies(self, length: int, filler: Callable[[int], Ids], random_share: float) -> Row:
        generator = self.generator
        background = filler(4 * length)
        parts: list[Ids] = []
        copies: list[bool] = []
        used = 0
        for _ in range(int(generator.integers(1, 4))):
            lead, size, gap = (int(generator.integers(*bounds)) for bounds in ((0, 40), (4, 25), (0, 61)))
            stretch = background[used : used + lead + size + gap]
            used += lead + size + gap
            own = generator.random() >= random_share
            span = stretch[lead : lead + size] if own else self.draw(size)
            parts += [stretch[:lead], span, stretch[lead + size :], span]
            copies += [False, False, False, True]
        return self._row([*parts, background[used:]], [*copies, False], length)

    def _row(self, parts: list[Ids], copies: list[bool], length: int) -> Row:
        """BOS and the parts, cut to `length`; the first token of a copy cannot be foretold and does not count."""
        tokens, copied = [np.array([self.bos])], [np.zeros(1, dtype=np.bool_)]
        for part, copy in zip(parts, copies, strict=True):
            mark = np.full(len(part), copy)
            mark[:1] = False
            tokens.append(part)
            copied.append(mark)
        return Row(np.concatenate(tokens)[:length], np.concatenate(copied)[:length])
