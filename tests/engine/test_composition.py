"""Composition against dense matrices multiplied out, and against the circuits written by hand (V10 to V14)."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import islice

import pytest
import torch

from engine.circuits import budget
from engine.circuits.weights import composition_grams
from engine.circuits.weights.composition import pair_score, scan, scan_ends, virtual_ov, virtual_pattern
from engine.circuits.weights.composition_edges import CompositionScores, Kind, merged
from engine.circuits.weights.composition_null import ceiling
from engine.circuits.weights.composition_sides import both_sides
from engine.circuits.weights.view import Weights
from engine.model.config import HeadRef
from engine.model.handbuilt import k_composition, q_composition, v_composition
from engine.model.taps import Capture
from engine.model.transformer import Transformer
from tests.engine.change_of_basis import change_of_basis, orthogonal
from tests.engine.dense_composition import (
    KINDS_OF_HEADS,
    dense,
    dense_ceiling,
    dense_score,
    every_score,
    reads,
    rows_of,
)
from tests.engine.shapes import KINDS, random_model, random_tokens

FIRST, SECOND = HeadRef(0, 0), HeadRef(1, 0)


def check_dense(weights: Weights, found: dict[Kind, CompositionScores], tolerance: float = 1e-12) -> None:
    config = weights.config
    assert set(found) == set(KINDS_OF_HEADS)
    written = {head: dense(weights, head)[0] for head in config.all_heads}
    for kind in KINDS_OF_HEADS:
        scores, ceilings = found[kind], found[kind].ceiling
        assert scores.writers == config.all_heads[: -config.heads]
        assert scores.readers == config.all_heads[config.heads :]
        for j, reader in enumerate(scores.readers):
            read = reads(weights, reader, kind)
            for i, writer in enumerate(scores.writers):
                if writer.layer >= reader.layer:
                    assert scores.score[i, j].isnan() and ceilings[i, j].isnan() and scores.z[i, j].isnan()
                    continue
                assert abs(float(scores.score[i, j]) - dense_score(written[writer], read)) < tolerance
                if i % 3 == j % 3:
                    assert abs(float(ceilings[i, j]) - dense_ceiling(written[writer], read)) < tolerance


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("folded", [True, False])
def test_that_every_pair_scores_as_its_dense_matrices_do(kind: str, folded: bool) -> None:  # V10
    """All norms, position schemes, grouped heads and parallel residuals; three layers, of which none feeds itself."""
    model = random_model(kind, layers=3)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    check_dense(Weights(model, folded), every_score(model, folded))
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())


@pytest.mark.parametrize("shape", [{"d_model": 5, "d_head": 8}, {"d_model": 150, "d_head": 7}])
def test_that_wide_heads_and_streams_of_several_tiles_are_as_exact(shape: dict[str, int]) -> None:  # V10
    assert shape["d_model"] < shape["d_head"] or shape["d_model"] > 2 * composition_grams.TILE
    for kind in ("shortformer-bare", "llama-like"):
        model = random_model(kind, heads=2, kv_heads=1, rotary_dim=4, **shape)
        check_dense(Weights(model), every_score(model))


def test_that_float32_agrees_with_float64() -> None:
    model = random_model("gpt2-like", layers=3, d_model=150)
    exact, single = every_score(model), every_score(model.float())
    for kind in KINDS_OF_HEADS:
        torch.testing.assert_close(single[kind].score, exact[kind].score, rtol=0, atol=1e-6, equal_nan=True)
        torch.testing.assert_close(single[kind].ceiling, exact[kind].ceiling, rtol=0, atol=1e-6, equal_nan=True)
        torch.testing.assert_close(single[kind].z, exact[kind].z, rtol=0, atol=1e-4, equal_nan=True)


def test_that_only_the_right_order_of_factors_is_composition() -> None:  # V11
    """||AB|| is not ||BA||, nor ||AB^T||, and the four products of one pair are told apart."""
    weights = Weights(random_model(layers=2, seed=5))
    writer, reader = HeadRef(0, 1), HeadRef(1, 2)
    (A, _), (B, QK) = dense(weights, writer), dense(weights, reader)
    right = {"q": dense_score(A, QK), "k": dense_score(A, QK.T), "v": dense_score(A, B)}
    cyclic = {"q": dense_score(QK, A), "k": dense_score(QK.T, A), "v": dense_score(B, A)}
    turned = {"q": dense_score(A.T, QK), "k": dense_score(A.T, QK.T), "v": dense_score(A.T, B)}
    for kind in KINDS_OF_HEADS:
        wrong = [cyclic[kind], turned[kind], *(right[other] for other in KINDS_OF_HEADS if other != kind)]
        assert min(abs(score - right[kind]) for score in wrong) > 1e-3
        assert pair_score(weights, writer, reader, kind).score == pytest.approx(right[kind], abs=1e-12)


Expected = dict[str, float]
NAMED: list[tuple[Callable[[], Transformer], Expected]] = [
    (lambda: k_composition(rest=False), {"k": 1 / math.sqrt(12)}),
    (k_composition, {"k": 25 / math.sqrt(12 * 25**2 + 12**2)}),
    (q_composition, {"q": 1 / math.sqrt(23)}),
    (v_composition, {"v": 1 / math.sqrt(12)}),
]


@pytest.mark.parametrize(("build", "expected"), NAMED, ids=["k", "k-resting", "q", "v"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rebased", [False, True])
def test_that_each_circuit_by_hand_composes_in_its_one_way(
    build: Callable[[], Transformer], expected: Expected, dtype: torch.dtype, rebased: bool
) -> None:  # V12
    model = build().to(dtype)
    model = change_of_basis(model, seed=3) if rebased else model
    tolerance = 1e-6 if dtype == torch.float32 else 1e-9
    found = every_score(model)
    for kind in KINDS_OF_HEADS:
        [edge] = found[kind].edges()
        assert (edge.writer, edge.reader, edge.rank) == (FIRST, SECOND, 1)
        assert edge.score == pytest.approx(expected.get(kind, 0.0), abs=tolerance)
        assert edge.fraction == pytest.approx(1.0 if kind in expected else 0.0, abs=10 * tolerance)


def test_that_the_circuits_by_hand_have_the_known_numbers() -> None:  # V12
    for build, kind, number in (
        (lambda: k_composition(rest=False), "k", 0.288675),
        (k_composition, "k", 0.285943),
        (q_composition, "q", 0.208514),
        (v_composition, "v", 0.288675),
    ):
        assert float(every_score(build())[kind].score) == pytest.approx(number, abs=1e-6)


def test_that_scale_and_basis_change_nothing() -> None:  # V13
    model = random_model("absolute-bare", layers=3, kv_heads=2)
    before, turned = every_score(model), every_score(change_of_basis(model, seed=1))
    for factor, layer in zip((3.0, 0.01, 200.0), model.layers, strict=True):
        layer.attention.W_O *= factor
        layer.attention.W_Q *= -factor
    scaled = every_score(model)
    for kind in KINDS_OF_HEADS:
        for other in (scaled[kind], turned[kind]):
            for name in ("score", "z", "ceiling"):
                expected, found = getattr(before[kind], name), getattr(other, name)
                torch.testing.assert_close(found, expected, rtol=0, atol=1e-9, equal_nan=True)


def test_that_no_score_exceeds_its_ceiling_and_no_ceiling_one() -> None:  # V13
    for seed in range(3):
        for scores in every_score(random_model("shortformer-layer-norm", seed=seed, d_model=8)).values():
            assert bool((scores.score <= scores.ceiling + 1e-12).all())
            assert bool((scores.ceiling <= 1 + 1e-12).all())
    one = torch.ones(1, 1, dtype=torch.float64)
    assert float(ceiling(one, one)) == 1.0
    flat = torch.full((1, 16), 1 / 16, dtype=torch.float64)
    assert float(ceiling(flat, flat)) == pytest.approx(0.25)


@pytest.mark.parametrize(("d_model", "d_head"), [(64, 16), (128, 32)])
def test_that_random_heads_score_the_baseline(d_model: int, d_head: int) -> None:  # V14
    model = random_model(layers=3, heads=10, kv_heads=10, d_model=d_model, d_head=d_head)
    for scores in every_score(model).values():
        found = scores.score[~scores.score.isnan()]
        assert len(found) == 300
        assert scores.baseline == pytest.approx(d_model**-0.5)
        assert float(found.mean()) == pytest.approx(d_model**-0.5, rel=0.02)


def test_that_folding_is_a_view_and_scores_as_weights_folded_by_hand() -> None:
    """The norm's weight scales what a head reads, and both sides lose the mean; the raw view has neither."""
    model = random_model("shortformer-layer-norm")
    norm, attention = model.layers[1].norm_1, model.layers[1].attention
    centre = torch.eye(24, dtype=torch.float64) - 1 / 24
    written = model.layers[0].attention.W_V[:, 6:12] @ model.layers[0].attention.W_O[6:12]
    W_Q, W_K = attention.W_Q[:, :6], attention.W_K[:, :6]
    raw = dense_score(written, W_K @ W_Q.T)
    read = centre @ norm.weight.diag() @ W_K @ W_Q.T @ norm.weight.diag() @ centre
    first = centre @ model.layers[0].norm_1.weight.diag() @ written @ centre
    writer = HeadRef(0, 1)
    folded = pair_score(Weights(model), writer, SECOND, "k").score
    assert folded == pytest.approx(dense_score(first, read), abs=1e-12)
    assert pair_score(Weights(model, folded=False), writer, SECOND, "k").score == pytest.approx(raw, abs=1e-12)
    assert abs(folded - raw) > 1e-3


def test_that_a_head_that_is_zero_has_no_scores_and_no_rank() -> None:
    model = random_model("absolute-bare", dtype=torch.float32)
    model.layers[0].attention.W_O[6:12] = 0.0
    model.layers[1].attention.W_K[:, :6] = 0.0
    # head 0.2 reads values from dimensions that its output does not use: only the product is zero
    model.layers[0].attention.W_V[:, 12:15] = 0.0
    model.layers[0].attention.W_O[15:18] = 0.0
    for form in (model, change_of_basis(model, seed=2)):
        for kind, scores in every_score(form).items():
            undefined = torch.zeros(4, 4, dtype=torch.bool)
            undefined[1:3] = True
            undefined[:, 0] |= kind != "v"
            assert torch.equal(scores.score.isnan(), undefined)
            ranks = sorted(edge.rank for edge in scores.edges() if edge.rank is not None)
            assert ranks == list(range(1, int((~undefined).sum()) + 1))
            last = scores.edges()[-1].row()
            assert last["score"] is last["z"] is last["fraction"] is last["ceiling"] is last["rank"] is None
            assert last["baseline"] == scores.baseline


def test_that_ranks_go_by_fraction_and_equal_ones_share_a_place() -> None:
    model = random_model(layers=2)
    # the largest raw score is not the largest fraction: ceilings differ between heads
    found = every_score(model)["k"]
    order = found.fraction.flatten().argsort(descending=True)
    assert order.tolist() != found.score.flatten().argsort(descending=True).tolist()
    assert found.rank.flatten()[order].tolist() == list(range(1, 17))
    edges = found.edges(top=5)
    assert [edge.rank for edge in edges] == [1, 2, 3, 4, 5]
    best = edges[0]
    assert found.fraction[found.writers.index(best.writer), found.readers.index(best.reader)] == best.fraction
    one = torch.ones(2, 2, dtype=torch.float64)
    score = torch.tensor([[0.3, 0.5], [0.3, torch.nan]], dtype=torch.float64)
    heads = model.config.all_heads
    tied = CompositionScores("k", heads[:2], heads[4:6], score, one, one, 0.2, None)
    assert tied.rank.nan_to_num(0).tolist() == [[2, 1], [2, 0]]


def test_that_rows_are_plain_values() -> None:
    found = every_score(random_model("neox-like"), offset=3)
    rows = [row for scores in found.values() for row in rows_of(scores)]
    assert len(rows) == 48
    names = ["from", "to", "kind", "score", "baseline", "z", "ceiling", "fraction", "rank", "offset"]
    assert all(list(row) == names for row in rows)
    assert {(row["kind"], row["offset"]) for row in rows} == {("q", 3), ("k", 3), ("v", None)}
    assert (rows[0]["rank"], type(rows[0]["rank"]), type(rows[0]["score"])) == (1, int, float)


def test_that_whoever_stops_has_what_came_first(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model(layers=4)
    looked: list[int] = []
    layer = Weights.layer
    monkeypatch.setattr(Weights, "layer", lambda self, number: (looked.append(number), layer(self, number))[1])
    blocks = scan(Weights(model))
    assert looked == []
    partial = merged(block for part in islice(blocks, 2) for block in part)
    assert looked == [0, 1, 2]
    monkeypatch.undo()
    assert partial["q"].score.shape == (8, 8)
    whole = every_score(model)["q"].score[:8, :8]
    torch.testing.assert_close(partial["q"].score, whole, rtol=0, atol=0, equal_nan=True)


def test_that_a_small_budget_gives_the_same_scores_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model("gpt2-like", layers=4)
    whole = every_score(model)
    shown: list[int] = []
    monkeypatch.setattr(budget, "portion", lambda each, total: shown.append(each) or 15)  # 12 readers and 3 writers
    blocks = list(scan(Weights(model)))
    assert shown == [8 * (24 * 24 + 6 * 24)]
    assert len(blocks) == 3 + 3 + 2 + 1  # portions of three writers, from the layer after their first one's
    assert max(len(block.writers) for part in blocks for block in part) == 3
    found = merged(block for part in blocks for block in part)
    for kind in KINDS_OF_HEADS:
        assert found[kind].writers == whole[kind].writers
        torch.testing.assert_close(found[kind].score, whole[kind].score, rtol=0, atol=1e-12, equal_nan=True)


def test_that_one_layer_and_the_wrong_order_are_one_clear_line() -> None:
    with pytest.raises(ValueError, match="composition needs two layers: this model has one"):
        scan(Weights(random_model(layers=1)))
    weights = Weights(random_model("gpt2-like"))
    for writer, reader in ((SECOND, FIRST), (FIRST, HeadRef(0, 1)), (FIRST, FIRST)):
        with pytest.raises(ValueError, match=f"{writer} cannot feed {reader}"):
            pair_score(weights, writer, reader, "k")
        with pytest.raises(ValueError, match=f"{writer} cannot feed {reader}"):
            virtual_ov(weights, writer, reader)
    with pytest.raises(ValueError, match=r"there is no head 2\.0"):
        pair_score(weights, FIRST, HeadRef(2, 0), "k")
    for wrong in (scan, scan_ends):
        with pytest.raises(ValueError, match="this model's positions are absolute"):
            wrong(weights, 1)
        with pytest.raises(ValueError, match="0 to 31, not 32"):
            wrong(Weights(random_model("llama-like")), 32)


def test_that_a_pair_is_the_same_alone() -> None:
    for kind, offset in (("gpt2-like", None), ("llama-like", 4)):
        weights = Weights(random_model(kind, layers=3))
        found = every_score(weights.model, offset=offset)
        for name in KINDS_OF_HEADS:
            for edge in found[name].edges()[::7]:
                alone = pair_score(weights, edge.writer, edge.reader, name, offset).row()
                assert alone == pytest.approx(edge.row() | {"rank": None}, abs=1e-9)


def test_that_pairs_that_nearly_miss_are_computed_from_their_product() -> None:
    """In float32 an inner product of Gram matrices leaves 1e-4 of such a score, the product itself 1e-7."""
    generator = torch.Generator().manual_seed(0)
    basis = orthogonal(96, generator).float()
    first, second = (torch.randn(1, 8, 5, generator=generator) for _ in range(2))
    written = both_sides(torch.randn(1, 96, 5, generator=generator), basis[:, :8] @ first)[1]
    read = both_sides(basis[:, 8:16] @ second, torch.randn(1, 96, 5, generator=generator))[0]
    packed = torch.empty(2, composition_grams.packed_length(96))
    composition_grams.pack(written, packed[:1], doubled=True)
    composition_grams.pack(read, packed[1:])
    square = composition_grams.squares(packed[:1], packed[1:])
    most = ceiling(written.shares, read.shares)
    score = composition_grams.roots(square, list(written.whitened), read.whitened, most)
    assert float(score) < 1e-6
    assert float(square.abs().sqrt()) > float(score)


def test_that_a_virtual_head_attends_and_moves_as_two_heads_in_turn() -> None:
    """In a bare model the share of head 1.2's output that came by head 0.1 is the product of both."""
    model = random_model("shortformer-bare")
    weights, kept = Weights(model), Capture(lambda name: name.endswith((".pattern", "embed")))
    model(random_tokens(model), kept)
    earlier, later = HeadRef(0, 1), HeadRef(1, 2)
    A1, A2 = kept.kept["0.pattern"][:, 1], kept.kept["1.pattern"][:, 2]  # (B, T, T)
    embedded, first, second = kept.kept["embed"], weights.head(earlier), weights.head(later)
    in_turn = A2 @ (A1 @ embedded @ first.W_V @ first.W_O) @ second.W_V @ second.W_O
    left, right = virtual_ov(weights, earlier, later)
    assert (left.shape, right.shape) == ((24, 6), (6, 24))
    torch.testing.assert_close(virtual_pattern(A1, A2) @ embedded @ left @ right, in_turn, rtol=0, atol=1e-10)
    assert virtual_pattern(A1, A2).triu(1).count_nonzero() == 0
