"""An attention score is the sum of its terms, and terms are compared as softmax sees them (V7, V8)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.circuits import budget
from engine.circuits.attribution.score_split import (
    Reads,
    by_layer,
    read_scores,
    score_taps,
    split_cell,
    split_row,
    spreads,
    strongest,
)
from engine.circuits.attribution.stream import Stream
from engine.circuits.budget import TooLarge
from engine.model.config import HeadRef
from engine.model.handbuilt import k_composition, q_composition
from engine.model.taps import Capture, chain
from engine.model.transformer import Transformer
from tests.engine.captured import BIAS, BIASED, REPEAT, SHAPES, everything, near
from tests.engine.shapes import random_model, random_tokens


def reads_of(model: Transformer, head: HeadRef, tokens: Tensor | None = None) -> tuple[Reads, Tensor]:
    """A head's reads, and its pattern (T, T)."""
    taps = Capture(score_taps(model, head).__contains__)
    pattern = Capture(lambda name: name == f"{head.layer}.pattern")
    model(random_tokens(model) if tokens is None else tokens, chain(taps, pattern))
    return read_scores(Stream(model, taps.kept), head), pattern.kept[f"{head.layer}.pattern"][0, head.head]


@pytest.mark.parametrize(("kind", "changes"), SHAPES)
@pytest.mark.parametrize("head", [HeadRef(0, 0), HeadRef(1, 3)])
def test_that_the_terms_sum_to_the_score_and_give_the_pattern(
    kind: str, changes: dict[str, Any], head: HeadRef
) -> None:  # V7
    reads, pattern = reads_of(random_model(kind, **changes), head)
    for query in (0, 1, 6, 13):
        row = split_row(reads, query)
        near(row.total, reads.measured[query, : query + 1])
        assert row.remainder.abs().max() < 1e-9
        near(row.total.softmax(-1), pattern[query, : query + 1])
        cell = split_cell(reads, query, query // 2)
        near(cell.terms, row.terms[..., query // 2])
        near(cell.centred, row.centred[..., query // 2])
        assert abs(cell.remainder) < 1e-9


@pytest.mark.parametrize(
    ("kind", "changes", "extra"),
    [
        ("absolute-bare", {}, []),
        ("shortformer-bare", {}, ["pos"]),
        ("shortformer-layer-norm", {}, ["pos", "bias"]),
        ("gpt2-like", {}, ["bias"]),
        ("llama-like", {}, []),
        ("alibi-bare", BIAS, ["bias", "distance"]),
    ],
)
def test_that_extra_sources_join_only_where_the_model_has_them(
    kind: str, changes: dict[str, Any], extra: list[str]
) -> None:
    model = random_model(kind, **changes)
    stream = Stream(model, everything(model, random_tokens(model)), 1)
    assert read_scores(stream, HeadRef(1, 0)).names == (*stream.names(1), *extra)


def test_that_a_term_reads_its_own_two_sources() -> None:
    """LayerNorm written out: each part minus its mean, times the scale of the whole; biases are a source apart."""
    model = random_model("gpt2-like", kv_heads=2)
    kept, head = everything(model, random_tokens(model)), HeadRef(1, 2)
    stream, attention, norm = Stream(model, kept), model.layers[1].attention, model.layers[1].norm_1
    scale = kept["1.norm_1.scale"][0]
    W_Q, W_K = attention.W_Q[:, 12:18], attention.W_K[:, 6:12]

    def normed(name: str) -> Tensor:
        part = stream.part(name)
        return (part - part.mean(-1, keepdim=True)) * scale * norm.weight

    query, key = normed("0.1") @ W_Q, normed("mlp.0") @ W_K
    bias = norm.bias @ W_K + attention.b_K[6:12]
    row = split_row(read_scores(stream, head), 9)
    first, names = row.names.index("0.1"), row.names
    near(row.terms[first, names.index("mlp.0")], (query[9] @ key[:10].T) / 6**0.5, 1e-11)
    near(row.terms[first, names.index("bias")], (query[9] @ bias).expand(10) / 6**0.5, 1e-11)


def test_that_alibis_term_is_its_penalty() -> None:
    reads, _ = reads_of(random_model("alibi-bare"), HeadRef(1, 2))
    row = split_row(reads, 8)
    slope = 2.0 ** (-8 * 3 / 4)
    near(row.terms[-1, -1], -slope * (8 - torch.arange(9).double()), 1e-12)
    assert row.terms[-1, :-1].count_nonzero() == row.terms[:-1, -1].count_nonzero() == 0


@pytest.mark.parametrize(("kind", "changes"), SHAPES)
def test_that_what_centring_removes_changes_no_pattern(kind: str, changes: dict[str, Any]) -> None:  # V8
    reads, pattern = reads_of(random_model(kind, **changes), HeadRef(1, 1))
    for query in (0, 5, 13):
        row = split_row(reads, query)
        near(row.centred.sum((0, 1)).softmax(-1), pattern[query, : query + 1], 1e-12)
        assert row.centred.sum(-1).abs().max() < 1e-9


@pytest.mark.parametrize("kind", ["absolute-bare", "shortformer-bare", "alibi-bare"])
def test_that_key_biases_explain_nothing(kind: str) -> None:  # V8
    row = split_row(reads_of(random_model(kind, **BIASED), HeadRef(1, 1))[0], 13)
    bias = row.names.index("bias")
    assert row.terms[:, bias].abs().max() > 0.1
    assert row.centred[:, bias].abs().max() < 1e-12
    assert row.centred[bias, : bias - 1].abs().max() > 0.1  # a query's bias does


@pytest.mark.parametrize("kind", ["neox-like", "llama-like"])
def test_that_turned_key_biases_are_a_preference_for_distances(kind: str) -> None:  # V8
    reads, _ = reads_of(random_model(kind, **BIAS), HeadRef(1, 1))
    bias = reads.names.index("bias")
    rows = [split_row(reads, query) for query in range(14)]
    assert rows[13].centred[:, bias].abs().max() > 0.1
    by_distance = [row.terms[bias, bias].flip(0) for row in rows]  # index is the distance
    for shorter, longer in pairwise(by_distance):
        near(shorter, longer[:-1], 1e-11)


def test_that_shares_sum_to_one_and_may_oppose_each_other() -> None:
    reads, _ = reads_of(random_model("absolute-bare"), HeadRef(1, 0))
    cell = split_cell(reads, 9, 4)
    assert cell.shares is not None
    near(cell.shares.sum(), torch.tensor(1.0).double(), 1e-9)
    ranked = cell.ranked(5)
    sizes = [abs(term.centred) for term in cell.ranked(1000)]
    assert len(sizes) == len(reads.names) ** 2 and sizes == sorted(sizes, reverse=True)
    assert min(cell.shares.flatten().tolist()) < 0
    strong = ranked[0]
    s, t = reads.names.index(strong.query_source), reads.names.index(strong.key_source)
    assert strong.value == float(cell.terms[s, t])
    assert strong.share == pytest.approx(strong.centred / float(cell.centred.sum()))


def test_that_shares_of_nothing_are_undefined() -> None:
    reads, _ = reads_of(random_model("gpt2-like"), HeadRef(1, 0))
    alone = split_cell(reads, 0, 0)  # one key is always the average key
    assert alone.shares is None
    assert alone.ranked(1)[0].share is None
    assert abs(alone.total) > 1e-3


def test_that_the_map_of_a_head_is_the_spread_of_its_centred_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, _ = reads_of(random_model("gpt2-like"), HeadRef(1, 2))
    steps = list(spreads(reads))
    assert len(steps) == 14
    for last in (4, 13):
        centred = torch.cat([split_row(reads, query).centred for query in range(last + 1)], dim=-1)
        near(steps[last], centred.square().mean(-1).sqrt())
    near(split_row(reads, 7).spread, split_row(reads, 7).terms.std(-1, correction=0))
    monkeypatch.setattr(budget, "_limit", 5_000)  # a few sources at a time
    *_, last_map = spreads(reads)
    near(last_map, steps[-1], 1e-12)


def test_that_a_row_too_large_for_the_budget_leaves_single_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, _ = reads_of(random_model("gpt2-like"), HeadRef(1, 2))
    monkeypatch.setattr(budget, "_limit", 8_000)
    with pytest.raises(TooLarge, match="one key, or merge"):
        split_row(reads, 13)
    assert abs(split_cell(reads, 13, 5).remainder) < 1e-9
    assert split_row(by_layer(reads), 13).terms.shape == (4, 4, 14)
    model = random_model("gpt2-like")
    kept = everything(model, random_tokens(model))
    with pytest.raises(TooLarge, match="every source"):
        read_scores(Stream(model, kept), HeadRef(1, 0))


def test_that_merged_layers_hold_all_their_terms() -> None:
    reads, _ = reads_of(random_model("gpt2-like", layers=3), HeadRef(2, 0))
    merged = by_layer(reads)
    assert merged.names == ("embed", "pos", "layer.0", "layer.1", "bias")
    fine, coarse = split_cell(reads, 11, 3), split_cell(merged, 11, 3)
    of_layer = [number for number, name in enumerate(reads.names) if name in ("1.0", "1.1", "1.2", "1.3")]
    of_layer += [reads.names.index("bias.1"), reads.names.index("mlp.1")]
    near(coarse.terms[0, 3], fine.terms[0, of_layer].sum(), 1e-10)
    assert abs(coarse.remainder) < 1e-9


@pytest.mark.parametrize(("query", "key"), [(3, 4), (14, 0), (-1, -1), (2, -1)])
def test_that_only_allowed_keys_are_split(query: int, key: int) -> None:
    reads, _ = reads_of(random_model(), HeadRef(1, 0))
    with pytest.raises(ValueError, match=f"query {query} sees no key {key}"):
        split_cell(reads, query, key)


def test_that_a_meddled_score_shows_in_the_remainder() -> None:
    model, head = random_model("absolute-bare"), HeadRef(1, 0)
    kept = everything(model, random_tokens(model), lambda name, x: x + 2 if name == "1.scores" else x)
    near(split_row(read_scores(Stream(model, kept), head), 6).remainder, torch.full((7,), 2.0).double())


def test_that_the_match_of_k_composition_is_the_key_side_of_the_previous_token_head() -> None:  # V12
    reads, _ = reads_of(k_composition().double(), HeadRef(1, 0), REPEAT)
    cell = split_cell(reads, 14, 4)  # token 3 again; the token after its first copy
    top = cell.ranked(1)[0]
    assert (top.query_source, top.key_source) == ("embed", "0.0")
    assert top.value == pytest.approx(25, abs=1e-6)
    assert cell.total == pytest.approx(25, abs=1e-6)
    # the rest on BOS is a term too, and lies below its own mean here: 25(1 - 1/15) of 25(1 - 1/15) - 12/15
    assert top.share == pytest.approx((25 * 14 / 15) / (25 * 14 / 15 - 12 / 15), abs=1e-6)
    *_, spread = spreads(reads)
    (s, t), (s2, t2) = strongest(spread, 2)
    assert (reads.names[s], reads.names[t]) == ("embed", "0.0")
    assert (reads.names[s2], reads.names[t2]) == ("pos", "embed")


def test_that_the_match_of_a_pointer_is_the_query_side_of_the_duplicate_token_head() -> None:  # V12
    reads, _ = reads_of(q_composition().double(), HeadRef(1, 0), REPEAT)
    top = split_cell(reads, 14, 4).ranked(1)[0]
    assert (top.query_source, top.key_source) == ("0.0", "pos")
    assert top.value == pytest.approx(25, abs=1e-3)
    assert top.share == pytest.approx(1, abs=1e-9)
    *_, spread = spreads(reads)
    assert [(reads.names[s], reads.names[t]) for s, t in strongest(spread, 1)] == [("0.0", "pos")]
