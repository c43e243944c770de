"""One training step: loss, norm, clipping, and nothing at all where it is not finite."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn, ops

from mindformers.core.loss import CausalLoss
from mindformers.core.optimizer import AdamW
from mindformers.trainer.step import TrainStep

V, BETA1, BETA2, LR = 6, 0.9, 0.99, 0.1
IDS = np.asarray([[0, 1, 2, 3], [4, 5, 0, 1]], np.int32)
MAX_NORM = 0.05


class Lookup(nn.Cell):
    """Logits of the next token are a row of a table; the bias stays out of it."""

    def __init__(self) -> None:
        super().__init__()
        table = np.random.default_rng(0).standard_normal((V, V)).astype(np.float32)
        self.table = Parameter(Tensor(table), name="table")

    def construct(self, ids: Tensor) -> Tensor:
        return ops.gather(self.table, ids, 0)


class Bench:
    """A step, and its weights and state as arrays."""

    def __init__(self, max_grad_norm: float | None) -> None:
        self.net = Lookup()
        self.optimizer = AdamW([self.net.table], BETA1, BETA2, eps=1e-8)
        self.step = TrainStep(CausalLoss(self.net), self.optimizer, max_grad_norm)
        self.start = self.now()

    def now(self) -> list[np.ndarray]:
        return [p.asnumpy().copy() for p in (self.net.table, self.optimizer.first[0], self.optimizer.second[0])]

    def restart(self, table: np.ndarray | None = None) -> None:
        """Written in place: a compiled graph with a branch keeps the memory it was compiled with."""
        values = [self.start[0] if table is None else table, *self.start[1:]]
        state = (self.net.table, self.optimizer.first[0], self.optimizer.second[0])
        for p, value in zip(state, values, strict=True):
            ops.assign(p, Tensor(value))

    def take(self, scale: float = 1.0) -> tuple[float, float, bool]:
        tensors = (Tensor(IDS), Tensor(IDS), Tensor(LR, ms.float32), self.optimizer.powers_at(1))
        loss, norm, finite = self.step(*tensors, Tensor(scale, ms.float32))
        return float(loss.asnumpy()), float(norm.asnumpy()), bool(finite.asnumpy())


@pytest.fixture(scope="module")
def bench() -> Bench:
    return Bench(MAX_NORM)


@pytest.fixture(scope="module")
def unclipped() -> Bench:
    return Bench(None)


def loss_and_gradient(table: np.ndarray) -> tuple[float, np.ndarray]:
    """By hand: softmax minus one-hot, divided by the number of tokens."""
    read, said = IDS[:, :-1].ravel(), IDS[:, 1:].ravel()
    shares = np.exp(table[read].astype(np.float64))
    shares /= shares.sum(-1, keepdims=True)
    loss = -np.log(shares[np.arange(len(said)), said]).mean()
    shares[np.arange(len(said)), said] -= 1
    gradient = np.zeros((V, V))
    np.add.at(gradient, read, shares / len(said))
    return loss, gradient


@pytest.mark.parametrize("scale", [1.0, 1024.0])
def test_loss_and_norm_do_not_depend_on_the_scale(bench: Bench, scale: float) -> None:
    bench.restart()
    loss, gradient = loss_and_gradient(bench.start[0])
    assert bench.take(scale) == (pytest.approx(loss, rel=1e-5), pytest.approx(np.linalg.norm(gradient), rel=1e-5), True)


@pytest.mark.parametrize("scale", [1.0, 1024.0])
def test_gradients_are_clipped_to_the_norm(bench: Bench, scale: float) -> None:
    bench.restart()
    bench.take(scale)
    _, gradient = loss_and_gradient(bench.start[0])
    clipped = gradient * MAX_NORM / np.linalg.norm(gradient)
    assert np.linalg.norm(gradient) > 2 * MAX_NORM
    _, first, second = bench.now()
    np.testing.assert_allclose(first, (1 - BETA1) * clipped, atol=1e-7)
    np.testing.assert_allclose(second, (1 - BETA2) * clipped**2, atol=1e-9)


def test_without_clipping_gradients_stay(unclipped: Bench) -> None:
    unclipped.restart()
    unclipped.take(8.0)
    _, gradient = loss_and_gradient(unclipped.start[0])
    table, first, _ = unclipped.now()
    np.testing.assert_allclose(first, (1 - BETA1) * gradient, atol=1e-6)
    np.testing.assert_allclose(table, unclipped.start[0] - LR * np.sign(gradient), atol=1e-3)  # Adam's first step


@pytest.mark.parametrize("scale", [1e38, float("inf")])
@pytest.mark.parametrize("name", ["bench", "unclipped"])
def test_a_step_that_is_not_finite_changes_nothing(name: str, scale: float, request: pytest.FixtureRequest) -> None:
    one: Bench = request.getfixturevalue(name)
    one.restart()
    one.take()
    before = one.now()
    _, norm, finite = one.take(scale)
    assert (np.isfinite(norm), finite) == (False, False)
    assert all(np.array_equal(now, then) for now, then in zip(one.now(), before, strict=True))
    assert one.take()[2]
    assert not np.array_equal(one.now()[0], before[0])  # the next one goes on


def test_a_weight_that_is_no_number_stops_the_update(bench: Bench) -> None:
    broken = bench.start[0].copy()
    broken[0, 0] = np.nan
    bench.restart(broken)
    assert not bench.take()[2]
    table, first, second = bench.now()
    assert np.isnan(table).sum() == 1
    assert not first.any()
    assert not second.any()
