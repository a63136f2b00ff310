"""What is said of a product that is never formed, against the product formed in full."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from engine.circuits import budget
from engine.circuits.weights import factored
from engine.circuits.weights.factored import Factored, eigenvalue_scores, product
from tests.engine.change_of_basis import invertible, orthogonal


def drawn(n: int, h: int, m: int, seed: int = 0) -> Factored:
    generator = torch.Generator().manual_seed(seed)
    left, right = torch.randn(n, h, generator=generator), torch.randn(h, m, generator=generator)
    return Factored(left.double(), right.double())


def dense(circuit: Factored) -> Tensor:
    return circuit.left @ circuit.right


@pytest.fixture
def in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything in several portions, whatever the budget."""
    monkeypatch.setattr(budget, "portion", lambda _each, total: min(total, 7))
    monkeypatch.setattr(factored, "COLUMNS", 5)


PORTIONS = pytest.mark.usefixtures("in_portions")
SHAPES = [(40, 6, 40), (40, 6, 23), (9, 6, 40), (5, 8, 5), (30, 1, 30)]  # also narrower than h


@PORTIONS
@pytest.mark.parametrize(("n", "h", "m"), SHAPES)
def test_that_rows_blocks_and_entries_are_those_of_the_full_matrix(n: int, h: int, m: int) -> None:
    circuit = drawn(n, h, m)
    full, rows, columns = dense(circuit), torch.tensor([4, 0, 4]), torch.tensor([2, 1, 4])
    torch.testing.assert_close(circuit.rows(rows), full[rows], rtol=0, atol=1e-12)
    torch.testing.assert_close(circuit.block(rows, columns[:2]), full[rows][:, columns[:2]], rtol=0, atol=1e-12)
    torch.testing.assert_close(circuit.entries(rows, columns), full[rows, columns], rtol=0, atol=1e-12)
    assert circuit.shape == (n, m)


@PORTIONS
def test_that_extremes_are_the_ends_of_the_sorted_rows() -> None:
    circuit, rows = drawn(30, 4, 50), torch.arange(29, 9, -1)  # three portions
    ends, (ascending, order) = circuit.extremes(rows, 3), dense(circuit)[rows].sort(-1)
    torch.testing.assert_close(ends.largest, ascending.flip(-1)[:, :3], rtol=0, atol=1e-12)
    torch.testing.assert_close(ends.smallest, ascending[:, :3], rtol=0, atol=1e-12)
    assert torch.equal(ends.largest_columns, order.flip(-1)[:, :3])
    assert torch.equal(ends.smallest_columns, order[:, :3])
    assert circuit.extremes(rows, 99).largest.shape == (20, 50)


@PORTIONS
@pytest.mark.parametrize(("n", "h", "m"), SHAPES)
def test_that_norm_and_singular_directions_are_those_of_the_full_matrix(n: int, h: int, m: int) -> None:
    circuit = drawn(n, h, m)
    full = dense(circuit)
    assert circuit.norm() == pytest.approx(float(full.norm()), abs=1e-10)
    found, values = circuit.directions(3), torch.linalg.svdvals(full)
    count = min(3, n, h, m)
    torch.testing.assert_close(found.values, values[:count], rtol=0, atol=1e-10)
    torch.testing.assert_close(full @ found.right, found.left * found.values, rtol=0, atol=1e-10)
    torch.testing.assert_close(full.T @ found.left, found.right * found.values, rtol=0, atol=1e-10)
    for vectors in (found.left, found.right):
        torch.testing.assert_close(vectors.T @ vectors, torch.eye(count).double(), rtol=0, atol=1e-10)
    largest = found.right.gather(0, found.right.abs().argmax(0, keepdim=True))
    assert (largest > 0).all()
    whole = circuit.directions(h)
    torch.testing.assert_close(whole.left * whole.values @ whole.right.T, full, rtol=0, atol=1e-9)


def test_that_a_lower_rank_has_fewer_directions() -> None:
    circuit = drawn(30, 6, 30)
    twice = Factored(circuit.left[:, [0, 1, 0, 1, 0, 1]], circuit.right)  # rank 2
    assert len(twice.directions(6).values) == 2
    nothing = Factored(torch.zeros(30, 6), torch.ones(6, 30)).directions(2)
    assert nothing.left.shape == (30, 0)
    assert nothing.right.shape == (30, 0)


def test_that_the_norm_keeps_what_a_gram_matrix_would_lose() -> None:
    """Two parts of the factors cancel but for 1e-9: squares of that are below the rounding of squares of 1."""
    column = torch.randn(50, 1, generator=torch.Generator().manual_seed(0)).double()
    left = torch.cat((column, column), dim=1)
    right = torch.cat((column.T, -column.T * (1 - 1e-9)))
    circuit = Factored(left, right)
    expected = 1e-9 * float(column.norm()) ** 2
    assert circuit.norm() == pytest.approx(expected, rel=1e-5)
    grams = ((left.T @ left) * (right @ right.T).T).sum()
    assert abs(float(grams.clamp(min=0).sqrt()) - expected) > 0.1 * expected


def test_that_a_direction_names_the_tokens_it_moves() -> None:
    left, right = torch.zeros(30, 2), torch.zeros(2, 30)
    left[[3, 8], 0], left[11, 1] = torch.tensor([5.0, -4.0]), 1.0  # 3 raises token 7, 8 lowers it
    right[0, 7], right[1, 2] = 2.0, 1.0
    found = Factored(left, right).directions(1)
    assert factored.ends(found.right.T, 1).largest_columns.tolist() == [[7]]
    assert factored.ends(found.left.T, 1).largest_columns.tolist() == [[3]]
    assert factored.ends(found.left.T, 1).smallest_columns.tolist() == [[8]]


@PORTIONS
@pytest.mark.parametrize(("n", "h"), [(40, 6), (5, 8), (30, 1)])
def test_that_trace_and_eigenvalues_are_those_of_the_full_matrix(n: int, h: int) -> None:  # V17
    circuit = drawn(n, h, n, seed=5)
    full = dense(circuit)
    assert circuit.trace() == pytest.approx(float(full.trace()), abs=1e-10)
    eigenvalues = torch.linalg.eigvals(full)
    largest = eigenvalues[eigenvalues.abs().argsort(descending=True)][: min(n, h)]
    found = circuit.eigenvalues()
    torch.testing.assert_close(found.abs(), largest.abs(), rtol=0, atol=1e-8)
    torch.testing.assert_close(found.sum(), largest.sum(), rtol=0, atol=1e-8)
    expected = float(eigenvalues.real.sum() / eigenvalues.abs().sum())
    assert circuit.eigenvalue_score() == pytest.approx(expected, abs=1e-8)


def test_that_eigenvalues_do_not_depend_on_how_a_product_is_cut() -> None:
    circuit = drawn(40, 6, 40)
    M = invertible(6, torch.Generator().manual_seed(0))
    other = Factored(circuit.left @ M, M.inverse() @ circuit.right)
    assert other.eigenvalue_score() == pytest.approx(circuit.eigenvalue_score(), abs=1e-9)
    assert other.norm() == pytest.approx(circuit.norm(), abs=1e-9)


def test_that_the_identity_scores_one_and_nothing_is_undefined() -> None:  # V17
    identity = torch.eye(32).double()
    assert Factored(identity, identity).eigenvalue_score() == pytest.approx(1.0)
    assert Factored(identity, -identity).eigenvalue_score() == pytest.approx(-1.0)
    zero = Factored(identity, 0 * identity)
    assert zero.is_zero()
    assert zero.eigenvalue_score() is None
    assert zero.identity_cosine() is None
    assert zero.diagonal_rates() is None


def test_that_random_circuits_score_about_nothing() -> None:  # V17
    found = [drawn(96, 64, 96, seed).eigenvalue_score() for seed in range(100)]
    values = torch.tensor([score for score in found if score is not None])
    assert len(values) == 100
    assert values.abs().max() < 0.2
    assert values.mean().abs() < 0.02


def test_that_rounding_is_not_taken_for_a_circuit() -> None:
    """What one matrix writes the other cannot read, but in float32 and another basis a little is left."""
    turn = orthogonal(24, torch.Generator().manual_seed(0))
    writes = (torch.eye(6, 24).double() @ turn).float()
    reads = (turn.T @ torch.cat((torch.zeros(6, 40), torch.eye(18, 40))).double()).float()
    assert 0 < float((writes @ reads).norm()) < 1e-5
    assert product(writes, reads).count_nonzero() == 0
    torch.testing.assert_close(product(writes, reads + 0.01), writes @ (reads + 0.01))


def test_that_the_cosine_to_the_identity_meets_its_ceiling_for_a_projection_only() -> None:
    for n, h in ((48, 12), (30, 1), (8, 8)):
        basis = orthogonal(n, torch.Generator().manual_seed(n))[:, :h]
        flat = Factored(3 * basis, basis.T)
        assert flat.identity_ceiling == pytest.approx(math.sqrt(h / n))
        assert flat.identity_cosine() == pytest.approx(flat.identity_ceiling, abs=1e-12)
        assert Factored(-basis, basis.T).identity_cosine() == pytest.approx(-flat.identity_ceiling, abs=1e-12)
        if h > 1:  # the same subspace, read unevenly
            uneven = Factored(basis * torch.linspace(1, 3, h).double(), basis.T).identity_cosine()
            assert uneven is not None
            assert uneven < flat.identity_ceiling - 1e-3


@pytest.mark.parametrize("seed", range(20))
def test_that_no_circuit_is_nearer_to_the_identity_than_its_ceiling(seed: int) -> None:
    circuit = drawn(20, 1 + seed % 7, 20, seed)
    near = Factored(circuit.left, circuit.left.T + 0.1 * circuit.right)
    for one in (circuit, near):
        cosine = one.identity_cosine()
        assert cosine is not None
        assert abs(cosine) <= one.identity_ceiling + 1e-12
        full = dense(one)
        assert cosine == pytest.approx(float(full.trace() / (math.sqrt(20) * full.norm())), abs=1e-12)
    assert Factored(torch.eye(5, 8), torch.eye(8, 5)).identity_ceiling == 1.0  # no rank is left out


def full_ranks(circuit: Factored) -> Tensor:
    full = dense(circuit)
    return (full >= full.diagonal()[:, None]).sum(1) - 1


@PORTIONS
@pytest.mark.parametrize("nearness", [0.0, 0.3, 3.0])
def test_that_diagonal_ranks_and_rates_are_those_of_the_full_matrix(nearness: float) -> None:
    circuit = drawn(60, 12, 60)
    circuit = Factored(circuit.left, nearness * circuit.left.T + circuit.right)
    ranks = full_ranks(circuit)
    assert torch.equal(circuit.diagonal_ranks(torch.arange(60), most=60), ranks)
    assert torch.equal(circuit.diagonal_ranks(torch.arange(60), most=5), ranks.clamp(max=5))
    some = torch.tensor([3, 59, 17, 20])
    assert torch.equal(circuit.diagonal_ranks(some, most=60), ranks[some])
    for sources in (None, some):
        rates, counted = circuit.diagonal_rates(sources), ranks if sources is None else ranks[sources]
        assert rates is not None
        assert rates.top1 == pytest.approx(float((counted < 1).double().mean()))
        assert rates.top5 == pytest.approx(float((counted < 5).double().mean()))
        assert rates.sources == len(counted)


def test_that_ties_count_against_the_diagonal() -> None:
    ones = Factored(torch.ones(9, 1), torch.ones(1, 9))
    assert ones.diagonal_ranks(torch.arange(9), most=99).tolist() == [8] * 9
    assert ones.diagonal_rates() == factored.DiagonalRates(0.0, 0.0, 9)


def test_that_circuits_add_by_their_factors() -> None:
    one, two = drawn(20, 3, 25, seed=0), drawn(20, 5, 25, seed=1)
    both = one + two
    torch.testing.assert_close(dense(both), dense(one) + dense(two), rtol=0, atol=1e-12)
    assert both.left.shape == (20, 8)


def test_that_two_heads_together_copy_what_neither_copies_alone() -> None:
    eye = torch.eye(10).double()
    halves = [Factored(eye[:, part], eye[part]) for part in (slice(0, 5), slice(5, 10))]
    rates = [circuit.diagonal_rates() for circuit in (*halves, halves[0] + halves[1])]
    assert [rate.top1 for rate in rates if rate is not None] == [0.5, 0.5, 1.0]


SQUARE_ONLY = [
    Factored.trace,
    Factored.eigenvalues,
    Factored.eigenvalue_score,
    Factored.identity_cosine,
    Factored.diagonal_rates,
]


@pytest.mark.parametrize("ask", SQUARE_ONLY)
def test_that_only_square_circuits_are_compared_with_themselves(ask: object) -> None:
    assert callable(ask)
    with pytest.raises(ValueError, match="20 rows and 25 columns"):
        ask(drawn(20, 3, 25))


def test_that_more_than_the_memory_budget_is_refused_not_formed() -> None:
    wide = Factored(torch.zeros(1, 1), torch.zeros(1, 1).expand(1, 200_000))
    with pytest.raises(budget.TooLarge, match="ask for fewer rows"):
        wide.rows(torch.zeros(1000, dtype=torch.int64))
    with pytest.raises(budget.TooLarge, match="1000 x 199999"):
        wide.block(torch.zeros(1000, dtype=torch.int64), torch.arange(199_999))


def test_that_every_answer_is_the_same_on_float32() -> None:
    exact = drawn(40, 6, 40)
    exact = Factored(exact.left.float().double(), exact.right.float().double())
    single = Factored(exact.left.float(), exact.right.float())
    for ask in (Factored.trace, Factored.norm, Factored.eigenvalue_score, Factored.identity_cosine):
        assert ask(single) == pytest.approx(ask(exact), abs=1e-5)
    pairs = itertools.product((exact, single), repeat=2)
    assert all(a.diagonal_rates() == b.diagonal_rates() for a, b in pairs)


def test_that_a_circuit_that_overflows_has_no_score_and_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    good = torch.eye(3, dtype=torch.float64)
    scores = eigenvalue_scores(torch.stack((good, good * torch.inf, good * torch.nan)), torch.ones(3))
    assert scores == [1.0, None, None]
    assert capfd.readouterr() == ("", "")
