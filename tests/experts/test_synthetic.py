"""The measure that the other tests trust."""

import numpy as np
import pytest

from tests.experts.synthetic import adjusted_rand_index


def test_the_index_is_as_worked_by_hand() -> None:
    pairs = np.array([0, 0, 1, 1])
    assert adjusted_rand_index(pairs, 1 - pairs) == pytest.approx(1)
    # No pair together in both; 2 and 2 pairs of 6 in each: chance 2/3, most 2.
    assert adjusted_rand_index(pairs, np.array([0, 1, 0, 1])) == pytest.approx(-0.5)


def test_the_index_is_near_zero_by_chance() -> None:
    generator = np.random.default_rng(0)
    assert abs(adjusted_rand_index(generator.integers(0, 8, 4000), generator.integers(0, 8, 4000))) < 0.01
