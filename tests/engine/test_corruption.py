"""Corrupt prompts take out what induction needs and leave the rest."""

from __future__ import annotations

import pytest
import torch

from engine.circuits.patching.corruption import differing, fresh_at, fresh_first_copy, single_note
from engine.circuits.scores.probes import random_repeat

ORDINARY = range(1, 40)
L = 6
REPEATS = random_repeat(ORDINARY, L, samples=4, seed=0, bos=0)  # (4, 13)


def test_that_a_fresh_first_copy_leaves_the_targets_and_repeats_nothing() -> None:
    corrupt = fresh_first_copy(REPEATS, L, ORDINARY, seed=3)
    assert torch.equal(corrupt[:, [0, *range(L + 1, 2 * L + 1)]], REPEATS[:, [0, *range(L + 1, 2 * L + 1)]])
    for row, clean in zip(corrupt.tolist(), REPEATS.tolist(), strict=True):
        assert len(set(row)) == 2 * L + 1
        assert not set(row[1 : L + 1]) & set(clean)
        assert set(row[1:]) <= set(ORDINARY)


def test_that_without_bos_the_first_copy_starts_at_once() -> None:
    corrupt = fresh_first_copy(REPEATS[:, 1:], L, ORDINARY, seed=3)
    assert differing(REPEATS[:, 1:], corrupt).tolist() == [[True] * L + [False] * L] * 4


def test_that_a_single_note_changes_only_the_token_before_the_source() -> None:
    source = 4
    corrupt = single_note(REPEATS, source, ORDINARY, seed=3)
    assert differing(REPEATS, corrupt).nonzero().tolist() == [[row, source - 1] for row in range(4)]
    assert not (corrupt[:, source - 1, None] == REPEATS).any()


def test_that_the_seed_alone_decides_and_row_0_does_not_depend_on_the_others() -> None:
    once = fresh_first_copy(REPEATS, L, ORDINARY, seed=3)
    assert torch.equal(once, fresh_first_copy(REPEATS, L, ORDINARY, seed=3))
    assert torch.equal(once[:1], fresh_first_copy(REPEATS[:1], L, ORDINARY, seed=3))
    assert not torch.equal(once, fresh_first_copy(REPEATS, L, ORDINARY, seed=4))


def test_that_a_vocabulary_without_fresh_tokens_is_one_clear_line() -> None:
    with pytest.raises(ValueError, match=r"^6 fresh tokens are needed and this model has 5: repeat fewer$"):
        fresh_first_copy(REPEATS[:1], L, sorted({*REPEATS[0].tolist()[1:], *range(50, 55)}), seed=0)


@pytest.mark.parametrize(("source", "reason"), [(0, "from 1 on"), (13, "from 1 on"), (1, "special")])
def test_that_a_note_that_cannot_be_replaced_is_refused(source: int, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        single_note(REPEATS, source, ORDINARY, seed=0)


def test_that_prompts_of_different_length_do_not_align() -> None:
    with pytest.raises(ValueError, match=r"^the prompts have 12 and 13 tokens: "):
        differing(REPEATS[:, 1:], REPEATS)
    with pytest.raises(ValueError, match=r"^1 clean prompts and 4 corrupt ones"):
        differing(REPEATS[:1], REPEATS)


def test_that_one_fresh_token_takes_all_the_places_and_another_in_every_row() -> None:
    tokens = torch.tensor([[0, 1, 2, 1, 3, 1]]).repeat(4, 1)
    corrupt = fresh_at(tokens, (1, 3), range(1, 40), seed=5)
    assert (corrupt[:, 1] == corrupt[:, 3]).all()
    assert not {*corrupt[:, 1].tolist()} & {1, 2, 3}
    assert len({*corrupt[:, 1].tolist()}) > 1
    assert (corrupt[:, [0, 2, 4, 5]] == tokens[:, [0, 2, 4, 5]]).all()
