"""Grouped products give what the masked form gives; the device's own product is held by its plain twin."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from mindformers.kernels.grouped import GroupedSwiGLU, PlainGroupedProduct
from mindformers.kernels.reference import MaskedSwiGLU

E, PER, D = 4, 3, 5


def inputs(num_tokens: int, seed: int = 0) -> list[Tensor]:
    rng = np.random.default_rng(seed)
    ranks = rng.random((num_tokens, E)).argsort(1).argsort(1)
    mask = ranks < rng.integers(1, E + 1, (num_tokens, 1))
    arrays = [rng.standard_normal((num_tokens, D)), mask]
    arrays += [rng.standard_normal(shape) for shape in ((E * PER, D), (E * PER, D), (D, E * PER))]
    return [Tensor(array.astype(np.float32)) for array in arrays]


@pytest.fixture(autouse=True)
def operator_by_operator() -> None:
    """The number of selected pairs is known only when the mask is."""
    before = ms.get_context("mode")
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=before)


def test_a_group_is_multiplied_by_its_own_weights() -> None:
    rows = np.arange(10, dtype=np.float32).reshape(5, 2)
    weights = np.stack([np.eye(2), 2 * np.eye(2), -np.eye(2)]).astype(np.float32)
    found = PlainGroupedProduct()(Tensor(rows), Tensor(weights), Tensor([2, 0, 3], ms.int64)).asnumpy()
    assert np.array_equal(found, rows * np.asarray([[1], [1], [-1], [-1], [-1]]))


@pytest.mark.parametrize("num_tokens", [1, 7, 40])
def test_the_grouped_form_is_the_masked_form(num_tokens: int) -> None:
    given = inputs(num_tokens, seed=num_tokens)
    grouped = GroupedSwiGLU(E, ms.float32, PlainGroupedProduct()).set_train(False)
    found, wanted = grouped(*given).asnumpy(), MaskedSwiGLU(E)(*given).asnumpy()
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_experts_that_nobody_selects_count_for_nothing() -> None:
    given = inputs(6)
    given[1] = Tensor(np.eye(E, dtype=np.float32)[[2] * 6])
    grouped = GroupedSwiGLU(E, ms.float32, PlainGroupedProduct()).set_train(False)
    np.testing.assert_allclose(grouped(*given).asnumpy(), MaskedSwiGLU(E)(*given).asnumpy(), atol=1e-4)


def test_training_takes_the_masked_form() -> None:
    given = inputs(6)
    grouped = GroupedSwiGLU(E, ms.float32, PlainGroupedProduct()).set_train(True)
    assert np.array_equal(grouped(*given).asnumpy(), MaskedSwiGLU(E)(*given).asnumpy())
