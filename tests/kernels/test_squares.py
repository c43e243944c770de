"""Half the sum of all squares beside float64."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from mindformers.kernels.squares import HalfSquare


@pytest.mark.parametrize("shape", [(7,), (256,), (1122, 256), (2048, 2048), (1_000_003,), (3, 5, 64)])
def test_no_square_is_lost_however_many_there_are(shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(0)
    numbers = (generator.standard_normal(shape) * (generator.random(shape) < 0.3)).astype(np.float32)
    wanted = float(np.square(numbers.astype(np.float64)).sum()) / 2
    assert float(HalfSquare()(Tensor(numbers)).asnumpy()) == pytest.approx(wanted, rel=1e-6)


def test_half_precision_is_added_up_in_float32() -> None:
    numbers = np.full((100, 100), 100.0, np.float16)
    assert float(HalfSquare()(Tensor(numbers, ms.float16)).asnumpy()) == pytest.approx(5e7)
