"""Balanced assignment is exact: against results worked by hand and against all assignments there are."""

from itertools import permutations

import numpy as np
import pytest

from mindformers.experts.balance import _even_out, assign_balanced
from mindformers.tools.errors import InputError
from tests.experts.synthetic import is_balanced


def total(scores: np.ndarray, labels: np.ndarray) -> float:
    return float(scores[np.arange(len(scores)), labels].sum())


def test_those_who_gain_most_stay() -> None:
    # All but the last prefer expert 0, by 1, 5 and 2; two of them fit.
    scores = np.array([[5, 4], [5, 0], [2, 0], [3, 3]])
    assert assign_balanced(scores).tolist() == [1, 0, 0, 1]


def test_neurons_make_room_along_a_chain() -> None:
    # The direct way from expert 0 to the free expert 2 costs 10; by way of expert 1 it costs 1 + 1.
    scores = np.array([[10.0, 9, 0], [10, -5, -5], [0, 10, 9]])
    labels = np.array([0, 0, 1])
    _even_out(scores, labels, size=1, rounding=1e-9)
    assert labels.tolist() == assign_balanced(scores).tolist() == [1, 0, 2]


@pytest.mark.parametrize("seed", range(20))
def test_no_assignment_is_better(seed: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=(6, 3)) if seed % 2 else generator.integers(0, 3, (6, 3)).astype(float)
    scores += generator.normal(size=3) * 3
    best = max(total(scores, np.array(labels)) for labels in set(permutations((0, 0, 1, 1, 2, 2))))
    assert total(scores, assign_balanced(scores)) == pytest.approx(best, abs=1e-8)


@pytest.mark.parametrize("seed", range(40))
def test_the_balance_is_exact(seed: int) -> None:
    generator = np.random.default_rng(seed)
    num_experts, size = generator.integers(1, 20, 2)
    scores = generator.standard_t(1.5, (num_experts * size, num_experts)) + 10 * generator.normal(size=num_experts)
    assert is_balanced(assign_balanced(scores.astype(np.float32)), num_experts)


@pytest.mark.parametrize(
    "scores", [np.zeros((640, 16)), np.tile(np.arange(16.0), (640, 1)), np.eye(4)[np.zeros(64, int)]]
)
def test_equal_neurons_are_shared_out(scores: np.ndarray) -> None:
    assert is_balanced(assign_balanced(scores), scores.shape[1])


def test_prices_carry_over() -> None:
    scores = np.random.default_rng(0).normal(size=(64, 4)) + np.arange(4)
    prices = np.zeros(4)
    first = assign_balanced(scores, prices)
    assert prices.any()
    assert np.array_equal(assign_balanced(scores, prices), first)


def test_an_uneven_split_is_refused() -> None:
    with pytest.raises(InputError, match="10 neurons do not split into 3 equal experts"):
        assign_balanced(np.zeros((10, 3)))
