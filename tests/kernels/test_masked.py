"""The native masked activations equal the plain form of the layer, forward and backward."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from mindformers.core.init import initialize_parameters
from mindformers.kernels.build import kernel_library
from mindformers.kernels.masked import NativeMaskedSwiGLU
from mindformers.modules.feed_forward import FeedForward
from mindformers.modules.router import ActivationRouter

pytestmark = pytest.mark.usefixtures("library")
WIDTH = 12


class WithGradients(nn.Cell):
    """y and the gradients of x and of all weights."""

    def __init__(self, layer: FeedForward) -> None:
        super().__init__(auto_prefix=False)
        self.layer = layer.set_train()
        self.weights = ms.ParameterTuple(layer.trainable_params())
        self.gradients = ops.GradOperation(get_all=True, get_by_list=True, sens_param=True)

    def construct(self, x: Tensor, k: Tensor, dy: Tensor) -> tuple:
        return self.layer(x, k), self.gradients(self.layer, self.weights)(x, k, dy)


def layer_of(per: int, experts: int, is_native: bool) -> FeedForward:
    layer = FeedForward(WIDTH, per * experts, ms.float32, ms.float32, ActivationRouter(experts))
    initialize_parameters(layer, seed=1, spread=0.5)
    layer.native = None
    assert layer.fused_mask is not None
    if not is_native:
        layer.fused_mask = None
    return layer


def results(layer: FeedForward, shape: tuple[int, int], k: np.ndarray) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    x, dy = (Tensor(rng.standard_normal((*shape, WIDTH)).astype(np.float32)) for _ in range(2))
    y, ((dx, *_), weights) = WithGradients(layer)(x, Tensor(k.astype(np.int32)), dy)
    return [value.asnumpy() for value in (y, dx, *weights)]


# Rows and tokens, neurons per expert, experts; the last is worth several threads.
@pytest.mark.parametrize("case", [((1, 1), 5, 3), ((2, 7), 16, 4), ((2, 60), 21, 16)], ids=str)
def test_native_equals_the_plain_form(case: tuple[tuple[int, int], int, int]) -> None:
    shape, per, experts = case
    k = np.random.default_rng(0).integers(1, experts + 1, shape)
    found, wanted = (results(layer_of(per, experts, is_native), shape, k) for is_native in (True, False))
    assert len(found) == 5
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-5)


def activations(experts: int, values: np.ndarray, k: list[int]) -> np.ndarray:
    """Of a gate of ones, so that `values` decide."""
    cell = NativeMaskedSwiGLU(kernel_library(), experts)
    return cell(Tensor(np.ones_like(values)), Tensor(values), Tensor(np.asarray(k, np.int32))).asnumpy()


def test_of_equal_sums_the_lower_expert_stays_and_exactly_k_do() -> None:
    values = np.tile(np.asarray([1, -2, 3], np.float32), (4, 5))
    kept = activations(5, values, [1, 2, 4, 5]).reshape(4, 5, 3)
    expected = np.arange(5) < np.asarray([1, 2, 4, 5])[:, None]
    assert np.array_equal((kept != 0).all(-1), expected)
    assert np.array_equal((kept != 0).any(-1), expected)


def test_an_overflow_is_seen_in_the_result() -> None:
    values = np.ones((1, 6), np.float32)
    values[0, 4] = np.nan
    assert np.isnan(activations(3, values, [1])[0, 4])


@pytest.mark.parametrize(
    ("up", "k", "message"),
    [
        ((2, 9), (2,), r"up: got shape \(2, 9\), expected \(2, 12\)"),
        ((2, 12), (3,), r"k: got shape \(3,\), expected \(2,\)"),
        ((2, 12), (2,), "experts: got 5, expected a divisor of the 12 neurons"),
    ],
)
def test_a_wrong_shape_is_refused(up: tuple[int, int], k: tuple[int], message: str) -> None:
    cell = NativeMaskedSwiGLU(kernel_library(), 5 if "experts" in message else 4)
    gate = Tensor(np.zeros((2, 12), np.float32))
    with pytest.raises(ValueError, match=message):
        cell(gate, Tensor(np.zeros(up, np.float32)), Tensor(np.zeros(k, np.int32))).asnumpy()
