"""What every run mode begins with."""

from __future__ import annotations

from mindformers.config import Recipe, effects_on, warn_inert
from mindformers.parallel.device import device_num, rank, use_device
from mindformers.tools.errors import InputError
from mindformers.tools.logging import log_to_files


def begin(recipe: Recipe) -> None:
    """Device, seed and log files; keys that mean nothing on this device are named.

    Raises:
        InputError: there are several processes, and this run mode does not share its work between them.
    """
    if device_num() > 1:
        got, expected = f"started on {device_num()} devices", "one, as only training, eval and predict use several"
        raise InputError(f"--run_mode {recipe.run_mode}", got, expected, "use scripts/run_standalone.sh")
    begin_together(recipe)


def begin_together(recipe: Recipe) -> None:
    """As `begin`, for work that all processes of a run share; they have not met yet."""
    use_device(recipe)
    log_to_files(recipe.output_dir, rank())
    for key in effects_on(recipe, recipe.context.device_target, device_num()):
        warn_inert(key, reason="on one device" if device_num() == 1 else "here")


def required_checkpoint(recipe: Recipe) -> str:
    """The recipe's `load_checkpoint`. Raises InputError where there is none."""
    if not recipe.load_checkpoint:
        raise InputError("load_checkpoint", "not given", "a checkpoint", "pass --load_checkpoint FILE_OR_FOLDER")
    return recipe.load_checkpoint
