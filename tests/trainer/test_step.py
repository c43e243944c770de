"""One training step: loss, norm, clipping, and nothing at all where it is not finite."""

from __future__ import annotations

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

    def __init__(self, max_grad_norm: float | None, is_accumulating: bool = False) -> None:
        self.net = Lookup()
        self.optimizer = AdamW([self.net.table], BETA1, BETA2, eps=1e-8)
        self.step = TrainStep(CausalLoss(self.net), self.optimizer, max_grad_norm, is_accumulating)
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
        result = self.step([{"input_ids": IDS, "labels": IDS}], LR, scale, 1)
        return result.loss, result.grad_norm, result.is_finite


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


def rows_and_labels(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Six rows of which ever fewer tokens count, the last none."""
    ids = rng.integers(0, V, (6, 4)).astype(np.int32)
    return ids, np.where(np.arange(4) + np.arange(6)[:, None] < 6, ids, -100).astype(np.int32)


def test_micro_batches_are_one_large_batch() -> None:
    large, small = Bench(MAX_NORM), Bench(MAX_NORM, is_accumulating=True)
    rng = np.random.default_rng(1)
    for number in (1, 2, 3):
        ids, labels = rows_and_labels(rng)
        whole = large.step([{"input_ids": ids, "labels": labels}], LR, 4.0, number)
        parts = [{"input_ids": ids[i : i + 2], "labels": labels[i : i + 2]} for i in (0, 2, 4)]
        result = small.step(parts, LR, 4.0, number)
        assert (result.tokens, result.is_finite) == (whole.tokens, True)
        assert (result.loss, result.grad_norm) == pytest.approx((whole.loss, whole.grad_norm), rel=1e-6)
        for ours, theirs in zip(small.now(), large.now(), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_micro_batch_that_is_not_finite_costs_its_step_and_no_other() -> None:
    one = Bench(MAX_NORM, is_accumulating=True)
    batch = {"input_ids": IDS, "labels": IDS}
    assert not one.step([batch, batch], LR, float("inf"), 1).is_finite
    assert all(np.array_equal(now, then) for now, then in zip(one.now(), one.start, strict=True))
    result = one.step([batch, batch], LR, 1.0, 1)
    loss, gradient = loss_and_gradient(one.start[0])
    assert (result.loss, result.grad_norm) == pytest.approx((loss, np.linalg.norm(gradient)), rel=1e-5)
    assert (result.tokens, result.is_finite) == (12, True)


def test_more_than_one_batch_needs_a_step_that_accumulates(bench: Bench) -> None:
    with pytest.raises(ValueError, match="too many values"):
        bench.step([{"input_ids": IDS, "labels": IDS}] * 2, LR, 1.0, 1)
