"""Exactly k experts, the ones with the highest signed sums."""

import numpy as np

from mindformers.experts.routing import choose_experts, expert_sums


def test_sums_are_signed() -> None:
    values = np.array([[1.0, -5, 2, 3]])
    assert expert_sums(values, np.array([0, 0, 1, 1]), 2).tolist() == [[-4, 5]]


def test_each_token_keeps_its_own_count() -> None:
    scores = np.array([[0.1, 3, -1, 2], [5, 6, 7, 8], [1, 0, 0, 0]])
    found = choose_experts(scores, np.array([2, 1, 4]))
    assert found.astype(int).tolist() == [[0, 1, 0, 1], [0, 0, 0, 1], [1, 1, 1, 1]]


def test_the_lower_number_wins_a_tie() -> None:
    assert choose_experts(np.array([[1.0, 2, 1, 1]]), 2).tolist() == [[True, True, False, False]]
    assert choose_experts(np.zeros((3, 5)), 3).sum(axis=1).tolist() == [3, 3, 3]


def test_ties_among_many_experts() -> None:
    found = choose_experts(np.tile([0.0, 1.0], (2, 64)), 80)
    assert found[0].nonzero()[0].tolist() == sorted([*range(1, 128, 2), *range(0, 32, 2)])
