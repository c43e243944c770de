"""The routed feed-forward against NumPy and torch, and where its gradients go."""

from __future__ import annotations

from collections.abc import Callable

import mindspore as ms
import numpy as np
import pytest
from mindspore import ParameterTuple, Tensor, nn, ops

from mindformers.core.init import initialize_parameters
from mindformers.modules.feed_forward import FeedForward
from mindformers.modules.router import ActivationRouter

D, F, E = 12, 48, 16
BATCH, LENGTH = 2, 5
TEXT, MOLECULE = 14, 2
Gradients = Callable[..., list[np.ndarray]]


class Summed(nn.Cell):
    """Inputs as the layer, and what every output is weighed with; gives a scalar."""

    def __init__(self, layer: FeedForward) -> None:
        super().__init__(auto_prefix=False)
        self.layer = layer

    def construct(self, x: Tensor, k: Tensor, weights: Tensor) -> Tensor:
        return (self.layer(x, k) * weights).sum()


def layer_of(num_experts: int | None, width: int = D, neurons: int = F) -> FeedForward:
    router = ActivationRouter(num_experts) if num_experts else None
    layer = FeedForward(width, neurons, ms.float32, ms.float32, router)
    initialize_parameters(layer, seed=1, spread=0.5)
    return layer


@pytest.fixture(scope="module", params=["native", "masked"])
def routed(request: pytest.FixtureRequest) -> FeedForward:
    """Both forms of the layer must pass every test; without a compiler the native one is the masked one."""
    layer = layer_of(E)
    if request.param == "masked":
        layer.native = None
    return layer


def weights_of(layer: FeedForward) -> list[np.ndarray]:
    """w1 [F, D], w3 [F, D], w2 [D, F]."""
    return [cell.weight.asnumpy() for cell in (layer.w1, layer.w3, layer.w2)]


def hidden_by_numpy(layer: FeedForward, x: np.ndarray) -> np.ndarray:
    w1, w3, _ = (w.astype(np.float64) for w in weights_of(layer))
    gate = x @ w1.T
    return gate / (1 + np.exp(-gate)) * (x @ w3.T)


def active_by_numpy(layer: FeedForward, x: np.ndarray, k: np.ndarray) -> np.ndarray:
    """bool [B, S, E]."""
    scores = hidden_by_numpy(layer, x).reshape(*k.shape, E, -1).sum(-1)
    ranks = (-scores).argsort(-1, kind="stable").argsort(-1)
    return ranks < k[..., None]


def inputs(rng: np.random.Generator, k: object) -> tuple[np.ndarray, np.ndarray]:
    x = rng.standard_normal((BATCH, LENGTH, D)).astype(np.float32)
    return x, np.broadcast_to(np.asarray(k, np.int32), (BATCH, LENGTH)).copy()


def mixed_k(rng: np.random.Generator) -> np.ndarray:
    return rng.choice([TEXT, MOLECULE], (BATCH, LENGTH))


def test_the_layer_is_its_equation(routed: FeedForward, rng: np.random.Generator) -> None:
    x, k = inputs(rng, mixed_k(rng))
    h = hidden_by_numpy(routed, x)
    kept = h * active_by_numpy(routed, x, k).repeat(F // E, axis=-1)
    expected = kept @ weights_of(routed)[2].T.astype(np.float64)
    found = routed(Tensor(x), Tensor(k)).asnumpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    dense = h @ weights_of(routed)[2].T.astype(np.float64)
    assert np.abs(found - dense).max() > 0.1  # the routing does matter here


def test_exactly_k_experts_are_active_in_the_whole_layer(rng: np.random.Generator) -> None:
    layer = layer_of(E, width=F, neurons=F)
    layer.w2.weight.set_data(Tensor(np.eye(F, dtype=np.float32)))  # the output is then the masked h itself
    x = Tensor(rng.standard_normal((8, 16, F)).astype(np.float32))
    k = rng.choice([TEXT, MOLECULE], (8, 16)).astype(np.int32)
    h = layer(x, Tensor(k)).asnumpy().reshape(8, 16, E, -1)
    assert np.array_equal((h != 0).any(-1).sum(-1), k)


def test_experts_that_say_the_same_give_the_first_k(rng: np.random.Generator) -> None:
    layer = layer_of(E, width=F, neurons=F)
    layer.w2.weight.set_data(Tensor(np.eye(F, dtype=np.float32)))
    for cell in (layer.w1, layer.w3):
        of_one_expert = cell.weight.asnumpy()[: F // E]
        cell.weight.set_data(Tensor(np.tile(of_one_expert, (E, 1))))
    x = Tensor(rng.standard_normal((8, 16, F)).astype(np.float32))
    k = rng.choice([TEXT, MOLECULE], (8, 16)).astype(np.int32)
    h = layer(x, Tensor(k)).asnumpy().reshape(8, 16, E, -1)
    assert np.array_equal((h != 0).any(-1), np.arange(E) < k[..., None])


def test_all_experts_are_the_plain_layer(routed: FeedForward, rng: np.random.Generator) -> None:
    plain = layer_of(None)
    for ours, theirs in zip(plain.get_parameters(), routed.get_parameters(), strict=True):
        assert np.array_equal(ours.asnumpy(), theirs.asnumpy())
    x, k = inputs(rng, E)
    ours, theirs = routed(Tensor(x), Tensor(k)).asnumpy(), plain(Tensor(x)).asnumpy()
    if routed.native is None:
        assert np.array_equal(ours, theirs)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.fixture(scope="module")
def gradients_of(routed: FeedForward) -> Gradients:
    """(x, k, weights of the outputs) to the gradients of x, w1, w3, w2; one graph for all tests."""
    parameters = ParameterTuple([routed.w1.weight, routed.w3.weight, routed.w2.weight])
    compiled = ops.grad(Summed(routed), 0, parameters)

    def gradients(x: np.ndarray, k: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
        of_x, of_weights = compiled(Tensor(x), Tensor(k.astype(np.int32)), Tensor(weights))
        return [of_x.asnumpy(), *(g.asnumpy() for g in of_weights)]

    return gradients


def test_gradients_reach_only_the_weights_of_active_experts(
    routed: FeedForward, gradients_of: Gradients, rng: np.random.Generator
) -> None:
    x, k = inputs(rng, MOLECULE)
    x[:, 1:] = x[:1, :1] + 1e-3 * x[:, 1:]  # alike tokens, so that most experts stay unused by all of them
    is_used = active_by_numpy(routed, x, k).any((0, 1))
    assert MOLECULE <= is_used.sum() < E // 2
    _, g1, g3, g2 = gradients_of(x, k, np.ones(x.shape, np.float32))
    rows = is_used.repeat(F // E)
    for gradient in (g1, g3, g2.T):
        assert np.all(gradient[~rows] == 0.0)
        assert np.all(np.abs(gradient[rows]).max(1) > 0)


def test_gradients_are_those_of_a_mask_that_stands_still(
    routed: FeedForward, gradients_of: Gradients, rng: np.random.Generator
) -> None:
    torch = pytest.importorskip("torch")
    x, k = inputs(rng, mixed_k(rng))
    weights = rng.standard_normal(x.shape).astype(np.float32)
    mask = torch.tensor(active_by_numpy(routed, x, k).repeat(F // E, axis=-1))
    x_, w1, w3, w2 = (torch.tensor(a, requires_grad=True) for a in (x, *weights_of(routed)))
    h = torch.nn.functional.silu(x_ @ w1.T) * (x_ @ w3.T) * mask
    ((h @ w2.T) * torch.tensor(weights)).sum().backward()
    found = gradients_of(x, k, weights)
    for ours, theirs in zip(found, (x_, w1, w3, w2), strict=True):
        np.testing.assert_allclose(ours, theirs.grad.numpy(), atol=2e-5)
