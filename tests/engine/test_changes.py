"""Two prompts compared: which positions stand for one another, and how far a head moves its attention."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.circuits.scores.changes import Alignment, aligned, difference, moved


def random_patterns(length: int, seed: int) -> Tensor:
    """(3, T, T), rows that sum to one, nothing in the future"""
    scores = torch.randn(3, length, length, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    future = torch.ones(length, length, dtype=torch.bool).triu(1)
    return scores.masked_fill(future, -torch.inf).softmax(-1)


def test_that_prompts_of_one_length_are_aligned_position_by_position() -> None:
    places = aligned([0, 5, 6, 7, 5], [0, 9, 6, 8, 5])
    assert places.first == places.second == (0, 1, 2, 3, 4)
    assert places.start == 1


@pytest.mark.parametrize(
    ("first", "second", "pairs", "start"),
    [
        ([0, 1, 2, 3, 4], [0, 1, 8, 9, 3, 4], [(0, 0), (1, 1), (3, 4), (4, 5)], 2),
        ([0, 1, 1, 1], [0, 1, 1], [(0, 0), (1, 1), (2, 2)], 3),  # a beginning is never also an end
        ([0, 1, 2], [2], [(2, 0)], 0),
        ([1, 2], [3, 4, 5], [], 0),
    ],
)
def test_that_prompts_of_other_lengths_share_their_beginning_and_their_end(
    first: list[int], second: list[int], pairs: list[tuple[int, int]], start: int
) -> None:
    places = aligned(first, second)
    assert list(zip(places.first, places.second, strict=True)) == pairs
    assert places.start == start
    back = aligned(second, first)
    assert (back.first, back.second) == (places.second, places.first)


def test_that_the_same_prompt_twice_is_aligned_all_along() -> None:
    assert aligned([1, 2, 3], [1, 2, 3]) == Alignment((0, 1, 2), (0, 1, 2), 0)


def test_that_difference_and_distance_equal_their_definition_entry_by_entry() -> None:
    """Total variation over all sources of both prompts, those without a partner counted whole."""
    first_ids, second_ids = [0, 1, 2, 3, 4, 5], [0, 1, 8, 9, 7, 3, 4, 5]
    first, second = random_patterns(6, 1), random_patterns(8, 2)
    places = aligned(first_ids, second_ids)
    partner = dict(zip(places.first, places.second, strict=True))
    assert partner == {0: 0, 1: 1, 3: 5, 4: 6, 5: 7}
    for head in range(3):
        rows = []
        for i, j in partner.items():
            terms = [abs(first[head, i, a] - second[head, j, b]) for a, b in partner.items()]
            terms += [first[head, i, a] for a in range(6) if a not in partner]
            terms += [second[head, j, b] for b in range(8) if b not in partner.values()]
            if i >= 2:
                rows.append(float(sum(terms)) / 2)
        assert float(moved(first, second, places)[head]) == pytest.approx(np.mean(rows), abs=1e-12)
    found = difference(first, second, places)
    assert found[:, 2].isnan().all() and found[:, :, 2].isnan().all()
    assert torch.allclose(found[:, 4, 3], first[:, 4, 3] - second[:, 6, 5])


def test_that_a_head_that_looks_elsewhere_has_moved_by_one_and_one_that_does_not_by_none() -> None:
    here, there = torch.eye(4).roll(-1, 1).tril()[None], torch.eye(4)[None]
    here[0, 0, 0], here[0, 3] = 1.0, torch.tensor([1.0, 0.0, 0.0, 0.0])
    here[0, 1] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    here[0, 2] = torch.tensor([1.0, 0.0, 0.0, 0.0])
    places = aligned([0, 1, 2, 3], [0, 9, 2, 3])
    assert moved(here, there, places).tolist() == [1.0]
    assert moved(there, there, places).tolist() == [0.0]


def test_that_a_distance_without_a_row_is_undefined() -> None:
    places = aligned([1, 2], [3, 4, 5])
    assert moved(random_patterns(2, 1), random_patterns(3, 2), places).isnan().all()
