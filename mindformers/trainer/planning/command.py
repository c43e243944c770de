"""`--run_mode plan`: prints a plan and writes `plan.json`."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from pathlib import Path

from mindformers.config import Recipe
from mindformers.models.footprint import CPU
from mindformers.tools.errors import InputError
from mindformers.tools.files import write_json
from mindformers.trainer.planning.memory import GB
from mindformers.trainer.planning.plan import Plan, make_plan
from mindformers.trainer.planning.report import text_of

_MEMORY = re.compile(r"(\d+(?:\.\d+)?)\s*([GM]B)", re.IGNORECASE)
_UNITS = {"GB": GB, "MB": 10**6}
_MOST_DEVICES = 65536
_KERNELS = "SCIMIND_KERNELS"


def plan(recipe: Recipe, flags: argparse.Namespace | None = None) -> Plan:
    """Print what a recipe needs on every device and how it is best spread, and write `plan.json`.

    Args:
        recipe: the recipe; nothing of it is built.
        flags: `device_num`, `device_memory` and `predict_batch_size` count.

    Raises:
        InputError: the recipe or a flag is wrong.
    """
    num_devices = _whole("--device_num", getattr(flags, "device_num", None), _MOST_DEVICES)
    rows = _whole("--predict_batch_size", getattr(flags, "predict_batch_size", None))
    found = make_plan(recipe, num_devices, _limit(recipe, flags), rows, _has_kernels())
    path = Path(recipe.output_dir) / "plan.json"
    write_json(path, found.to_dict())
    sys.stdout.write(f"{text_of(found)}\n\nwritten to {path}\n")
    return found


def _whole(flag: str, value: int | None, most: int | None = None) -> int | None:
    if value is not None and (value < 1 or (most and value > most)):
        expected = f"1 to {most}" if most else "1 or more"
        raise InputError(flag, f"got {value}", expected, "correct the value")
    return value


def _limit(recipe: Recipe, flags: argparse.Namespace | None) -> float | None:
    """Bytes of a device: the flag's, else those that the recipe lets MindSpore use of an accelerator."""
    given, what = getattr(flags, "device_memory", None), "--device_memory"
    if given is None and recipe.context.device_target != CPU:
        given, what = recipe.context.max_device_memory, "context.max_device_memory"
    if given is None:
        return None
    match = _MEMORY.fullmatch(given.strip())
    if match is None or not float(match[1]):
        raise InputError(what, f"got '{given}'", "a size such as 32GB", "correct the value")
    return float(match[1]) * _UNITS[match[2].upper()]


def _has_kernels() -> bool:
    """Whether the native operators would be used on this machine's CPU; nothing is built to find out."""
    return os.environ.get(_KERNELS, "1") != "0" and shutil.which("g++") is not None
