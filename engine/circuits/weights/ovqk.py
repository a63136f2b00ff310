"""The circuits of heads over tokens and positions, from weights alone (Elhage et al. 2021, Olsson et al. 2022).

Row-vector convention. OV: row = the token attended to, column = the token whose logit changes. QK: row = the query's
token, column = the key's. Every builder gives two thin factors; nothing vocabulary x vocabulary is formed.
Norms are folded (view.py): only their scale per position, one positive number, is left out. Biases are sources of
their own and no part of a circuit between tokens.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from engine.circuits import budget
from engine.circuits.weights.factored import (
    NOTHING,
    DiagonalRates,
    Factored,
    diagonal_ranks,
    eigenvalue_scores,
    product,
    rates_of,
)
from engine.circuits.weights.view import Weights, folded, layer_of
from engine.model.config import HeadRef
from engine.model.transformer import Rotation, Transformer, distance_penalty, untapped

SOURCES_WHEN_LARGE = 500
LARGE_VOCABULARY = 8192

Embedding = Literal["raw", "effective"]


def token_embedding(model: Transformer, kind: Embedding = "raw", tokens: Tensor | None = None) -> Tensor:
    """(V, d), or (n, d) for the `tokens` (n): what stands in the stream for a token.

    "raw" is W_E. "effective" adds what the first layer's MLP makes of it by itself, without attention and position:
    models with an MLP there finish their embedding in it. Costs 4 V d d_mlp (GPT-2 small: some 10 s for all tokens)
    and memory V d, so compute it once and hand it to the builders. Raises ValueError for attention-only models.
    """
    raw = model.W_E if tokens is None else model.W_E[tokens]
    if kind == "raw":
        return raw
    if not model.config.d_mlp:
        raise ValueError("an attention-only model has no effective embedding: its tokens are read raw")
    budget.require(raw.nbytes, "the effective embedding of all these tokens (ask for fewer)")
    first, whole = layer_of(model, 0), torch.empty_like(raw)
    size = budget.portion((3 * model.config.d_mlp + 4 * model.config.d_model) * raw.itemsize, max(1, len(raw)))
    for part, out in zip(raw.split(size), whole.split(size), strict=True):
        out.copy_(part + first.mlp(first.norm_2(part, "", untapped), "", untapped))
    return whole


def direct_path(model: Transformer, embedding: Embedding | Tensor = "raw") -> Factored:
    """W_E W_U, (V, V): the bigram logit of the column's token after the row's. Memory of the folded W_U, d V."""
    return Factored(_tokens(model, embedding), Weights(model).unembedding)


def full_ov(model: Transformer, head: HeadRef, embedding: Embedding | Tensor = "raw") -> Factored:
    """W_E W_V W_O W_U, (V, V): what attending to the row's token adds to the column's logit. Memory 2 V h.

    `embedding` is "raw", "effective" or, for chosen or shared tokens, what `token_embedding` gave; then (n, V).
    """
    weights = Weights(model).head(head)
    left = product(_tokens(model, embedding), weights.W_V)  # (V, h)
    return Factored(left, product(_scaled(model, weights.W_O), model.unembedding))


def full_qk(
    model: Transformer, head: HeadRef, offset: int | None = None, embedding: Embedding | Tensor = "raw"
) -> Factored:
    """W_E W_Q W_K^T W_E^T / sqrt(h), (V, V): the score of the row's token for the column's. Memory 2 V h.

    Rotary models have one such circuit for every `offset` i - j between query and key. ALiBi's penalty and positions
    are not in it. Raises ValueError for a rotary model without an offset, and for an offset elsewhere.
    """
    tokens = _tokens(model, embedding)
    return _scores(tokens, _query(model, head, offset), tokens, Weights(model).head(head).W_K)


def positional_qk(model: Transformer, head: HeadRef) -> Factored:
    """W_pos W_Q W_K^T W_pos^T / sqrt(h), (P, P): the score of position i for position j, whatever the tokens.

    Raises ValueError for a model without position embeddings.
    """
    queries, keys = Weights(model).position_reads(head)  # (P, h), (P, h)
    return Factored(queries / math.sqrt(model.config.d_head), keys.T)


def positional_pattern(model: Transformer, head: HeadRef, size: int | None = None) -> Tensor:
    """(P, P): the attention that positions alone would give; a previous-token head shows its stripe at j = i - 1.

    `size`: only that of the first positions, (size, size). Raises ValueError for a model without position embeddings,
    TooLarge over the memory budget.
    """
    circuit = positional_qk(model, head)
    places = torch.arange(circuit.shape[0] if size is None else size)
    later = places > places[:, None]  # (P, P)
    return circuit.block(places, places).masked_fill(later, -torch.inf).softmax(-1)


def token_scores(model: Transformer, head: HeadRef, embedding: Tensor) -> Tensor:
    """(T, T): the score that each token's embedding (T, d) gives each earlier one's, NaN above the diagonal.

    In rotary models every pair stands at its distance i - j; other positions, and ALiBi's penalty, take no part.
    """
    q, k = _reads(model, head, embedding)  # (T, h) each
    places = torch.arange(len(embedding))
    if model.config.positions == "rotary":
        q, k = (_at(model, x, places) for x in (q, k))
    return (q @ k.T).masked_fill(places > places[:, None], torch.nan)


def offset_scores(model: Transformer, head: HeadRef, embedding: Tensor, count: int) -> Tensor:
    """(count): the mean score over all pairs of these tokens' embeddings (T, d), for a key 0, 1, ... places back.

    The mean over pairs is the score of the means, as scores are bilinear. Raises ValueError for models whose scores do
    not depend on distance alone.
    """
    config, places = model.config, torch.arange(count)
    q, k = (x.mean(0, keepdim=True) for x in _reads(model, head, embedding))  # (1, h) each
    if config.positions == "rotary":
        turned = _at(model, q.expand(count, -1), places)  # (count, h): keys stand at place 0
        return (turned @ k.T)[:, 0]
    if config.positions != "alibi":
        raise ValueError(f"this model's positions are {config.positions}: there is no score by distance alone")
    penalty = distance_penalty(config, places[None])[0, head.head, -1].flip(0)  # (count): 0, 1, ... back
    return (q @ k.T)[0] + penalty


def _reads(model: Transformer, head: HeadRef, embedding: Tensor) -> tuple[Tensor, Tensor]:
    """(T, h) queries, with 1/sqrt(h) in them, and keys of embeddings (T, d)."""
    weights = Weights(model).head(head)
    return product(embedding, weights.W_Q) / math.sqrt(model.config.d_head), product(embedding, weights.W_K)


def _at(model: Transformer, x: Tensor, places: Tensor) -> Tensor:
    """(T, h) turned as rotary positions (T) turn."""
    return Rotation(model.config, places[None], x).turn(x[None, :, None])[0, :, 0]


def k_composed_qk(
    model: Transformer,
    reader: HeadRef,
    writer: HeadRef,
    offset: int | None = None,
    embedding: Embedding | Tensor = "raw",
) -> Factored:
    """W_E W_Q W_K^T (W_V' W_O')^T W_E^T / sqrt(h), the reader's key made of what the writer (') moved; (V, V).

    Entry (a, b): the score of query a for a key whose position the writer filled with b; behind a previous-token
    head, for a key that comes after b. Raises ValueError unless the writer's layer is earlier, and as `full_qk`.
    """
    check_order(reader, writer)
    tokens, W_K = _tokens(model, embedding), Weights(model).head(reader).W_K
    return _scores(tokens, _query(model, reader, offset), *_moved(model, writer, tokens, W_K))


def q_composed_qk(
    model: Transformer,
    reader: HeadRef,
    writer: HeadRef,
    offset: int | None = None,
    embedding: Embedding | Tensor = "raw",
) -> Factored:
    """W_E W_V' W_O' W_Q W_K^T W_E^T / sqrt(h), the reader's query made of what the writer (') moved; (V, V).

    Entry (a, b): the score of a query whose position the writer filled with a, for key b. Errors as `k_composed_qk`.
    """
    check_order(reader, writer)
    tokens, W_K = _tokens(model, embedding), Weights(model).head(reader).W_K
    return _scores(*_moved(model, writer, tokens, _query(model, reader, offset)), tokens, W_K)


def check_order(reader: HeadRef, writer: HeadRef) -> None:
    """Raises ValueError unless the reader can see what the writer wrote: heads of one layer work side by side."""
    if writer.layer >= reader.layer:
        raise ValueError(f"heads only read what earlier layers wrote: {reader} cannot read {writer}")


def copying_eigenvalues(model: Transformer) -> list[float | None]:
    """The eigenvalue copying score of every head, in layer order; None where it is not defined."""
    return [score for layer in eigenvalues_by_layer(model) for score in layer]


def eigenvalues_by_layer(model: Transformer) -> Iterator[list[float | None]]:
    """The eigenvalue copying scores of every head, a layer at a time; None where they are not defined.

    The nonzero eigenvalues of the V x V circuit are those of the h x h product W_O (W_U W_E) W_V taken the other way
    round, and the inner d x d matrix is the same for all heads (of a layer, up to the folded norm).
    Cost 2 V d^2 once, before the first layer, and 2 d^2 h a head; memory d^2.
    """
    view = Weights(model)
    inner = folded(model.norm_final, model.unembedding @ model.W_E)  # (d, d); folding works on the rows
    for number in range(model.config.layers):
        heads = view.layer(number)
        products = heads.W_O @ inner @ heads.W_V  # (H, h, h)
        yield eigenvalue_scores(products, _norms(heads.W_O) * inner.norm() * _norms(heads.W_V))


def diagonal_rates(model: Transformer, head: HeadRef, seed: int = 0) -> DiagonalRates | None:
    """Diagonal top-1 and top-5 rates of the full OV circuit, of raw embeddings; None when the circuit is 0.

    How often attending to a token raises that very token most, or among the five most; see `rates_of_heads`.
    """
    return next(rates_of_heads(model, [head], seed))


def rates_of_heads(model: Transformer, heads: Sequence[HeadRef], seed: int = 0) -> Iterator[DiagonalRates | None]:
    """The diagonal rates of the heads, one after the other; None where the circuit is 0. Ties count against.

    All source tokens count, or 500 drawn with `seed` when the vocabulary exceeds 8,192 (`sampled_tokens`).
    Cost of a head 2 V h (d + n) if it copies all n, a small part of that if not; memory n (2 d + 1,024).
    """
    view, sources = Weights(model), sampled_tokens(model.config.vocabulary, seed)
    embedded, unembedded = model.W_E[sources], model.unembedding[:, sources]  # (n, d), (d, n)
    size, other_size = embedded.norm(), unembedded.norm()
    for head in heads:
        weights = view.head(head)
        writer = _scaled(model, weights.W_O)  # (h, d)
        reads, writes = embedded @ weights.W_V, writer @ unembedded  # (n, h), (h, n)
        deaf = reads.norm() <= NOTHING * size * weights.W_V.norm()
        if deaf or writes.norm() <= NOTHING * other_size * writer.norm():
            yield None
            continue
        own = (reads * writes.T).sum(-1)  # (n)
        yield rates_of(diagonal_ranks(reads, (writer, model.unembedding), sources, own, most=5))


def sampled_tokens(vocabulary: int, seed: int) -> Tensor:
    """The source tokens over which rates are taken: all, or 500 drawn with `seed` from a large vocabulary; sorted."""
    if vocabulary <= LARGE_VOCABULARY:
        return torch.arange(vocabulary)
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(vocabulary, generator=generator)[:SOURCES_WHEN_LARGE].sort().values


def matching_traces(model: Transformer, previous_token: Tensor, offset: int | None = None) -> list[float | None]:
    """The weight measure of induction of Olsson et al. 2022 for every head, in layer order; None in layer 0.

    The trace of the head's K-composition circuits, summed over the earlier heads with their `previous_token` scores
    (N) as weights: W_E W_Q W_K^T (sum of p W_V W_O)^T W_E^T, without 1/sqrt(h). NaN where such a score is NaN.
    Cost 2 V d^2 once and 6 d^2 h a head; memory 2 d^2. Rotary models: at a stated offset, errors as `full_qk`.
    """
    config, view = model.config, Weights(model)
    gram = model.W_E.T @ model.W_E  # (d, d)
    moved = torch.zeros_like(gram)  # (d, d) what the earlier heads move, weighted
    traces: list[float | None] = []
    for number, weights in enumerate(previous_token.to(gram).view(config.layers, config.heads, 1, 1)):
        heads = view.layer(number)
        queries = _turned(model, heads.W_Q, offset)  # (H, d, h)
        found = ((gram @ queries) * (moved @ heads.W_K)).sum((1, 2), dtype=torch.float64)  # (H)
        traces += [None] * config.heads if number == 0 else found.tolist()
        moved += (heads.W_V @ (weights * heads.W_O)).sum(0)
    return traces


def _tokens(model: Transformer, embedding: Embedding | Tensor) -> Tensor:
    """(V, d). Not centred for LayerNorm: the folded readers are blind to the mean."""
    return embedding if isinstance(embedding, Tensor) else token_embedding(model, embedding)


def _scaled(model: Transformer, W_O: Tensor) -> Tensor:
    """A folded W_O with the final norm's weight in it: on this side of W_U folding costs no copy of the vocabulary."""
    return W_O if model.config.norm == "none" else W_O * model.norm_final.weight


def _query(model: Transformer, head: HeadRef, offset: int | None) -> Tensor:
    """(d, h): W_Q / sqrt(h), turned by the offset in rotary models, so that keys stand at place 0."""
    return _turned(model, Weights(model).head(head).W_Q, offset) / math.sqrt(model.config.d_head)


def _turned(model: Transformer, W_Q: Tensor, offset: int | None) -> Tensor:
    """(..., d, h) with the turn between a query and a key `offset` places before it in W_Q: scores know only i - j."""
    config = model.config
    if config.positions != "rotary":
        if offset is not None:
            raise ValueError(f"an offset is for rotary models: this model's positions are {config.positions}")
        return W_Q
    if offset is None or not 0 <= offset < config.context:
        last = config.context - 1
        raise ValueError(f"a rotary model has one QK circuit for each offset: give one from 0 to {last}")
    rotation = Rotation(config, torch.tensor([[offset]]), W_Q)
    return rotation.turn(W_Q.reshape(1, 1, -1, config.d_head)).reshape(W_Q.shape)


def _moved(model: Transformer, writer: HeadRef, tokens: Tensor, W: Tensor) -> tuple[Tensor, Tensor]:
    """What the writer read of tokens (V, h), and how the reader's W (d, h) reads what it then wrote, (h, h)."""
    weights = Weights(model).head(writer)
    return product(tokens, weights.W_V), product(weights.W_O, W)


def _scores(query_side: Tensor, W_Q: Tensor, key_side: Tensor, W_K: Tensor) -> Factored:
    return Factored(product(query_side, W_Q), product(key_side, W_K).T)


def _norms(matrices: Tensor) -> Tensor:
    """(H, a, b) to (H)"""
    return matrices.norm(dim=(-2, -1))
