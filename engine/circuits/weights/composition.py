"""How much of what one head writes a later head could read: Q-, K- and V-composition of all pairs, from weights alone.

    Q: ||W_OV1 W_QK2||      K: ||W_OV1 W_QK2^T||      V: ||W_OV1 W_OV2||      each over the product of the two norms,

Frobenius norms, row vectors, writer 1 in an earlier layer than reader 2 (Elhage et al. 2021, "Composition of attention
heads", as corrected in 2023). In columns the same are W_QK^T W_OV, W_QK W_OV and W_OV2 W_OV1. The norm of a product
changes when its factors change places, the trace does not: only this order is composition.

A score is room for composition, no proof of use. It is read off one view of the weights: folded, what a head reads and
writes through the norms (their scale per position cancels), or raw. Biases are sources of their own and no part of it.
Rotary heads have another W_QK for each offset between destination and source. By default theirs are reading scores,
||W_OV W_Q|| and ||W_OV W_K|| over the norms, which need no offset; with an offset D, W_QK = W_Q R_D W_K^T.

How to use it:

    blocks = []
    for block in scan(Weights(model)):          # a layer of readers at a time; stop whenever
        blocks += block
    k = merged(blocks)["k"]                     # CompositionScores: matrices, edges(top=20)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from engine.circuits import budget
from engine.circuits.weights.composition_edges import CompositionScores, Edge, Kind, Node, depth
from engine.circuits.weights.composition_grams import pack, packed_length, product_norm, roots, squares
from engine.circuits.weights.composition_null import baseline, ceiling, deviations
from engine.circuits.weights.composition_sides import LayerSides, Side, layer_sides, table_side
from engine.circuits.weights.view import Weights
from engine.model.config import HeadRef, ModelConfig

Block = tuple[CompositionScores, ...]


def scan(weights: Weights, offset: int | None = None) -> Iterator[Block]:
    """Q, K and V of every pair of heads: for each layer of readers, three matrices over all earlier writers.

    Memory: the upper halves of d x d Gram matrices, of all writers and of one layer's readers: 161 + 44 MB at the
    shape of GPT-2 small. Where they exceed the budget the writers come in portions, and readers once for each portion.
    Raises ValueError for a one-layer model, and for an offset that the model cannot have.
    """
    if weights.config.layers < 2:
        raise ValueError("composition needs two layers: this model has one, and heads of one layer work side by side")
    _check_offset(weights.config, offset)
    return _scan(weights, offset)


def _scan(weights: Weights, offset: int | None) -> Iterator[Block]:
    config = weights.config
    heads, readers = config.all_heads[: -config.heads], 3 * config.heads
    each = weights.model.W_E.element_size() * (packed_length(config.d_model) + config.d_head * config.d_model)
    room = max(1, budget.portion(each, len(heads) + readers) - readers)
    for start in range(0, len(heads), room):
        wanted = heads[start : start + room]
        writers = Writers(weights, len(wanted), readers)
        for number in range(wanted[0].layer, config.layers):
            sides = layer_sides(weights, number, offset)
            if writers.nodes:
                yield writers.feed(_heads(config, number), _kinds(sides), offset)
            mine = [head for head in wanted if head.layer == number]
            if mine:
                writers.add(mine, sides.writes[mine[0].head : mine[-1].head + 1])


def scan_ends(weights: Weights, offset: int | None = None) -> Iterator[Block]:
    """The ends of the stream: a layer of heads at a time as readers of the embeddings and as writers to the logits.

    Blocks of kinds q, k and v have the writer `embed` (W_E), and `pos` (W_pos) where positions are absolute;
    shortformer positions join behind the norm, so they have blocks of their own, q and k only, with the raw readers.
    Kind `unembed` has the reader `unembed` (W_U). Each long table comes in once, as a d x d Gram matrix.
    Raises ValueError for an offset that the model cannot have.
    """
    _check_offset(weights.config, offset)
    return _scan_ends(weights, offset)


def _scan_ends(weights: Weights, offset: int | None) -> Iterator[Block]:
    config, raw = weights.config, Weights(weights.model, folded=False)
    tables, behind = Writers(weights, 2, 3 * config.heads), Writers(weights, 1, 2 * config.heads)
    tables.add(["embed"], table_side(weights.embedding))
    if config.positions == "absolute":
        tables.add(["pos"], table_side(weights.places))
    if config.positions == "shortformer":
        behind.add(["pos"], table_side(raw.places))
    logits = table_side(weights.unembedding.T)
    for number in range(config.layers):
        heads, sides = _heads(config, number), layer_sides(weights, number, offset)
        out = Writers(weights, config.heads, 1)
        out.add(heads, sides.writes)
        block = tables.feed(heads, _kinds(sides), offset) + out.feed(["unembed"], {"unembed": logits}, None)
        if behind.nodes:
            seen = layer_sides(raw, number, offset)
            block += behind.feed(heads, {"q": seen.q, "k": seen.k}, offset)
        yield block


def pair_score(weights: Weights, writer: HeadRef, reader: HeadRef, kind: Kind, offset: int | None = None) -> Edge:
    """One pair of heads, kind q, k or v, without a rank. Raises ValueError for heads in the wrong order or missing."""
    _check_order(weights.config, writer, reader)
    _check_offset(weights.config, offset)
    written = layer_sides(weights, writer.layer).writes[writer.head : writer.head + 1]
    read = _kinds(layer_sides(weights, reader.layer, offset))[kind][reader.head : reader.head + 1]
    score = product_norm(written.whitened[0], read.whitened[0])[None, None]  # (1, 1)
    d_model = weights.config.d_model
    found = _scores(kind, [writer], written.shares, [reader], read.shares, score, d_model, offset)
    return replace(found.edges()[0], rank=None)


def virtual_pattern(earlier: Tensor, later: Tensor) -> Tensor:
    """Where a virtual head attends (Elhage et al. 2021): the patterns' product A2 A1, (..., T, T)."""
    return later @ earlier


def virtual_ov(weights: Weights, earlier: HeadRef, later: HeadRef) -> tuple[Tensor, Tensor]:
    """What a virtual head moves: the factors (d, h) and (h, d) of W_OV1 W_OV2, for two heads that attend in turn.

    Raises ValueError for heads in the wrong order.
    """
    _check_order(weights.config, earlier, later)
    first, second = weights.head(earlier), weights.head(later)
    return first.W_V, (first.W_O @ second.W_V) @ second.W_O


class Writers:
    """Writers whose Gram matrices are kept, to be compared with one layer of readers after the other."""

    def __init__(self, weights: Weights, room: int, readers: int) -> None:
        self.nodes: list[Node] = []
        self._d = weights.config.d_model
        self._whitened: list[Tensor] = []  # (r, d) each
        self._shares: list[Tensor] = []  # (r) each
        self._written = weights.model.W_E.new_empty(room, packed_length(self._d))  # (room, p)
        self._read = weights.model.W_E.new_empty(readers, packed_length(self._d))  # one for all: fresh pages are slow

    def add(self, nodes: Sequence[Node], side: Side) -> None:
        count = len(self.nodes)
        pack(side, self._written[count : count + len(nodes)], doubled=True)
        self.nodes += nodes
        self._whitened += side.whitened
        self._shares += side.shares

    def feed(self, readers: Sequence[Node], kinds: dict[Kind, Side], offset: int | None) -> Block:
        """What the writers give to the same readers in each of several ways, (N, M) each."""
        count, shares = len(readers), torch.stack(self._shares)
        packed = self._read[: len(kinds) * count]  # (kinds * M, p)
        for part, side in zip(packed.split(count), kinds.values(), strict=True):
            pack(side, part)
        found = squares(self._written[: len(self.nodes)], packed).split(count, dim=1)
        blocks = []
        for (kind, side), square in zip(kinds.items(), found, strict=True):
            score = roots(square, self._whitened, side.whitened, ceiling(shares, side.shares))
            blocks.append(_scores(kind, self.nodes, shares, readers, side.shares, score, self._d, offset))
        return tuple(blocks)


def _scores(
    kind: Kind,
    writers: Sequence[Node],
    written: Tensor,
    readers: Sequence[Node],
    read: Tensor,
    score: Tensor,
    d_model: int,
    offset: int | None,
) -> CompositionScores:
    """Scores (N, M) beside what chance and the spectra's shares, `written` (N, r) and `read` (M, s), make of them."""
    return CompositionScores(
        kind=kind,
        writers=tuple(writers),
        readers=tuple(readers),
        score=score,
        z=deviations(score, written, read, d_model),
        ceiling=ceiling(written, read),
        baseline=baseline(d_model),
        offset=offset if kind in ("q", "k") else None,
    )


def _kinds(sides: LayerSides) -> dict[Kind, Side]:
    return {"q": sides.q, "k": sides.k, "v": sides.v}


def _heads(config: ModelConfig, number: int) -> tuple[HeadRef, ...]:
    return config.all_heads[number * config.heads : (number + 1) * config.heads]


def _check_order(config: ModelConfig, earlier: HeadRef, later: HeadRef) -> None:
    config.require_heads((earlier, later))
    if depth(earlier) >= depth(later):
        raise ValueError(f"{earlier} cannot feed {later}: composition goes from an earlier layer to a later one")


def _check_offset(config: ModelConfig, offset: int | None) -> None:
    if offset is None:
        return
    if config.positions != "rotary":
        raise ValueError(f"an offset is for rotary models: this model's positions are {config.positions}")
    if not 0 <= offset < config.context:
        raise ValueError(f"an offset counts places back from the destination, 0 to {config.context - 1}, not {offset}")
