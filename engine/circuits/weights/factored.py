"""A product of two thin matrices that is never formed: how circuits over the vocabulary are kept and asked.

A circuit is left @ right with left (n, h) and right (h, m), n and m up to the vocabulary and h a head's dimension.
Everything that is said of it goes through rows, blocks or h x h products. Knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from engine.circuits import budget

NOTHING = 1e-6  # share of the largest possible product that float32 rounding alone can leave
COLUMNS = 1024  # of the circuit at a time where rows are searched
DOUBLE = torch.float64.itemsize


@dataclass(frozen=True)
class Extremes:
    """The k largest entries of n rows, largest first, and the k smallest, smallest first: (n, k) each."""

    largest: Tensor
    largest_columns: Tensor
    smallest: Tensor
    smallest_columns: Tensor


@dataclass(frozen=True)
class SingularDirections:
    """The strongest directions: values (k), unit vectors over the rows (n, k) and over the columns (m, k), float64.

    M is about left @ diag(values) @ right.T. Signs are those that make a column vector's largest entry positive.
    """

    values: Tensor
    left: Tensor
    right: Tensor


@dataclass(frozen=True)
class DiagonalRates:
    """How often a row is largest at its own column, or among the five largest; over `sources` rows."""

    top1: float
    top5: float
    sources: int


@dataclass(frozen=True)
class Factored:
    """The matrix left @ right, (n, m), of rank h at most; its memory is that of the factors, (n + m) h."""

    left: Tensor
    right: Tensor

    def __add__(self, other: Factored) -> Factored:
        """The sum, as OV circuits of heads with the same pattern add; QK circuits of different heads do not."""
        return Factored(torch.cat((self.left, other.left), dim=1), torch.cat((self.right, other.right)))

    @property
    def shape(self) -> tuple[int, int]:
        return self.left.shape[0], self.right.shape[1]

    def rows(self, rows: Tensor) -> Tensor:
        """(r) row numbers to (r, m). Raises TooLarge over the memory budget."""
        self._fits(len(rows), self.shape[1])
        return self.left[rows] @ self.right

    def block(self, rows: Tensor, columns: Tensor) -> Tensor:
        """(r) and (c) numbers to (r, c). Raises TooLarge over the memory budget."""
        self._fits(len(rows), len(columns))
        return self.left[rows] @ self.right[:, columns]

    def entries(self, rows: Tensor, columns: Tensor) -> Tensor:
        """(r) and (r) numbers to the entries (r) at those pairs."""
        return (self.left[rows] * self.right[:, columns].T).sum(-1)

    def extremes(self, rows: Tensor, count: int) -> Extremes:
        """The `count` largest and smallest columns of each row: what a head promotes and what it suppresses."""
        parts = rows.split(budget.portion(2 * self.shape[1] * self.left.itemsize, max(1, len(rows))))
        found = [ends(self.left[part] @ self.right, count) for part in parts]
        return Extremes(*(torch.cat([getattr(part, field.name) for part in found]) for field in fields(Extremes)))

    def trace(self) -> float:
        """Raises ValueError unless square."""
        self._square("trace")
        return float((self.left * self.right.T).sum(dtype=torch.float64))

    def norm(self) -> float:
        """Frobenius norm, through the triangles of both factors' QR in float64: their condition is not squared."""
        return float((_triangle(self.left) @ _triangle(self.right.T).T).norm())

    def is_zero(self) -> bool:
        """Whether there is nothing but what rounding can leave of the two factors' product."""
        return self.norm() <= NOTHING * self._size()

    def eigenvalues(self) -> Tensor:
        """The min(n, h) that need not be 0, complex128, largest magnitude first. Raises ValueError unless square.

        Those of left @ right are those of the h x h product right @ left, and zeros. Cost n h^2.
        """
        found = torch.linalg.eigvals(self._small())
        return found[found.abs().argsort(descending=True)]

    def eigenvalue_score(self) -> float | None:
        """Sum of the eigenvalues over the sum of their magnitudes; None where all are 0 (`eigenvalue_scores`)."""
        return eigenvalue_scores(self._small()[None], torch.tensor([self._size()]))[0]

    def identity_cosine(self) -> float | None:
        """Cosine between the circuit and the identity, tr M / (sqrt(n) ||M||); None for 0. See `identity_ceiling`."""
        trace, norm = self.trace(), self.norm()
        return trace / (self.shape[0] ** 0.5 * norm) if norm > NOTHING * self._size() else None

    @property
    def identity_ceiling(self) -> float:
        """The largest cosine to the identity that rank h leaves, sqrt(h/n): that of a projection."""
        return float(min(1.0, self.left.shape[1] / self.shape[0]) ** 0.5)

    def directions(self, count: int) -> SingularDirections:
        """The `count` strongest singular directions, fewer where the rank is lower. Memory of one factor in float64."""
        left, right = _triangle(self.left), _triangle(self.right.T)  # (h, h) where n, m >= h
        U, values, Vh = torch.linalg.svd(left @ right.T, full_matrices=False)
        count = min(count, int((values > NOTHING * self._size()).sum()))
        U, values, V = U[:, :count], values[:count], Vh[:count].T
        # the orthogonal factors are not needed: Q_left U = left (R_right^T V) / values, and the same the other way
        rows = self.left.double() @ (right.T @ V / values)  # (n, k)
        columns = self.right.T.double() @ (left.T @ U / values)  # (m, k)
        sign = columns.gather(0, columns.abs().argmax(0, keepdim=True)).sign() if count else 1.0  # (1, k)
        return SingularDirections(values, rows * sign, columns * sign)

    def diagonal_ranks(self, sources: Tensor, most: int) -> Tensor:
        """How many other columns reach each source row's diagonal entry, counted to `most`; (n). See below."""
        self._square("diagonal")
        own = self.entries(sources, sources)  # (n)
        return diagonal_ranks(self.left[sources], (self.right,), sources, own, most)

    def diagonal_rates(self, sources: Tensor | None = None) -> DiagonalRates | None:
        """Top-1 and top-5 rates of the diagonal over `sources`, every row unless told; None for 0. Ties count against.

        Raises ValueError unless square.
        """
        self._square("diagonal")
        sources = torch.arange(self.shape[0]) if sources is None else sources
        return None if self.is_zero() else rates_of(self.diagonal_ranks(sources, most=5))

    def _small(self) -> Tensor:
        """The smaller of right @ left (h, h) and left @ right (n, n), float64, summed over portions of the rows."""
        self._square("eigenvalues")
        n, h = self.left.shape
        if n < h:
            return self.left.double() @ self.right.double()
        size, total = budget.portion(2 * h * DOUBLE, n), torch.zeros(h, h, dtype=torch.float64)
        for columns, rows in zip(self.right.split(size, dim=1), self.left.split(size), strict=True):
            total += columns.double() @ rows.double()
        return total

    def _size(self) -> float:
        """The largest norm that a product of factors as large as these can have."""
        return float(self.left.norm()) * float(self.right.norm())

    def _square(self, what: str) -> None:
        n, m = self.shape
        if n != m:
            raise ValueError(f"only a square circuit has a {what}: this one has {n} rows and {m} columns")

    def _fits(self, rows: int, columns: int) -> None:
        size = rows * columns * self.left.itemsize
        budget.require(size, f"a block of {rows} x {columns} of a circuit (ask for fewer rows)")


def product(a: Tensor, b: Tensor) -> Tensor:
    """a @ b, exactly 0 where rounding alone could have left what there is: what reads nothing must say so.

    Without this, a head that reads nothing a token writes would have the eigenvalues of its rounding errors.
    """
    result = a @ b
    return torch.zeros_like(result) if result.norm() <= NOTHING * a.norm() * b.norm() else result


def ends(rows: Tensor, count: int) -> Extremes:
    """The extremes of rows (n, m) that are at hand; of `directions(...).left.T`, a direction's strongest tokens."""
    count = min(count, rows.shape[1])
    return Extremes(*rows.topk(count), *rows.topk(count, largest=False))


def eigenvalue_scores(products: Tensor, sizes: Tensor) -> list[float | None]:
    """Sum of the eigenvalues over the sum of their magnitudes, for square matrices (N, h, h): 1 copies, -1 anti-copies.

    None where every eigenvalue is 0, the matrix is as good as 0 beside `sizes` (N), the norms its factors allow, or not
    finite, which eigenvalue routines answer with complaints on the terminal.
    Positive means copying on average, it is no proof (Elhage et al. 2021, "Summarizing OV/QK matrices").
    """
    finite = products.isfinite().all(-1).all(-1)  # (N)
    usable = products.double().where(finite[:, None, None], 0.0)  # (N, h, h)
    eigenvalues = torch.linalg.eigvals(usable)  # (N, h) complex; pairs cancel their imaginary parts
    magnitudes = eigenvalues.abs().sum(-1)  # (N)
    defined = finite & (products.norm(dim=(-2, -1)) > NOTHING * sizes) & (magnitudes > 0)
    scores = (eigenvalues.real.sum(-1) / magnitudes).tolist()
    return [score if known else None for score, known in zip(scores, defined.tolist(), strict=True)]


def diagonal_ranks(rows: Tensor, chain: Sequence[Tensor], sources: Tensor, own: Tensor, most: int) -> Tensor:
    """How many other columns are as large as the diagonal entry or larger, counted no further than `most`; (n) int64.

    rows (n, a) are the rows `sources` of a square circuit's left factor, `own` (n) their diagonal entries. The
    matrices of `chain`, (a, b) ... (y, m), are its right factor, multiplied in the cheapest order and only as far as
    rows are still in the race: most rows of most circuits are out after the first columns. Memory n x 1,024.
    """
    *inner, last = chain
    ranks = torch.zeros(len(sources), dtype=torch.int64)
    width = min(COLUMNS, budget.portion(2 * len(sources) * rows.itemsize, last.shape[1]))
    for start in range(0, last.shape[1], width):
        racing = (ranks < most).nonzero()[:, 0]  # (r)
        if not len(racing):
            break
        block = torch.linalg.multi_dot([rows[racing], *inner, last[:, start : start + width]])  # (r, width)
        places = sources[racing] - start
        at_home = ((places >= 0) & (places < block.shape[1])).nonzero()[:, 0]
        block[at_home, places[at_home]] = -torch.inf  # the diagonal itself is no rival
        ranks[racing] += (block >= own[racing, None]).sum(1)
    return ranks.clamp(max=most)


def rates_of(ranks: Tensor) -> DiagonalRates:
    """Ranks counted to five at least, (n), as rates."""
    return DiagonalRates(float((ranks < 1).double().mean()), float((ranks < 5).double().mean()), len(ranks))


def _triangle(tall: Tensor) -> Tensor:
    """(n, h) to the triangle of its QR, (min(n, h), h) float64, a portion of the rows at a time."""
    h = tall.shape[1]
    triangle = tall.new_zeros(0, h, dtype=torch.float64)
    for part in tall.split(budget.portion(4 * h * DOUBLE, max(1, len(tall)))):
        triangle = torch.linalg.qr(torch.cat((triangle, part.double())), mode="r").R
    return triangle
