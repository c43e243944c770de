"""The learned router: its own projection for each modality, exactly k, and a gradient only where it is trained."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import ParameterTuple, Tensor, nn, ops

from mindformers.core.init import initialize_parameters
from mindformers.modules.feed_forward import FeedForward
from mindformers.modules.router import LearnedRouter

E, D, F, M, T = 4, 6, 12, 3, 10


def layer_of(is_trained: bool, native: bool = True) -> FeedForward:
    layer = FeedForward(D, F, ms.float32, ms.float32, LearnedRouter(E, D, M, is_trained))
    initialize_parameters(layer, seed=2, spread=0.5)
    if not native:
        layer.native = None
    return layer.set_train()


def inputs() -> tuple[Tensor, Tensor, Tensor]:
    rng = np.random.default_rng(4)
    x = Tensor(rng.standard_normal((1, T, D)).astype(np.float32))
    return x, Tensor(rng.integers(1, E, (1, T)).astype(np.int32)), Tensor(rng.integers(0, M, (1, T)).astype(np.int32))


def test_scores_are_those_of_the_tokens_own_modality() -> None:
    router = layer_of(False).router
    router.bias.set_data(Tensor(np.arange(M * E, dtype=np.float32)))
    x, k, modality = (part.asnumpy()[0] for part in inputs())
    weight = router.weight.asnumpy().reshape(M, E, D)
    wanted = np.einsum("td,ted->te", x, weight[modality]) + np.arange(M * E).reshape(M, E)[modality]
    mask = router(Tensor(x), Tensor(k.reshape(-1, 1)), Tensor(modality)).asnumpy()
    ranks = (-wanted).argsort(1, kind="stable").argsort(1)
    assert np.array_equal(mask, ranks < k[:, None])


class Total(nn.Cell):
    def __init__(self, layer: FeedForward) -> None:
        super().__init__(auto_prefix=False)
        self.layer = layer

    def construct(self, x: Tensor, k: Tensor, modality: Tensor) -> Tensor:
        return ops.square(self.layer(x, k, modality)).sum()


def router_gradients(layer: FeedForward) -> list[np.ndarray]:
    weights = ParameterTuple([layer.router.weight, layer.router.bias])
    return [gradient.asnumpy() for gradient in ops.grad(Total(layer), None, weights)(*inputs())]


def test_a_trained_router_gets_the_same_gradient_natively_and_masked() -> None:
    native, masked = router_gradients(layer_of(True)), router_gradients(layer_of(True, native=False))
    for one, other in zip(native, masked, strict=True):
        assert np.abs(other).max() > 1e-3
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("native", [True, False])
def test_no_gradient_reaches_a_router_that_is_not_trained(native: bool) -> None:
    layer = layer_of(False, native)
    assert not [p.name for p in layer.trainable_params() if "router" in p.name]
    assert all((gradient == 0).all() for gradient in router_gradients(layer))


class Output(nn.Cell):
    """Compiled anew for every instance."""

    def __init__(self, layer: FeedForward) -> None:
        super().__init__(auto_prefix=False)
        self.layer = layer

    def construct(self, x: Tensor, k: Tensor, modality: Tensor) -> Tensor:
        return self.layer(x, k, modality)


def test_for_generation_w2_is_read_by_expert_and_training_goes_on_with_w2() -> None:
    layer = layer_of(False)
    if layer.native is None:
        pytest.skip("no native library: without a compiler the weights stay as they lie")

    def output(is_training: bool) -> np.ndarray:
        return Output(layer).set_train(is_training)(*inputs()).asnumpy()

    before = output(is_training=False)
    layer.prepare_generation()
    layer.w2.weight.set_data(layer.w2.weight * 0)
    np.testing.assert_allclose(output(is_training=False), before, atol=1e-5 * np.abs(before).max())
    assert not output(is_training=True).any()
    layer.prepare_generation()
    assert not output(is_training=False).any()
