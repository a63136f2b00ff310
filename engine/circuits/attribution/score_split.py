"""One head's attention scores split into (query source, key source) terms: what in the stream makes it look there.

The score before softmax is bilinear in the stream, so with the norm's scale frozen it is exactly a sum over pairs of
sources (Elhage et al. 2021, "QK circuit" with composition terms). Beside the sources of the stream there are `pos`
where shortformer positions join behind the norm, `bias` (query and key biases, and the norm's bias as they read it) and
`distance` (ALiBi's penalty). Rotary positions turn every part as they turn the whole.

Softmax ignores whatever is the same for all keys of a query. Terms are therefore compared row-centred: minus their mean
over the allowed keys. A key bias centres to 0, so (s, bias) explains nothing; not so with rotary positions,
which turn it by the key's position: there (s, bias) says what a head prefers by distance alone.

S sources, T positions, h d_head (2 more with ALiBi), i query, j key.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from engine.circuits import budget
from engine.circuits.attribution.stream import Stream, source_taps
from engine.circuits.weights.view import Weights
from engine.model.config import HeadRef, ModelConfig
from engine.model.transformer import Rotation, Transformer, distance_penalty

NOTHING = 1e-6  # share of the terms' magnitudes that float32 rounding alone can leave of their sum


def score_taps(model: Transformer, head: HeadRef) -> frozenset[str]:
    """What a run must keep to split this head's scores; memory 2 T d a layer below it, and its layer's scores."""
    return source_taps(model, head.layer) | {"positions", f"{head.layer}.norm_1.scale", f"{head.layer}.scores"}


@dataclass(frozen=True)
class Reads:
    """What a head's queries and keys read from each source: the score of (i, j) is the sum over sources s and t of
    queries[s, i] . keys[t, j], both (S, T, h), with 1/sqrt(h) in the queries. `measured` (T, T) is the run's score.
    """

    head: HeadRef
    names: tuple[str, ...]
    queries: Tensor
    keys: Tensor
    measured: Tensor


def read_scores(stream: Stream, head: HeadRef) -> Reads:
    """What `head` reads from each source of the stream before its layer. The run must have kept `score_taps`.

    Memory 4 S T h at its height, 2 S T h to keep; raises TooLarge over the budget.
    """
    config, view, raw = stream.model.config, Weights(stream.model), Weights(stream.model, folded=False)
    heads, names = view.head(head), list(stream.names(head.layer))
    scale = stream.scale(f"{head.layer}.norm_1")  # (T, 1)
    length, h = len(scale), config.d_head
    budget.require(4 * (len(names) + 2) * length * h * scale.element_size(), "what a head reads from every source")
    queries, keys = [], []
    for name in names:
        seen = stream.part(name) * scale  # (T, d)
        queries.append(seen @ heads.W_Q)  # (T, h)
        keys.append(seen @ heads.W_K)  # (T, h)
    if config.positions == "shortformer":
        names.append("pos")
        places, behind = stream.tap("pos"), raw.head(head)  # they are not normed
        queries.append(places @ behind.W_Q)  # (T, h)
        keys.append(places @ behind.W_K)  # (T, h)
    if config.attention_bias or config.norm == "layer":
        names.append("bias")
        queries.append(heads.b_Q.expand(length, h))
        keys.append(heads.b_K.expand(length, h))
    q, k = torch.stack(queries) / math.sqrt(h), torch.stack(keys)  # (S, T, h)
    positions = stream.tap("positions")  # (T)
    if config.positions == "rotary":
        q, k = (Rotation(config, positions[None], x).turn(x[:, :, None])[:, :, 0] for x in (q, k))  # (S, T, h)
    if config.positions == "alibi":
        names.append("distance")
        q, k = _with_distance(config, head, positions, q, k)  # (S, T, h + 2)
    return Reads(head, tuple(names), q, k, stream.tap(f"{head.layer}.scores")[head.head])


def _with_distance(
    config: ModelConfig, head: HeadRef, positions: Tensor, q: Tensor, k: Tensor
) -> tuple[Tensor, Tensor]:
    """ALiBi's -m(i - j) is bilinear as well, (-m i, 1) . (1, m j): a source with two dimensions of its own."""
    slope = distance_penalty(config, torch.tensor([[0, 1]]))[0, head.head, 0, 1].to(
        q
    )  # m: the "penalty" of a later key
    places = positions.to(q)  # (T)
    one = torch.ones_like(places)  # (T)
    source, size, _ = q.shape
    longer_q, longer_k = (
        torch.cat((torch.cat((x, x.new_zeros(1, size, x.shape[2]))), x.new_zeros(source + 1, size, 2)), dim=2)
        for x in (q, k)
    )  # (S + 1, T, h + 2)
    longer_q[-1, :, -2:] = torch.stack((-slope * places, one), dim=-1)
    longer_k[-1, :, -2:] = torch.stack((one, slope * places), dim=-1)
    return longer_q, longer_k


def by_layer(reads: Reads) -> Reads:
    """The same with one source `layer.N` for all that layer N wrote (heads, output bias, MLP); nothing else merges.

    For models of many heads: the last layer of SmolLM2-135M reads 291 sources, merged 30.
    """
    groups: dict[str, list[int]] = {}
    for number, name in enumerate(reads.names):
        kind, dot, last = name.rpartition(".")
        layer = kind if kind.isdecimal() else last
        groups.setdefault(f"layer.{layer}" if dot else name, []).append(number)
    queries, keys = (
        torch.stack([x[members].sum(0) for members in groups.values()]) for x in (reads.queries, reads.keys)
    )
    return Reads(reads.head, tuple(groups), queries, keys, reads.measured)


@dataclass(frozen=True)
class RowSplit:
    """All terms of one query, over its allowed keys j <= i.

    `terms` (S, S, i+1) in units of the score, `total` (i+1) their sum, `measured` (i+1) the run's score and `remainder`
    measured - total: rounding, unless the run was meddled with.
    """

    names: tuple[str, ...]
    terms: Tensor
    measured: Tensor

    @property
    def total(self) -> Tensor:
        return self.terms.sum((0, 1))  # (i+1)

    @property
    def remainder(self) -> Tensor:
        return self.measured - self.total  # (i+1)

    @property
    def centred(self) -> Tensor:
        """(S, S, i+1): each term minus its mean over the keys."""
        return self.terms - self.terms.mean(-1, keepdim=True)

    @property
    def spread(self) -> Tensor:
        """(S, S): each term's standard deviation over the keys, by which terms rank for this query."""
        return self.centred.square().mean(-1).sqrt()


def split_row(reads: Reads, query: int) -> RowSplit:
    """Every term of one query position. Memory S^2 (i+1), and as much again to centre it: raises TooLarge over the
    budget, where single keys (`split_cell`) or merged sources (`by_layer`) may still do."""
    _check(reads, query, 0)
    size = len(reads.names) ** 2 * (query + 1) * reads.keys.element_size()
    budget.require(2 * size, "every term of one query (ask for one key, or merge the sources by layer)")
    q, k = reads.queries[:, query], reads.keys[:, : query + 1]  # (S, h), (S, i+1, h)
    terms = torch.einsum("sh,tjh->stj", q, k)  # (S, S, i+1)
    return RowSplit(reads.names, terms, reads.measured[query, : query + 1])


class Term(NamedTuple):
    """One term of a score; `share` is centred / the centred score, negative or over 1 where terms oppose each other."""

    query_source: str
    key_source: str
    value: float
    centred: float
    share: float | None


@dataclass(frozen=True)
class CellSplit:
    """All terms of one score. `terms` and `centred` are (S, S), as in RowSplit; the numbers are floats."""

    names: tuple[str, ...]
    terms: Tensor
    centred: Tensor
    measured: float

    @property
    def total(self) -> float:
        return float(self.terms.sum())

    @property
    def remainder(self) -> float:
        return self.measured - self.total

    @property
    def shares(self) -> Tensor | None:
        """(S, S), summing to 1; None where the centred score is 0: this key is then no better than the average one."""
        score = self.centred.sum()
        return None if score.abs() <= NOTHING * self.centred.abs().sum() else self.centred / score

    def ranked(self, count: int) -> list[Term]:
        """The strongest terms first, for or against, by the magnitude of their centred value."""
        shares = self.shares
        return [
            Term(
                self.names[s],
                self.names[t],
                float(self.terms[s, t]),
                float(self.centred[s, t]),
                None if shares is None else float(shares[s, t]),
            )
            for s, t in strongest(self.centred, count)
        ]


def split_cell(reads: Reads, query: int, key: int) -> CellSplit:
    """Every term of one score. Memory S^2, whatever the length of the prompt. ValueError for a key after its query."""
    _check(reads, query, key)
    q, k = reads.queries[:, query], reads.keys[:, : query + 1]  # (S, h), (S, i+1, h)
    own = k[:, key]  # (S, h)
    return CellSplit(reads.names, q @ own.T, q @ (own - k.mean(1)).T, float(reads.measured[query, key]))


def strongest(values: Tensor, count: int) -> list[tuple[int, int]]:
    """The places of the `count` largest magnitudes of an (S, S) map, strongest first."""
    order = values.abs().flatten().argsort(descending=True, stable=True)[:count].tolist()
    return [divmod(place, values.shape[1]) for place in order]


def spreads(reads: Reads) -> Iterator[Tensor]:
    """(S, S) after each query in turn: each term's row-centred standard deviation over all allowed cells so far.

    The last one is the head's map, by which its terms rank (norms of parts mislead: they count what softmax ignores).
    Time S^2 T^2 h / 2, memory S^2 T at most, in portions of the budget.
    """
    count, length, _ = reads.keys.shape
    squares = torch.zeros(count, count, dtype=torch.float64)  # (S, S)
    for query in range(length):
        k = reads.keys[:, : query + 1]  # (S, i+1, h)
        k = (k - k.mean(1, keepdim=True)).flatten(0, 1)  # (S (i+1), h)
        step = budget.portion(2 * len(k) * k.element_size(), count)
        for start in range(0, count, step):
            terms = reads.queries[start : start + step, query] @ k.T  # (n, S (i+1))
            squares[start : start + step] += terms.square_().unflatten(1, (count, -1)).sum(-1)
        yield (squares / ((query + 1) * (query + 2) / 2)).sqrt()


def _check(reads: Reads, query: int, key: int) -> None:
    length = reads.keys.shape[1]
    if not 0 <= key <= query < length:
        raise ValueError(f"query {query} sees no key {key}: choose 0 <= key <= query < {length}")
