"""The native update against its plain twin, and where it must change nothing."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn, ops

from mindformers.core.optimizer import AdamW
from mindformers.trainer.step_graphs import GlobalNorm, Update

pytestmark = pytest.mark.usefixtures("library")
SHAPES = ((3, 7), (40_000,), (), (1, 16))
DECAYS = [0.1, 0.0, 0.1, 0.3]
RATES = (0.01, 0.02, 0.005)


@pytest.fixture(autouse=True)
def _graph_mode() -> None:
    ms.set_context(mode=ms.GRAPH_MODE)


def arrays(seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.standard_normal(shape), np.float32) for shape in SHAPES]


def optimizer(is_native: bool = True) -> AdamW:
    weights = [Parameter(Tensor(value), name=f"w{i}") for i, value in enumerate(arrays(0))]
    made = AdamW(weights, 0.8, 0.9, 1e-3, DECAYS)
    assert made.fused is not None
    if not is_native:
        made.fused = None
    return made


def state(made: AdamW) -> list[np.ndarray]:
    return [p.asnumpy().copy() for p in (*made.weights, *made.first, *made.second)]


def take(made: AdamW, step: int, factor: float = 0.5) -> None:
    gradients = tuple(map(Tensor, arrays(step)))
    made(gradients, Tensor(RATES[step - 1], ms.float32), made.powers_at(step), Tensor(factor, ms.float32))


def test_steps_are_those_of_the_plain_operators() -> None:
    ours, plain = optimizer(), optimizer(is_native=False)
    start = state(ours)
    for step in (1, 2, 3):
        take(ours, step)
        take(plain, step)
    for one, other, before in zip(state(ours), state(plain), start, strict=True):
        assert not np.array_equal(one, before)
        np.testing.assert_allclose(one, other, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_a_factor_that_is_no_number_changes_nothing(factor: float) -> None:
    made = optimizer()
    take(made, 1)
    before = state(made)
    take(made, 2, factor)
    assert all(np.array_equal(now, then) for now, then in zip(state(made), before, strict=True))


def test_the_norm_is_that_of_the_plain_operators() -> None:
    update = Update(optimizer())
    assert not isinstance(update.norm, GlobalNorm)
    given = arrays(5)
    found = update.norm(tuple(map(Tensor, given))).asnumpy()
    assert found.shape == ()
    assert found == pytest.approx(np.sqrt(sum(np.square(g, dtype=np.float64).sum() for g in given)), rel=1e-6)
    given[1][-1] = np.nan
    assert np.isnan(update.norm(tuple(map(Tensor, given))).asnumpy())


def test_half_precision_is_left_to_the_plain_operators() -> None:
    weights = [Parameter(Tensor(arrays(0)[0], ms.float16), name="w")]
    made = AdamW(weights)
    assert made.fused is None
    assert isinstance(Update(made).norm, GlobalNorm)


class ReadsAround(nn.Cell):
    """A weight's sum before and after an update in one graph."""

    def __init__(self, made: AdamW) -> None:
        super().__init__(auto_prefix=False)
        self.made, self.weight = made, made.weights[0]

    def construct(self, gradients: tuple[Tensor, ...], lr: Tensor, powers: Tensor) -> tuple[Tensor, Tensor]:
        before = ops.reduce_sum(self.weight)
        self.made(gradients, lr, powers, ms.Tensor(1.0, ms.float32))
        return before, ops.reduce_sum(self.weight)


def test_a_graph_reads_the_old_weight_before_and_the_new_one_after() -> None:
    made = optimizer()
    start = made.weights[0].asnumpy().copy()
    before, after = ReadsAround(made)(tuple(map(Tensor, arrays(1))), Tensor(0.1, ms.float32), made.powers_at(1))
    assert before.asnumpy() == pytest.approx(start.sum(), abs=1e-5)
    assert after.asnumpy() == pytest.approx(made.weights[0].asnumpy().sum(), abs=1e-5)
    assert abs(before.asnumpy() - after.asnumpy()) > 1e-2
