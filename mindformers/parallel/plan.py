"""Whether the devices that were started fit the recipe's `parallel_config`; a refusal names the nearest that does."""

from __future__ import annotations

from collections.abc import Callable

from mindformers.config import Recipe
from mindformers.tools.errors import InputError

_SECTION = "parallel_config"
_NOT_SPLIT = {"pipeline_stage": "layers", "context_parallel": "sequences", "expert_parallel": "whole experts"}


def check_plan(recipe: Recipe, num_devices: int, obstacle: Callable[[int], str]) -> None:
    """Hold a recipe's plan against the devices of a run.

    Args:
        recipe: with its `parallel_config`.
        num_devices: processes that were started; on one nothing is spread, whatever the recipe says.
        obstacle: `model_parallel` -> why this model cannot be cut into so many parts, empty where it can.

    Raises:
        InputError: in one line, naming the nearest plan that fits.
    """
    if num_devices == 1:
        return
    plan = recipe.parallel_config
    nearest = _nearest(num_devices, plan.model_parallel, obstacle)
    for key, what in _NOT_SPLIT.items():
        if getattr(plan, key) > 1:
            got, expected = f"got {getattr(plan, key)}", f"1, as {what} are not spread over devices"
            raise InputError(f"{_SECTION}.{key}", got, expected, nearest)
    if why := obstacle(plan.model_parallel):
        raise InputError(f"{_SECTION}.model_parallel", f"got {plan.model_parallel}", why, nearest)
    if plan.data_parallel * plan.model_parallel != num_devices:
        got = f"data_parallel {plan.data_parallel} x model_parallel {plan.model_parallel}"
        raise InputError(_SECTION, got, f"a product of {num_devices}, the processes that were started", nearest)


def _nearest(num_devices: int, wanted: int, obstacle: Callable[[int], str]) -> str:
    """The plan for all devices whose parts are nearest in number to those wanted; one part always fits."""
    fitting = [n for n in range(1, num_devices + 1) if num_devices % n == 0 and not obstacle(n)]
    tensor = min(fitting, key=lambda n: max(n, wanted) / min(n, wanted))
    data = num_devices // tensor
    return f"set data_parallel {data}, model_parallel {tensor}, pipeline_stage 1 for {num_devices} devices"
