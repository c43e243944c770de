"""Loss scale, random weights and number types."""

from __future__ import annotations

import logging

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn

from mindformers.core import dtype as dtype_module
from mindformers.core.dtype import dtype_named
from mindformers.core.init import initialize_parameters
from mindformers.core.loss_scale import LossScale
from mindformers.modules.linear import Linear
from mindformers.modules.norm import RMSNorm
from mindformers.tools.errors import InputError


def test_a_fixed_scale_stays() -> None:
    scale = LossScale(8.0, window=1)
    for overflowed in (True, False, True):
        scale.update(overflowed)
    assert (scale.value, scale.calm_steps) == (8.0, 0)


def test_a_dynamic_scale_falls_at_an_overflow_and_grows_after_a_calm_window() -> None:
    scale = LossScale(8.0, factor=2.0, window=3, is_dynamic=True)
    values = []
    for overflowed in (True, False, False, False, False, False, True, False):
        scale.update(overflowed)
        values.append(scale.value)
    assert values == [4, 4, 4, 8, 8, 8, 4, 4]
    assert scale.calm_steps == 1


def test_the_scale_never_falls_below_one() -> None:
    scale = LossScale(3.0, factor=2.0, is_dynamic=True)
    for _ in range(3):
        scale.update(True)
    assert scale.value == 1.0


class Small(nn.Cell):
    def __init__(self, is_turned: bool = False) -> None:
        super().__init__()
        if is_turned:
            self.b, self.a = Linear(3, 4), Linear(3, 4)
        else:
            self.a, self.b = Linear(3, 4), Linear(3, 4)
        self.norm = RMSNorm(4)


def weights_of(net: nn.Cell) -> dict[str, np.ndarray]:
    return {name: p.asnumpy() for name, p in net.parameters_and_names()}


def initialized(seed: int, is_turned: bool = False, spread: float = 0.5) -> dict[str, np.ndarray]:
    net = Small(is_turned)
    initialize_parameters(net, seed, spread)
    return weights_of(net)


def test_random_weights_follow_from_seed_and_name_only() -> None:
    here, there = initialized(7), initialized(7, is_turned=True)
    assert here.keys() == there.keys() == {"a.weight", "b.weight", "norm.weight"}
    assert all(np.array_equal(here[name], there[name]) for name in here)
    assert not np.array_equal(here["a.weight"], here["b.weight"])
    assert not np.array_equal(here["a.weight"], initialized(8)["a.weight"])


def test_mindsporess_own_seed_does_not_matter() -> None:
    ms.set_seed(1)
    first = initialized(7)
    ms.set_seed(2)
    assert np.array_equal(first["a.weight"], initialized(7)["a.weight"])


def test_vectors_keep_what_they_were_built_with() -> None:
    assert initialized(7)["norm.weight"].tolist() == [1.0] * 4


def test_the_spread_is_the_standard_deviation() -> None:
    net = Linear(200, 300)
    initialize_parameters(net, 0, spread=0.02)
    values = net.weight.asnumpy()
    assert abs(values.std() - 0.02) < 2e-4
    assert abs(values.mean()) < 4e-4


@pytest.mark.parametrize(("name", "found"), [("float16", ms.float16), ("bfloat16", ms.bfloat16)])
def test_half_precision_is_for_accelerators(name: str, found: ms.Type, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(dtype_module, "_WARNED", set())
    monkeypatch.setattr(dtype_module.logger, "warning", lambda text, *values: said.append(text % values))
    assert dtype_named(name, "compute_dtype", "Ascend") == found
    assert said == []
    assert dtype_named(name, "compute_dtype", "CPU") == ms.float32
    assert dtype_named(name, "compute_dtype", "CPU") == ms.float32
    assert said == [f"compute_dtype: {name} is computed in float32 on a CPU"]


def test_float32_is_float32_everywhere(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert dtype_named("float32", "rotary_dtype", "CPU") == ms.float32
    assert dtype_named("float32", "rotary_dtype", "Ascend") == ms.float32


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(InputError, match="compute_dtype: unknown name 'fp16'"):
        dtype_named("fp16", "compute_dtype")
