"""The literal matcher counts what followed, and prefers the latest of equals."""

from __future__ import annotations

from engine.circuits.scores.matcher import followed


def test_that_the_most_frequent_follower_wins() -> None:
    ids = [0, 5, 7, 5, 8, 5, 7, 9, 5]
    assert followed(ids) == [(7, (2, 6)), (8, (4,))]


def test_that_of_equals_the_latest_wins() -> None:
    assert [number for number, _ in followed([5, 7, 5, 8, 5])] == [8, 7]


def test_that_a_token_may_follow_itself() -> None:
    assert followed([5, 5, 5]) == [(5, (1, 2))]


def test_that_nothing_is_guessed_for_a_new_token_for_bos_and_for_no_prompt() -> None:
    assert followed([0, 5, 6]) == []
    assert followed([]) == []
    assert followed([0, 5, 0], bos=0) == []
    assert followed([0, 5, 0]) == [(5, (1,))]
