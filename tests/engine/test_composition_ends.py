"""Composition from and to the ends of the stream, at a rotary offset, and its null, against what is written out."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from engine.circuits.weights.composition import scan_ends
from engine.circuits.weights.composition_edges import merged
from engine.circuits.weights.composition_null import baseline, deviations
from engine.circuits.weights.view import Weights
from engine.model.config import HeadRef
from engine.model.handbuilt import k_composition
from engine.model.taps import Capture
from engine.model.transformer import Transformer
from tests.engine.dense_composition import (
    KINDS_OF_HEADS,
    dense,
    dense_ceiling,
    dense_score,
    every_score,
    reads,
    rows_of,
)
from tests.engine.shapes import random_model, random_tokens


@pytest.mark.parametrize("ranks", [(4, 4), (1, 6), (12, 3)])
def test_that_the_null_is_that_of_random_rotations(ranks: tuple[int, int]) -> None:  # V14
    """Spectra kept, bases drawn: the squares have mean 1/d, and z has mean 0 and deviation 1."""
    d, generator = 12, torch.Generator().manual_seed(2)
    a, b = (
        torch.rand(1, rank, generator=generator, dtype=torch.float64).sort(descending=True).values for rank in ranks
    )
    a, b = a / a.sum(), b / b.sum()
    draws = torch.randn(20_000, d, d, generator=generator, dtype=torch.float64)
    cosines = torch.linalg.qr(draws).Q.square()  # Haar but for signs, which the squares forget
    squares = (a @ cosines[:, : ranks[0], : ranks[1]] @ b.T)[:, :, 0]  # (draws, 1)
    z = deviations(squares.sqrt(), a.expand(len(draws), -1), b, d)
    assert float(squares.mean().sqrt()) == pytest.approx(baseline(d), rel=0.01)
    assert float(z.mean()) == pytest.approx(0.0, abs=0.03)
    assert float(z.std()) == pytest.approx(1.0, abs=0.03)


def test_that_the_nulls_variance_is_that_of_the_moments_written_out() -> None:  # V14
    d, generator = 40, torch.Generator().manual_seed(0)
    a, b = (torch.rand(5, 7, generator=generator, dtype=torch.float64) for _ in range(2))
    a, b = a / a.sum(1, keepdim=True), b / b.sum(1, keepdim=True)
    A, B = a.square().sum(1)[:, None], b.square().sum(1)
    second = 3 * A * B + A * (1 - B) + B * (1 - A) + (d + 1) / (d - 1) * (1 - A) * (1 - B)
    variance = second / (d * (d + 2)) - 1 / d**2
    score = torch.full((5, 5), 0.3, dtype=torch.float64)
    torch.testing.assert_close(deviations(score, a, b, d), (0.09 - 1 / d) / variance.sqrt(), rtol=1e-9, atol=0)


def test_that_a_spectrum_flat_over_the_whole_stream_has_no_deviation() -> None:
    flat = torch.full((1, 4), 0.25, dtype=torch.float64)
    assert deviations(torch.tensor([[0.5]]).double(), flat, flat, 4).isnan().all()
    assert deviations(torch.tensor([[1.0]]).double(), flat[:, :1] * 4, flat[:, :1] * 4, 1).isnan().all()


@pytest.mark.parametrize("kind", ["neox-like", "llama-like"])
@pytest.mark.parametrize("offset", [0, 5])
def test_that_a_stated_offset_scores_the_circuit_that_a_run_shows(kind: str, offset: int) -> None:
    """W_Q R_D W_K^T is read off a run: the two rotary pairings, part of the head's dimensions or all of them."""
    model = random_model(kind, layers=2, d_mlp=0, activation="none", mlp_bias=False, context=24)
    weights = Weights(model)
    # scores of source 9 for destination 9 + D, as a bilinear function of the two normed inputs
    tokens = random_tokens(model, rows=400, length=15)
    kept = Capture(lambda name: name in ("1.resid_pre", "1.scores", "1.norm_1.scale"))
    model(tokens, kept)
    x = kept.kept["1.resid_pre"]
    x = (x - x.mean(-1, keepdim=True) if kind == "neox-like" else x) * kept.kept["1.norm_1.scale"]  # (B, T, d)
    for head in range(4):
        heads, d_head = weights.head(HeadRef(1, head)), 6
        circuit = heads.W_Q @ rotation(model, offset) @ heads.W_K.T  # (d, d)
        dst, src = x[:, 9 + offset], x[:, 9]
        if kind == "neox-like":  # the norm's bias is a source of its own
            dst, src = dst @ heads.W_Q + heads.b_Q, src @ heads.W_K + heads.b_K
            seen = (dst @ rotation(model, offset) * src).sum(-1)
        else:
            seen = (dst @ circuit * src).sum(-1)
        torch.testing.assert_close(seen / d_head**0.5, kept.kept["1.scores"][:, head, 9 + offset, 9])
        found = every_score(model, offset=offset)
        for writer in range(4):
            W_OV = dense(weights, HeadRef(0, writer))[0]
            assert float(found["q"].score[writer, head]) == pytest.approx(dense_score(W_OV, circuit), abs=1e-12)
            assert float(found["k"].score[writer, head]) == pytest.approx(dense_score(W_OV, circuit.T), abs=1e-12)
    assert (found["q"].offset, found["k"].offset, found["v"].offset) == (offset, offset, None)
    plain = every_score(model)
    assert torch.equal(plain["v"].score, found["v"].score)
    assert plain["k"].offset is None
    assert not torch.allclose(plain["k"].score, found["k"].score)


def rotation(model: Transformer, offset: int) -> Tensor:
    """R_D (h, h) for row vectors, one pair of dimensions after the other."""
    config, matrix = model.config, torch.eye(model.config.d_head, dtype=torch.float64)
    half = config.rotary_dim // 2
    for pair in range(half):
        angle = offset * config.rotary_base ** (-2 * pair / config.rotary_dim)
        i, j = (2 * pair, 2 * pair + 1) if config.rotary_pairing == "interleaved" else (pair, pair + half)
        matrix[i, i] = matrix[j, j] = math.cos(angle)
        matrix[i, j], matrix[j, i] = math.sin(angle), -math.sin(angle)
    return matrix


@pytest.mark.parametrize("kind", ["absolute-bare", "gpt2-like", "shortformer-layer-norm", "llama-like", "alibi-bare"])
def test_that_the_ends_score_as_dense_matrices_do(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.circuits.weights.composition_sides.ROWS", 7)  # several blocks of rows
    for size in (11, 50):  # fewer tokens than dimensions, and more
        model = random_model(kind, vocabulary=size)
        weights = Weights(model)
        found = merged(block for blocks in scan_ends(weights) for block in blocks)
        places = {"absolute": ["pos"], "shortformer": ["pos"]}.get(model.config.positions, [])
        for name in KINDS_OF_HEADS:
            wanted = ["embed"] if name == "v" and model.config.positions == "shortformer" else ["embed", *places]
            assert list(found[name].writers) == wanted
            for j, reader in enumerate(model.config.all_heads):
                for i, end in enumerate(wanted):
                    behind = end == "pos" and model.config.positions == "shortformer"
                    table = weights.embedding if end == "embed" else model.W_pos
                    if end == "pos" and kind == "gpt2-like":
                        table = table - table.mean(1, keepdim=True)
                    read = reads(Weights(model, folded=False) if behind else weights, reader, name)
                    assert float(found[name].score[i, j]) == pytest.approx(dense_score(table, read), abs=1e-12)
                    assert float(found[name].ceiling[i, j]) == pytest.approx(dense_ceiling(table, read), abs=1e-12)
        assert found["unembed"].readers == ("unembed",)
        for i, writer in enumerate(model.config.all_heads):
            expected = dense_score(dense(weights, writer)[0], weights.unembedding)
            assert float(found["unembed"].score[i, 0]) == pytest.approx(expected, abs=1e-12)


def test_that_long_random_tables_score_the_same_baseline() -> None:
    model = random_model(vocabulary=300, d_model=64, d_head=16, heads=10, kv_heads=10, layers=4)
    found = merged(block for blocks in scan_ends(Weights(model)) for block in blocks)
    for scores in found.values():
        assert float(scores.score.mean()) == pytest.approx(1 / 8, rel=0.02)
        assert scores.baseline == 1 / 8


def test_that_the_ends_of_the_circuit_by_hand_are_the_direct_paths() -> None:
    """Head 1.0 matches the token itself with the note of 0.0, and only 1.0 writes what the logits read."""
    found = merged(block for blocks in scan_ends(Weights(k_composition(rest=False))) for block in blocks)
    rows = {(row["from"], row["to"], row["kind"]): row["fraction"] for part in found.values() for row in rows_of(part)}
    assert rows["embed", "1.0", "q"] == pytest.approx(1.0)
    assert rows["embed", "1.0", "k"] == 0.0
    assert (rows["embed", "1.0", "v"], rows["embed", "0.0", "v"]) == pytest.approx((1.0, 1.0))
    assert rows["embed", "0.0", "q"] == rows["embed", "0.0", "k"] == 0.0
    assert (rows["0.0", "unembed", "unembed"], rows["1.0", "unembed", "unembed"]) == (0.0, pytest.approx(1.0))
    assert min(rows["pos", "0.0", "q"], rows["pos", "0.0", "k"]) > 0.1
    assert rows["pos", "1.0", "k"] == 0.0


def test_that_the_ends_of_one_layer_are_measured() -> None:
    found = merged(block for blocks in scan_ends(Weights(random_model(layers=1))) for block in blocks)
    assert set(found) == {"q", "k", "v", "unembed"}
