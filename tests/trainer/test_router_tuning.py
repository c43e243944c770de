"""What an expert counts by while routers are tuned."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor

from mindformers.trainer.router_tuning import Clearance


def clearance(sums: list[list[float]], k: list[int]) -> np.ndarray:
    counts = Tensor(np.array(k, np.int32)[:, None])
    return Clearance(len(sums[0]))(Tensor(np.array(sums, np.float32)), counts).asnumpy()


def test_an_expert_counts_by_its_distance_from_the_limit() -> None:
    sums = [[9.0, 1.0, -2.0, 3.0], [9.0, 1.0, -2.0, 3.0]]
    # The limits are 6 and 2; the distances 3 5 8 3 and 7 1 4 1 have the means 4.75 and 3.25.
    expected = np.array([[3, 5, 8, 3], [7, 1, 4, 1]]) / [[4.75], [3.25]]
    np.testing.assert_allclose(clearance(sums, [1, 2]), expected, rtol=1e-6)


def test_where_all_experts_are_chosen_or_alike_there_is_nothing_to_learn() -> None:
    assert not clearance([[9.0, 1.0, 4.0]], [3]).any()
    assert not clearance([[2.0, 2.0, 2.0]], [1]).any()
