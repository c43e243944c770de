"""Which device, how many, and what is said where it is not there."""

from __future__ import annotations

import mindspore as ms
import pytest
from mindspore import Tensor

from mindformers.config import Recipe
from mindformers.parallel.device import device_num, rank, use_device
from mindformers.tools.errors import InputError


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK_ID", "RANK_SIZE", "MS_WORKER_NUM"):
        monkeypatch.delenv(name, raising=False)


def recipe(**context: object) -> Recipe:
    one = Recipe()
    for key, value in context.items():
        setattr(one.context, key, value)
    return one


@pytest.mark.parametrize(("mode", "found"), [(1, ms.PYNATIVE_MODE), (0, ms.GRAPH_MODE)])
def test_the_recipe_chooses_the_mode_even_after_an_operator_ran(mode: int, found: int) -> None:
    (Tensor([1.0]) + 1).asnumpy()
    use_device(recipe(mode=mode, device_id=3))
    assert (ms.get_context("mode"), ms.get_context("device_target")) == (found, "CPU")


@pytest.mark.parametrize("target", ["Ascend", "GPU"])
def test_a_device_that_is_not_there_is_refused_and_the_cpu_still_works(target: str) -> None:
    if ms.get_context("device_target") != "CPU":
        pytest.skip("this machine has another device")
    expected = f"context.device_target: '{target}' cannot be used here.*pass --device_target CPU"
    with pytest.raises(InputError, match=expected):
        use_device(recipe(device_target=target))
    use_device(recipe())
    assert (Tensor([1.0]) + 1).asnumpy().tolist() == [2.0]


def test_alone_there_is_one_device_and_rank_0() -> None:
    assert (rank(), device_num()) == (0, 1)


@pytest.mark.parametrize("name", ["RANK_SIZE", "MS_WORKER_NUM"])
def test_launchers_say_rank_and_number(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK_ID", "3")
    monkeypatch.setenv(name, "8")
    assert (rank(), device_num()) == (3, 8)


def test_empty_variables_count_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK_ID", "RANK_SIZE", "MS_WORKER_NUM"):
        monkeypatch.setenv(name, "")
    assert (rank(), device_num()) == (0, 1)


@pytest.mark.parametrize("name", ["RANK_ID", "RANK_SIZE", "MS_WORKER_NUM"])
def test_what_is_no_number_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "first")
    with pytest.raises(InputError, match=f"environment variable {name}: 'first'; expected a whole number; unset it"):
        rank(), device_num()
