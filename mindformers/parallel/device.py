"""The only place that asks which device this is and how many there are."""

from __future__ import annotations

import os
from pathlib import Path

import mindspore as ms

from mindformers.config import Recipe
from mindformers.tools.errors import InputError


def use_device(recipe: Recipe) -> None:
    """Set MindSpore's context as the recipe's `context` and `seed` say.

    Raises:
        InputError: the device is not on this machine.
    """
    context = recipe.context
    try:
        ms.set_context(mode=ms.GRAPH_MODE if context.mode == 0 else ms.PYNATIVE_MODE)
        if not _is_on_cpu(context.device_target):
            ms.set_device(context.device_target, _device_id(context.device_id) if context.device_target != "CPU" else 0)
        if context.max_device_memory and context.device_target != "CPU":
            ms.set_context(max_device_memory=context.max_device_memory)
    except (RuntimeError, ValueError, TypeError) as error:
        raise InputError(
            "context.device_target",
            f"'{context.device_target}' cannot be used here",
            "a device of this machine",
            "pass --device_target CPU to run without an accelerator",
        ) from error
    ms.set_seed(recipe.seed)


def _device_id(of_recipe: int) -> int:
    """Which device of this machine: that of the recipe, or of several processes the one that the launcher says."""
    return of_recipe if device_num() == 1 else _number_in("DEVICE_ID", default=of_recipe)


def _is_on_cpu(wanted: str) -> bool:
    """Whether the CPU is wanted and already in use: MindSpore refuses to set a device again after any operator ran."""
    return wanted == "CPU" and ms.get_context("device_target") == "CPU"


def memory_in_use() -> tuple[int | None, int | None]:
    """Bytes in use now and at most since the start: the accelerator's, or on a CPU the process's.

    None and None where the system does not tell.
    """
    if ms.get_context("device_target") != "CPU":
        return ms.runtime.memory_allocated(), ms.runtime.max_memory_allocated()
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None, None
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return 1024 * kilobytes["VmRSS"], 1024 * kilobytes["VmHWM"]


def rank() -> int:
    """The number of this process among those of a run, from 0."""
    return _number_in("RANK_ID", default=0)


def device_num() -> int:
    """How many processes the run has."""
    return _number_in("RANK_SIZE", default=0) or _number_in("MS_WORKER_NUM", default=0) or 1


def _number_in(variable: str, default: int) -> int:
    text = os.environ.get(variable) or str(default)
    if not text.isdecimal():
        raise InputError(
            f"environment variable {variable}", f"'{text}'", "a whole number", "unset it, or use a launcher in scripts/"
        )
    return int(text)
