"""Circuits from weights against full matrices and runs (V12, V17)."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from engine.circuits import budget
from engine.circuits.weights import factored
from engine.circuits.weights.factored import Factored
from engine.circuits.weights.ovqk import (
    copying_eigenvalues,
    diagonal_rates,
    direct_path,
    eigenvalues_by_layer,
    full_ov,
    full_qk,
    k_composed_qk,
    matching_traces,
    positional_pattern,
    positional_qk,
    q_composed_qk,
    rates_of_heads,
    token_embedding,
)
from engine.circuits.weights.view import Weights
from engine.model.config import HeadRef
from engine.model.handbuilt import VOCABULARY, k_composition, q_composition
from engine.model.taps import Capture
from engine.model.transformer import Transformer
from tests.engine.change_of_basis import change_of_basis
from tests.engine.shapes import KINDS, random_model


def dense_ov(model: Transformer, head: HeadRef) -> Tensor:
    """(V, V) with the norms folded, written out for the last layer's reading of plain embeddings."""
    config = model.config
    attention, h = model.layers[head.layer].attention, config.d_head
    group = head.head * config.kv_heads // config.heads
    W_V, W_O = attention.W_V[:, group * h : (group + 1) * h], attention.W_O[head.head * h : (head.head + 1) * h]
    centre = torch.eye(config.d_model, dtype=W_V.dtype) - (1 / config.d_model if config.norm == "layer" else 0.0)
    first, last = model.layers[head.layer].norm_1, model.norm_final
    scale = [torch.eye(config.d_model, dtype=W_V.dtype)] * 2
    if config.norm != "none":
        scale = [first.weight.diag(), last.weight.diag()]
    return model.W_E @ centre @ scale[0] @ W_V @ W_O @ centre @ scale[1] @ model.unembedding


@pytest.mark.parametrize("kind", KINDS)
def test_that_factors_eigenvalues_and_rates_are_those_of_the_full_matrix(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:  # V17
    monkeypatch.setattr(factored, "COLUMNS", 7)  # several blocks of columns
    model = random_model(kind, vocabulary=50)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    scores = copying_eigenvalues(model)
    for place, head in enumerate(model.config.all_heads):
        full, circuit = dense_ov(model, head), full_ov(model, head)
        assert circuit.left.shape == (50, 6)
        torch.testing.assert_close(circuit.left @ circuit.right, full, rtol=0, atol=1e-10)
        eigenvalues = torch.linalg.eigvals(full)
        small = torch.linalg.eigvals(circuit.right @ circuit.left)
        largest = eigenvalues[eigenvalues.abs().argsort(descending=True)][:6]
        torch.testing.assert_close(largest.abs(), small.abs().sort(descending=True).values, rtol=0, atol=1e-8)
        assert scores[place] == pytest.approx(float(eigenvalues.real.sum() / eigenvalues.abs().sum()), abs=1e-8)
        better = (full > full.diagonal()[:, None]).sum(1)
        rates = diagonal_rates(model, head)
        assert rates is not None
        assert rates.top1 == pytest.approx(float((better == 0).double().mean()))
        assert rates.top5 == pytest.approx(float((better < 5).double().mean()))
        assert rates.sources == 50
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())


def test_that_folding_follows_what_the_head_really_adds_up_to_the_norms_scales() -> None:
    """One source attended to by itself: the head's true direct effect on centred logits is a row of the circuit."""
    model = random_model("gpt2-like", layers=1, attention_bias=False, positions="none", d_mlp=0, activation="none")
    kept = Capture(lambda _name: True)
    token = 7
    model(torch.tensor([[token]]), kept)
    head = HeadRef(0, 2)
    written = kept.kept["0.z"][0, 0, 2] @ model.layers[0].attention.W_O[12:18]  # (d)
    norm = model.norm_final
    effect = ((written - written.mean()) * kept.kept["final.scale"].item() * norm.weight) @ model.unembedding  # (V)
    # the first norm's bias is a source of its own, it belongs to no token
    unbiased = kept.kept["embed"][0, 0] - kept.kept["embed"].mean()
    seen = kept.kept["0.norm_1.scale"].item() * unbiased * model.layers[0].norm_1.weight + model.layers[0].norm_1.bias
    bias_part = model.layers[0].norm_1.bias @ model.layers[0].attention.W_V[:, 12:18] @ full_ov(model, head).right
    circuit = full_ov(model, head)
    row = circuit.left[token] @ circuit.right * kept.kept["0.norm_1.scale"].item()
    torch.testing.assert_close((row + bias_part) * kept.kept["final.scale"].item(), effect, rtol=0, atol=1e-10)
    torch.testing.assert_close(seen @ model.layers[0].attention.W_V, kept.kept["0.v"].flatten(), rtol=0, atol=1e-10)


def eigenvalue_score(matrix: Tensor) -> float | None:
    return Factored(matrix, torch.eye(len(matrix), dtype=matrix.dtype)).eigenvalue_score()


def test_that_eigenvalues_tell_copying_from_anti_copying() -> None:  # V17
    identity = torch.eye(8, dtype=torch.float64)
    assert eigenvalue_score(identity) == pytest.approx(1.0)
    assert eigenvalue_score(-identity) == pytest.approx(-1.0)
    assert eigenvalue_score(torch.tensor([[0.0, -1.0], [1.0, 0.0]])) == pytest.approx(0.0)
    assert eigenvalue_score(torch.zeros(4, 4)) is None
    generator = torch.Generator().manual_seed(0)
    drawn = []
    for _ in range(100):
        left, right = (torch.randn(64, 96, generator=generator, dtype=torch.float64) for _ in range(2))
        drawn.append(eigenvalue_score(left @ right.T))
    values = torch.tensor([score for score in drawn if score is not None])
    assert len(values) == 100
    assert values.abs().max() < 0.2
    assert values.mean().abs() < 0.02


def test_that_a_head_that_writes_nothing_readable_is_undefined() -> None:
    model = random_model(dtype=torch.float32)
    model.W_U[:12] = 0.0
    model.layers[0].attention.W_O[:6, 12:] = 0.0
    assert [score is None for score in copying_eigenvalues(model)] == [True] + [False] * 7
    assert diagonal_rates(model, HeadRef(0, 0)) is None
    assert diagonal_rates(model, HeadRef(0, 1)) is not None


def test_that_large_vocabularies_are_sampled_and_the_number_is_stated() -> None:
    model = random_model(vocabulary=9000, layers=1)
    rates, again = diagonal_rates(model, HeadRef(0, 1)), diagonal_rates(model, HeadRef(0, 1))
    assert rates is not None
    assert rates.sources == 500
    assert rates == again
    full = full_ov(model, HeadRef(0, 1))
    better = torch.tensor(
        [int((full.left[a] @ full.right > full.left[a] @ full.right[:, a]).sum()) for a in range(9000)]
    )
    assert rates.top5 == pytest.approx(float((better < 5).double().mean()), abs=0.05)


def test_that_what_comes_layer_by_layer_and_head_by_head_is_what_comes_at_once() -> None:
    model = random_model("llama-like", layers=3)
    layers = list(eigenvalues_by_layer(model))
    assert [len(layer) for layer in layers] == [4, 4, 4]
    assert [score for layer in layers for score in layer] == copying_eigenvalues(model)
    heads = model.config.all_heads
    assert list(rates_of_heads(model, heads)) == [diagonal_rates(model, head) for head in heads]


def readers(model: Transformer, head: HeadRef) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """W_Q, W_K, W_V (d, h) and W_O (h, d) with the norms folded, written out."""
    config, attention, h = model.config, model.layers[head.layer].attention, model.config.d_head
    shared = head.head * config.kv_heads // config.heads
    own, group = slice(head.head * h, (head.head + 1) * h), slice(shared * h, (shared + 1) * h)
    identity = torch.eye(config.d_model).double()
    centre = identity - (1 / config.d_model if config.norm == "layer" else 0.0)
    scale = identity if config.norm == "none" else model.layers[head.layer].norm_1.weight.diag()
    read = centre @ scale
    return (
        read @ attention.W_Q[:, own],
        read @ attention.W_K[:, group],
        read @ attention.W_V[:, group],
        attention.W_O[own] @ centre,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_that_qk_circuits_are_those_formed_in_full(kind: str) -> None:
    model, reader, writer = random_model(kind), HeadRef(1, 3), HeadRef(0, 2)
    E, (W_Q, W_K, _, _), (_, _, W_V, W_O) = model.W_E, readers(model, reader), readers(model, writer)
    offset, turn = None, torch.eye(6).double()
    if model.config.positions == "rotary":
        offset, turn = 3, turned(model, 3)
    W_QK = W_Q @ turn @ W_K.T / 6**0.5
    expected = {
        full_qk: E @ W_QK @ E.T,
        k_composed_qk: E @ W_QK @ (W_V @ W_O).T @ E.T,
        q_composed_qk: E @ W_V @ W_O @ W_QK @ E.T,
    }
    for build, full in expected.items():
        heads = (reader,) if build is full_qk else (reader, writer)
        circuit = build(model, *heads, offset=offset)
        assert circuit.left.shape == (19, 6)
        torch.testing.assert_close(circuit.rows(torch.arange(19)), full, rtol=0, atol=1e-9)
        assert (full - full.T).abs().max() > 0.1, "a transposed circuit would pass"


def turned(model: Transformer, offset: int) -> Tensor:
    """(h, h): what turns a query by `offset` places, written out angle by angle."""
    config, matrix = model.config, torch.eye(model.config.d_head).double()
    half = config.rotary_dim // 2
    for pair in range(half):
        one, two = (2 * pair, 2 * pair + 1) if config.rotary_pairing == "interleaved" else (pair, pair + half)
        angle = torch.tensor(offset * config.rotary_base ** (-2 * pair / config.rotary_dim), dtype=torch.float64)
        matrix[one, one] = matrix[two, two] = angle.cos()
        matrix[one, two], matrix[two, one] = angle.sin(), -angle.sin()  # row vectors: (a, b) -> (ac - bs, as + bc)
    return matrix


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
def test_that_an_entry_is_the_score_of_the_rows_query_for_the_columns_key(kv_heads: int) -> None:
    """Of a run without positions: destination in rows, source in columns; the transpose is another number."""
    model = random_model("absolute-bare", layers=1, positions="none", kv_heads=kv_heads)
    tokens, kept = torch.arange(19)[None], Capture(lambda name: name == "0.scores")
    model(tokens, kept)
    for number in range(4):
        circuit = full_qk(model, HeadRef(0, number)).rows(tokens[0])
        scores = kept.kept["0.scores"][0, number]
        torch.testing.assert_close(circuit.tril(), scores.masked_fill(scores.isneginf(), 0.0), rtol=0, atol=1e-10)
        assert (circuit.T.tril() - circuit.tril()).abs().max() > 0.1


@pytest.mark.parametrize("kind", ["llama-like", "neox-like"])
@pytest.mark.parametrize("offset", [0, 1, 5])
def test_that_a_rotary_circuit_is_the_score_at_that_distance(kind: str, offset: int) -> None:
    plain = {"layers": 1, "norm": "none", "d_mlp": 0, "activation": "none", "mlp_bias": False}
    model, kept = random_model(kind, **plain), Capture(lambda name: name == "0.scores")
    query, key = 4, 9
    filler = [1] * 8
    filler[2 + offset], filler[2] = query, key if offset else query
    model(torch.tensor([filler]), kept)
    for number in range(4):
        circuit = full_qk(model, HeadRef(0, number), offset=offset)
        score = circuit.entries(torch.tensor([query]), torch.tensor([key if offset else query]))
        torch.testing.assert_close(score[0], kept.kept["0.scores"][0, number, 2 + offset, 2], rtol=0, atol=1e-10)
        if offset:  # neither the other way round nor at the other side
            backwards = circuit.entries(torch.tensor([key]), torch.tensor([query]))
            W_Q, W_K, _, _ = readers(model, HeadRef(0, number))
            mirrored = model.W_E[query] @ W_Q @ turned(model, offset).T @ W_K.T @ model.W_E[key] / 6**0.5
            assert (backwards - score).abs() > 1e-3
            assert (mirrored - score).abs() > 1e-3


@pytest.mark.parametrize(("kind", "offset"), [("llama-like", None), ("llama-like", -1), ("llama-like", 32)])
def test_that_a_rotary_model_needs_an_offset_within_its_context(kind: str, offset: int | None) -> None:
    model, head, first = random_model(kind), HeadRef(1, 0), HeadRef(0, 0)
    for ask in (
        lambda: full_qk(model, head, offset),
        lambda: k_composed_qk(model, head, first, offset),
        lambda: q_composed_qk(model, head, first, offset),
        lambda: matching_traces(model, torch.ones(8), offset),
    ):
        with pytest.raises(ValueError, match="give one from 0 to 31"):
            ask()


def test_that_other_models_have_no_offset() -> None:
    with pytest.raises(ValueError, match="positions are alibi"):
        full_qk(random_model("alibi-bare"), HeadRef(0, 0), offset=1)


@pytest.mark.parametrize("build", [k_composed_qk, q_composed_qk])
@pytest.mark.parametrize("writer", [HeadRef(1, 0), HeadRef(1, 2), HeadRef(2, 0)])
def test_that_heads_read_only_earlier_layers(build: type[Factored], writer: HeadRef) -> None:
    model = random_model(layers=3)
    with pytest.raises(ValueError, match=f"earlier layers wrote: 1.2 cannot read {writer}"):
        build(model, HeadRef(1, 2), writer)


FORMS = {
    "as built": lambda model: model.double(),
    "rebased": lambda model: change_of_basis(model.double(), seed=3),
    "rebased float32": lambda model: change_of_basis(model.double(), seed=3).float(),
}


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> tuple[Callable[[Transformer], Transformer], float]:
    """How to hold a hand-built model, and how near its numbers must then come."""
    return FORMS[request.param], 1e-4 if "float32" in request.param else 2e-6  # built in float32


Form = tuple[Callable[[Transformer], Transformer], float]
FIRST, SECOND = HeadRef(0, 0), HeadRef(1, 0)
EVERY = torch.arange(VOCABULARY)


def near(matrix: Tensor, expected: Tensor, tolerance: float) -> None:
    torch.testing.assert_close(matrix.double(), expected.double(), rtol=0, atol=tolerance)


def test_that_the_note_is_what_the_induction_head_matches(form: Form) -> None:  # V12
    prepare, tolerance = form
    model, identity = prepare(k_composition()), torch.eye(VOCABULARY)
    composed = k_composed_qk(model, SECOND, FIRST)
    near(composed.rows(EVERY), 25 * identity, tolerance)
    assert composed.eigenvalue_score() == pytest.approx(1.0, abs=tolerance)
    assert composed.diagonal_rates() == factored.DiagonalRates(1.0, 1.0, VOCABULARY)
    near(full_qk(model, SECOND).rows(EVERY), 0 * identity, tolerance)
    assert full_qk(model, SECOND).eigenvalue_score() is None
    near(q_composed_qk(model, SECOND, FIRST).rows(EVERY), 0 * identity, tolerance)
    assert q_composed_qk(model, SECOND, FIRST).eigenvalue_score() is None


def test_that_the_induction_head_copies_and_the_note_is_not_read(form: Form) -> None:
    prepare, tolerance = form
    model = prepare(k_composition())
    near(full_ov(model, SECOND).rows(EVERY), 12 * torch.eye(VOCABULARY), tolerance)
    assert full_ov(model, SECOND).eigenvalue_score() == pytest.approx(1.0, abs=tolerance)
    assert full_ov(model, SECOND).identity_cosine() == pytest.approx(1.0, abs=tolerance)
    silent = full_ov(model, FIRST)
    assert silent.rows(EVERY).count_nonzero() == 0
    assert (silent.eigenvalue_score(), silent.identity_cosine(), silent.diagonal_rates()) == (None, None, None)
    assert direct_path(model).eigenvalue_score() is None


def test_that_the_previous_token_head_shows_its_stripe_in_positions(form: Form) -> None:
    prepare, tolerance = form
    model, size = prepare(k_composition()), 32
    stripe = 25 * torch.eye(size).roll(-1, dims=1)  # row i, column i - 1
    stripe[0] = 0.0
    near(positional_qk(model, FIRST).rows(torch.arange(size)), stripe, tolerance)
    pattern = positional_pattern(model, FIRST)
    near(pattern.sum(-1), torch.ones(size), 1e-6)
    assert pattern.triu(1).count_nonzero() == 0
    expected = torch.tensor([math.exp(25) / (math.exp(25) + i) for i in range(1, size)])
    near(pattern.diagonal(-1), expected, tolerance)


def test_that_the_pointer_matches_by_its_query(form: Form) -> None:  # V12
    prepare, tolerance = form
    model = prepare(q_composition())
    # over tokens nothing composes: what 0.0 moves is a place, and 1.0 looks for the place after it
    for build in (q_composed_qk, k_composed_qk):
        near(build(model, SECOND, FIRST).rows(EVERY), torch.zeros(VOCABULARY, VOCABULARY), tolerance)
    weights, places = Weights(model), model.W_pos
    moved = places @ weights.head(FIRST).W_V @ weights.head(FIRST).W_O  # (P, d)
    _, keys = weights.position_reads(SECOND)
    scores = moved @ weights.head(SECOND).W_Q @ keys.T / model.config.d_head**0.5  # (P, P)
    near(scores, 25 * torch.eye(len(places)).roll(1, dims=1).triu(), tolerance)
    held = q_composed_qk(model, SECOND, FIRST, embedding=places)  # chosen rows: places instead of tokens
    near(held.rows(torch.arange(len(places))), scores, tolerance)
    near(k_composed_qk(model, SECOND, FIRST, embedding=places).rows(torch.arange(3)), 0 * scores[:3], tolerance)
    near(full_ov(model, SECOND).rows(EVERY), 12 * torch.eye(VOCABULARY), tolerance)


def test_that_positions_far_over_the_memory_budget_are_refused() -> None:
    model = random_model("absolute-bare", context=12_000)
    with pytest.raises(budget.TooLarge, match="12000 x 12000"):
        positional_pattern(model, HeadRef(0, 0))


@pytest.mark.parametrize("kind", KINDS)
def test_that_the_direct_path_is_embedding_times_unembedding(kind: str) -> None:
    model, view = random_model(kind), Weights(random_model(kind))
    torch.testing.assert_close(
        direct_path(model).rows(torch.arange(19)), view.embedding @ view.unembedding, rtol=0, atol=1e-10
    )


@pytest.mark.parametrize("kind", ["gpt2-like", "neox-like", "llama-like"])
def test_that_the_effective_embedding_is_the_token_after_the_first_mlp_alone(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "portion", lambda _each, total: min(total, 7))
    model = random_model(kind)
    effective = token_embedding(model, "effective")
    silent, kept = random_model(kind), Capture(lambda name: name == "0.resid_post")
    silent.layers[0].attention.W_O.zero_()
    if silent.config.output_bias:
        silent.layers[0].attention.b_O.zero_()
    if silent.config.positions == "absolute":
        silent.W_pos.zero_()
    silent(torch.arange(19)[None], kept)
    torch.testing.assert_close(effective, kept.kept["0.resid_post"][0], rtol=0, atol=1e-12)
    some = torch.tensor([7, 2])
    torch.testing.assert_close(token_embedding(model, "effective", some), effective[some], rtol=0, atol=1e-12)
    head = HeadRef(1, 2)
    circuit = full_ov(model, head, "effective")
    assert torch.equal(circuit.left, full_ov(model, head, effective).left)
    _, _, W_V, _ = readers(model, head)
    torch.testing.assert_close(circuit.left, effective @ W_V, rtol=0, atol=1e-10)
    assert (circuit.left - full_ov(model, head).left).abs().max() > 0.1


def test_that_attention_only_models_have_no_effective_embedding() -> None:
    with pytest.raises(ValueError, match="attention-only"):
        full_ov(random_model(), HeadRef(0, 0), "effective")


@pytest.mark.parametrize("kind", KINDS)
def test_that_the_weight_measure_is_the_trace_of_weighted_composition_circuits(kind: str) -> None:
    model, weights = random_model(kind, layers=3), torch.rand(12, generator=torch.Generator().manual_seed(1)).double()
    offset = 2 if model.config.positions == "rotary" else None
    traces = matching_traces(model, weights, offset)
    assert traces[:4] == [None] * 4
    for place, reader in enumerate(model.config.all_heads[4:], 4):
        expected = sum(
            float(weights[number]) * k_composed_qk(model, reader, writer, offset).trace() * 6**0.5
            for number, writer in enumerate(model.config.all_heads[: reader.layer * 4])
        )
        assert traces[place] == pytest.approx(expected, abs=1e-9)


def test_that_the_weight_measure_finds_the_built_induction_head() -> None:
    model = k_composition().double()
    expected = pytest.approx(25 * VOCABULARY * model.config.d_head**0.5)
    assert matching_traces(model, torch.tensor([1.0, 0.0])) == [None, expected]
    assert matching_traces(q_composition().double(), torch.tensor([1.0, 1.0])) == [None, pytest.approx(0.0)]
