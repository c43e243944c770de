"""Which plans fit, and what is said of the others."""

from __future__ import annotations

import pytest

from mindformers.config import Recipe
from mindformers.parallel.mesh import ALONE, Mesh
from mindformers.parallel.plan import check_plan
from mindformers.tools.errors import InputError


def anything(parts: int) -> str:
    return ""


def six_heads(parts: int) -> str:
    return "" if 6 % parts == 0 else "a divisor of num_heads 6"


def recipe(**plan: int) -> Recipe:
    one = Recipe()
    for key, value in plan.items():
        setattr(one.parallel_config, key, value)
    return one


@pytest.mark.parametrize("plan", [{}, {"data_parallel": 8}, {"model_parallel": 5, "pipeline_stage": 4}])
def test_on_one_device_every_plan_is_fine(plan: dict[str, int]) -> None:
    check_plan(recipe(**plan), 1, six_heads)


@pytest.mark.parametrize("plan", [(8, 1), (4, 2), (1, 8)])
def test_a_plan_for_all_devices_is_fine(plan: tuple[int, int]) -> None:
    check_plan(recipe(data_parallel=plan[0], model_parallel=plan[1]), 8, anything)


@pytest.mark.parametrize(
    ("plan", "devices", "line"),
    [
        (
            {"data_parallel": 4, "pipeline_stage": 2},
            8,
            "parallel_config.pipeline_stage: got 2; expected 1, as layers are not spread over devices; "
            "set data_parallel 8, model_parallel 1, pipeline_stage 1 for 8 devices",
        ),
        (
            {"data_parallel": 2, "model_parallel": 2},
            8,
            "parallel_config: data_parallel 2 x model_parallel 2; expected a product of 8, the processes that were "
            "started; set data_parallel 4, model_parallel 2, pipeline_stage 1 for 8 devices",
        ),
        (
            {"data_parallel": 2, "model_parallel": 4},
            8,
            "parallel_config.model_parallel: got 4; expected a divisor of num_heads 6; "
            "set data_parallel 4, model_parallel 2, pipeline_stage 1 for 8 devices",
        ),
        (
            {"context_parallel": 2},
            2,
            "parallel_config.context_parallel: got 2; expected 1, as sequences are not spread over devices; "
            "set data_parallel 2, model_parallel 1, pipeline_stage 1 for 2 devices",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_the_nearest_that_does(plan: dict, devices: int, line: str) -> None:
    with pytest.raises(InputError) as caught:
        check_plan(recipe(**plan), devices, six_heads if "num_heads" in line else anything)
    assert caught.value.line() == line


def test_the_place_of_a_rank() -> None:
    places = [(mesh.data_rank, mesh.tensor_rank) for mesh in (Mesh(2, 3, rank) for rank in range(6))]
    assert places == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    assert [Mesh(2, 3, rank).is_first for rank in (0, 1, 3)] == [True, False, False]
    assert (ALONE.size, ALONE.is_first, ALONE.any(True), ALONE.any(False)) == (1, True, True, False)
