"""Which elements are dropped follows from the key alone, evenly and independently."""

from __future__ import annotations

import numpy as np
import pytest
from mindspore import Tensor, ops

from mindformers.pet.dropout import KeyedDropout, new_key, random_columns, step_key

ROWS, WIDTH, SHARE = 600, 256, 0.1


class Draws(KeyedDropout):
    """The numbers behind the decision."""

    def construct(self, x: Tensor) -> Tensor:
        return self.draws(x.shape[0])


@pytest.fixture(scope="module")
def cell() -> KeyedDropout:
    return KeyedDropout(SHARE, new_key(), random_columns(WIDTH, 5, "wq"))


def dropped(cell: KeyedDropout, *numbers: int) -> np.ndarray:
    ops.assign(cell.key, Tensor(step_key(*numbers)))
    return cell(Tensor(np.ones((ROWS, WIDTH), np.float32))).asnumpy() == 0


def test_the_arithmetic_is_that_of_the_docstring() -> None:
    cell, key = Draws(SHARE, new_key(), random_columns(WIDTH, 5, "wq")), step_key(1, 2)
    ops.assign(cell.key, Tensor(key))
    x = (np.arange(ROWS, dtype=np.uint64) * 0x9E3779B1 + int(key[0]) % 2**32) % 2**32
    for _ in range(3):
        x = x * (2 * x + 1) % 2**32
    expected = (2 * x + 1) % 2**32 * (cell.columns.asnumpy().astype(np.int64) % 2**32).astype(np.uint64)[:, None]
    found = cell(Tensor(np.zeros((ROWS, WIDTH), np.float32))).asnumpy().view(np.uint32)
    np.testing.assert_array_equal(found.T, (expected % 2**32).astype(np.uint32))


def test_a_step_has_the_same_draws_whenever_it_comes(cell: KeyedDropout) -> None:
    first, other = dropped(cell, 7, 1), dropped(cell, 7, 2)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(dropped(cell, 7, 1), first)


def test_the_share_is_kept_in_every_row_and_column_and_steps_are_apart(cell: KeyedDropout) -> None:
    first, other = dropped(cell, 7, 1), dropped(cell, 7, 2)
    assert first.mean() == pytest.approx(SHARE, abs=4 * np.sqrt(SHARE / first.size))
    for axis in (0, 1):
        spread = np.sqrt(SHARE * (1 - SHARE) / first.shape[axis])
        assert first.mean(axis).std() == pytest.approx(spread, rel=0.2)
    assert (first & other).mean() == pytest.approx(SHARE**2, rel=0.1)


@pytest.mark.parametrize("axis", [0, 1])
def test_two_rows_or_columns_are_independent(cell: KeyedDropout, axis: int) -> None:
    lines = dropped(cell, 7, 3).astype(np.float64)
    lines = lines if axis else lines.T
    related = np.corrcoef(lines) - np.eye(len(lines))
    expected = 1 / np.sqrt(lines.shape[1])
    assert related.std() == pytest.approx(expected, rel=0.05)
    assert np.abs(related.mean()) < 0.1 * expected
