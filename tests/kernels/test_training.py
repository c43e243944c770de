"""The operators of a training step equal their plain twins, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from mindformers.core.loss import TokenLoss
from mindformers.kernels.training import NativeHalfSquare, half_square
from mindformers.modules.attention import Attention
from mindformers.modules.feed_forward import FeedForward
from mindformers.modules.linear import Linear
from mindformers.modules.norm import RMSNorm
from mindformers.modules.rotary import rotary_tables

pytestmark = pytest.mark.usefixtures("library")


@pytest.fixture(autouse=True)
def _graph_mode() -> None:
    ms.set_context(mode=ms.GRAPH_MODE)


class WithGradients(nn.Cell):
    """Result and gradients of a cell, for its first input and its weights; other inputs are constants."""

    def __init__(self, cell: nn.Cell, others: tuple[Tensor, ...]) -> None:
        super().__init__(auto_prefix=False)
        self.cell, self.others = cell, others
        self.weights = ms.ParameterTuple(cell.trainable_params())
        self.gradients = ops.GradOperation(get_all=True, get_by_list=len(self.weights) > 0, sens_param=True)

    def construct(self, x: Tensor, dy: Tensor) -> Any:
        def of_first(given: Tensor) -> Tensor:
            return self.cell(given, *self.others)

        if len(self.weights):
            return of_first(x), self.gradients(of_first, self.weights)(x, dy)
        return of_first(x), self.gradients(of_first)(x, dy)


def results(cell: nn.Cell, dy: Tensor, first: Tensor, *others: Tensor) -> list[np.ndarray]:
    cell.set_train()
    return flat(WithGradients(cell, others)(first, dy))


def flat(found: Any) -> list[np.ndarray]:
    if isinstance(found, tuple):
        return [array for one in found for array in flat(one)]
    return [found.asnumpy()]


def all_results() -> list[np.ndarray]:
    """Of every operator, at sizes that are worth several threads."""
    length, heads, size = 90, 4, 16
    x, wide = random(0, 2, length, heads * size), random(1, 500, 300)
    attention, norm = Attention(heads * size, heads, 2, ms.float32, ms.float32), RMSNorm(heads * size)
    feed_forward = FeedForward(heads * size, 200, ms.float32, ms.float32)
    for cell in (attention, norm, feed_forward):
        fill(cell)
    seen = Tensor(np.tril(np.ones((2, 1, length, length), bool)))
    tables = map(Tensor, rotary_tables(size, length))
    found = results(attention, x, x, *tables, seen) + results(norm, x, x) + results(feed_forward, x, x)
    return found + results(Losses(), random(2, 500), wide, Tensor(np.arange(500, dtype=np.int32) % 300))


class Losses(TokenLoss):
    """Losses and weights in one."""

    def construct(self, logits: Tensor, labels: Tensor) -> Tensor:
        losses, weights = super().construct(logits, labels)
        return losses + weights


def random(seed: int, *shape: int) -> Tensor:
    return Tensor(np.random.default_rng(seed).standard_normal(shape).astype(np.float32))


def fill(cell: nn.Cell) -> None:
    for number, weight in enumerate(cell.get_parameters()):
        weight.set_data(random(100 + number, *weight.shape) * 0.3)


def filled(cell: nn.Cell) -> nn.Cell:
    fill(cell)
    return cell


def assert_same(make: Callable[[], nn.Cell], dy: Tensor, *inputs: Tensor) -> None:
    """With the native operator and without it."""
    ours, plain = make(), make()
    assert ours.fused is not None
    plain.fused = None
    for cell in (ours, plain):
        fill(cell)
    found, wanted = results(ours, dy, *inputs), results(plain, dy, *inputs)
    assert len(found) == len(wanted) > 1
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-5 * max(1.0, np.abs(other).max()))


@pytest.mark.parametrize("sizes", [(5, 7, 3), (1, 1, 1), (300, 40, 530)], ids=str)
def test_linear(sizes: tuple[int, int, int]) -> None:
    rows, width, out = sizes
    assert_same(lambda: Linear(width, out), random(0, rows, out), random(1, rows, width))


def test_products_are_as_exact_as_float32() -> None:
    """Against float64: also where the processor's tiles compute them from parts."""
    rows, width, out = 100, 600, 70
    x, dy = random(0, rows, width) * 100.0, random(1, rows, out) * 1e-3
    y, dx, dweight = results(filled(Linear(width, out)), dy, x)
    w, x, dy = filled(Linear(width, out)).weight.asnumpy().astype(np.float64), x.asnumpy(), dy.asnumpy()
    for found, wanted in ((y, x @ w.T), (dx, dy @ w), (dweight, dy.astype(np.float64).T @ x)):
        assert np.sqrt(np.square(found - wanted).sum() / np.square(wanted).sum()) < 5e-7


def test_what_is_no_number_stays_so_through_a_product() -> None:
    values = random(0, 40, 50).asnumpy().copy()
    values[3, 7], values[5, 9] = np.nan, np.inf
    values[8, 1:2].view(np.uint32)[:] = 0x7FFFFFFF
    y = filled(Linear(50, 60)).set_train()(Tensor(values)).asnumpy()
    assert (
        np.flatnonzero(~np.isfinite(y).any(1)).tolist() == np.flatnonzero(~np.isfinite(y).all(1)).tolist() == [3, 5, 8]
    )


def test_a_frozen_layer_still_hands_the_gradient_on() -> None:
    def frozen() -> Linear:
        layer = Linear(12, 6)
        layer.weight.requires_grad = False
        return layer

    assert_same(frozen, random(0, 5, 6), random(1, 5, 12))


@pytest.mark.parametrize("shape", [(1,), (3, 7), (130, 70)], ids=str)
def test_half_the_sum_of_squares(shape: tuple[int, ...]) -> None:
    x = random(0, *shape)
    found = half_square()
    assert isinstance(found, NativeHalfSquare)
    np.testing.assert_allclose(found(x).asnumpy(), [0.5 * np.square(x.asnumpy(), dtype=np.float64).sum()], rtol=1e-6)
    values = x.asnumpy().copy()
    values.flat[-1] = np.nan
    assert np.isnan(found(Tensor(values)).asnumpy()).all()


@pytest.mark.parametrize("shape", [(2, 70, 33), (1, 1, 16), (3, 5, 64)], ids=str)
def test_norm(shape: tuple[int, ...]) -> None:
    assert_same(lambda: RMSNorm(shape[-1], 1e-5), random(0, *shape), random(1, *shape))


def test_gated_activations() -> None:
    class Activations(FeedForward):
        def construct(self, x: Tensor) -> Tensor:
            return self.activations(x)

    x, dy = random(0, 2, 5, 12), random(1, 2, 5, 37)
    assert_same(lambda: Activations(12, 37, ms.float32, ms.float32), dy, x)


# Rows, tokens, heads, heads of keys, size of a head, padding in front.
@pytest.mark.parametrize("case", [(2, 9, 4, 2, 8, 3), (1, 130, 2, 2, 6, 0), (3, 1, 1, 1, 4, 0)], ids=str)
def test_attention(case: tuple[int, ...]) -> None:
    rows, length, heads, groups, size, padding = case
    seen = np.tril(np.ones((length, length), bool))[None, None].repeat(rows, 0)
    seen[0, 0, :, :padding] = False
    seen[-1, 0, length // 2 :, : length // 2] = length < 3  # a second document in the last row
    dy = random(1, rows, length, heads * size).asnumpy()
    dy[0, :padding] = 0  # what padding says is never read
    inputs = [random(0, rows, length, heads * size), *map(Tensor, rotary_tables(size, length)), Tensor(seen)]

    def make() -> nn.Cell:
        return Attention(heads * size, heads, groups, ms.float32, ms.float32)

    assert_same(make, Tensor(dy), *inputs)


@pytest.mark.parametrize(("tokens", "classes"), [(7, 50), (1, 5), (40, 1003)])
def test_loss(tokens: int, classes: int) -> None:
    labels = np.random.default_rng(0).integers(0, classes, tokens).astype(np.int32)
    labels[::3] = -100

    logits = random(1, tokens, classes) * 20
    assert_same(Losses, random(2, tokens), logits, Tensor(labels))


def test_what_is_not_finite_stays_so() -> None:
    logits = np.zeros((3, 20), np.float32)
    logits[0, 3], logits[1, 19] = np.nan, np.inf
    losses, _ = TokenLoss()(Tensor(logits), Tensor(np.asarray([5, 6, 7], np.int32)))
    assert np.isfinite(losses.asnumpy()).tolist() == [False, False, True]


def test_a_label_beyond_the_vocabulary_is_refused() -> None:
    with pytest.raises(RuntimeError):
        TokenLoss()(random(0, 2, 9), Tensor(np.asarray([3, 9], np.int32)))[0].asnumpy()


def test_inference_takes_the_plain_way(library: Path) -> None:
    norm, x = RMSNorm(16).set_train(False), random(0, 3, 16)
    before = norm(x).asnumpy()
    norm.fused = None
    assert np.array_equal(norm(x).asnumpy(), before)
