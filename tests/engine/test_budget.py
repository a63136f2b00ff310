"""Memory is bounded by one number."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.circuits import budget


@pytest.fixture
def small() -> Iterator[None]:
    budget.set_limit(16)
    yield
    budget.set_limit(budget.DEFAULT_MEGABYTES)


@pytest.mark.usefixtures("small")
def test_that_work_is_cut_into_portions_that_fit() -> None:
    assert budget.portion(budget.MEGABYTE, 100) == 16
    assert budget.portion(budget.MEGABYTE, 5) == 5
    assert budget.portion(100 * budget.MEGABYTE, 5) == 1


@pytest.mark.usefixtures("small")
def test_that_what_does_not_fit_is_refused_with_its_size() -> None:
    budget.require(16 * budget.MEGABYTE, "a map")
    with pytest.raises(budget.TooLarge, match=r"every map at once needs 17 MB and the memory budget is 16 MB"):
        budget.require(16 * budget.MEGABYTE + 1, "every map at once")


def test_that_a_useless_budget_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        budget.set_limit(15)
