"""Weights in parts and together again, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mindformers.parallel.cuts import Cut
from mindformers.parallel.gradients import buckets_of
from mindformers.parallel.layout import Layout

ROWS = np.arange(12, dtype=np.float32).reshape(6, 2)


def test_rows_and_columns() -> None:
    assert Cut(0).part(ROWS, 1, 3).tolist() == [[4, 5], [6, 7]]
    assert Cut(1).part(ROWS, 1, 2).tolist() == [[1], [3], [5], [7], [9], [11]]


def test_every_part_has_its_share_of_each_expert() -> None:
    # three experts of two neurons
    assert Cut(0, 3).part(ROWS, 0, 2).tolist() == [[0, 1], [4, 5], [8, 9]]
    assert Cut(1, 3).part(ROWS.T.copy(), 1, 2).tolist() == [[2, 6, 10], [3, 7, 11]]


def test_what_the_parts_do_not_divide_is_filled_with_zeros() -> None:
    assert Cut(0).part(ROWS[:5], 2, 3).tolist() == [[8, 9], [0, 0]]
    assert Cut(0).part_shape((5, 2), 3) == (2, 2)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("cut", [Cut(0), Cut(1), Cut(0, 2), Cut(1, 2)])
def test_parts_are_the_whole_again(cut: Cut, count: int) -> None:
    length = 12 if cut.groups > 1 else 11
    whole = np.random.default_rng(0).standard_normal((length, length)).astype(np.float32)
    parts = [cut.part(whole, place, count) for place in range(count)]
    assert {part.shape for part in parts} == {cut.part_shape(whole.shape, count)}
    assert np.array_equal(cut.whole(parts, length), whole)


def test_a_layout_says_what_every_device_holds() -> None:
    layout = Layout(2, 2, True, {"w": Cut(0)}, {"w": (5, 3), "n": (3,)})
    again = Layout.from_text(layout.to_text())
    assert again == layout
    whole = np.arange(15, dtype=np.float32).reshape(5, 3)
    assert again.own("w", whole, 1, 0).tolist() == [[9, 10, 11], [12, 13, 14], [0, 0, 0]]
    assert again.own("adam_m.w", whole, 0, 1).tolist() == [5, 6, 7, 8, 0]
    stretches = [again.own("adam_v.n", whole[0], 1, copy) for copy in (0, 1)]
    assert [list(stretch) for stretch in stretches] == [[0, 1], [2, 0]]
    assert again.part_of_stretches("adam_v.n", stretches).tolist() == [0, 1, 2]
    assert [again.is_spread(name) for name in ("w", "n", "adam_m.w", "adam_m.n")] == [True, False, True, True]


def test_tensors_travel_in_buckets() -> None:
    assert buckets_of([3, 3, 3, 20, 1], most=8) == [[0, 1], [2], [3], [4]]
    assert buckets_of([]) == []
