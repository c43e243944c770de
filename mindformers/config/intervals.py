"""`save_freq` and `logging_steps`: two short keys in place of those inside `callbacks`."""

from __future__ import annotations

from typing import Any

from mindformers.config.schema.callbacks import CheckpointMonitor, LossMonitor
from mindformers.config.schema.recipe import Recipe
from mindformers.tools.logging import get_logger

logger = get_logger(__name__)


def apply_intervals(recipe: Recipe) -> None:
    """Write the short keys of a recipe to where they work; the callback is added where there is none.

    `save_freq` is also the interval of evaluations where the recipe evaluates and names none.
    """
    if recipe.logging_steps is not None:
        _set(recipe, "MFLossMonitor", LossMonitor, "per_print_times", "logging_steps")
    if recipe.save_freq is None:
        return
    _set(recipe, "CheckpointMonitor", CheckpointMonitor, "save_checkpoint_steps", "save_freq")
    if recipe.do_eval and recipe.eval_step_interval == recipe.eval_epoch_interval == -1:
        recipe.eval_step_interval = recipe.save_freq


def _set(recipe: Recipe, name: str, kind: type, attribute: str, key: str) -> None:
    value = getattr(recipe, key)
    item: Any = recipe.callback(kind)
    if item is None:
        item = kind(name)
        recipe.callbacks.append(item)
    given = getattr(item, attribute)
    if given not in (value, getattr(kind, attribute)):
        logger.warning("'callbacks.%s' (%s) is overruled by '%s' (%s)", attribute, given, key, value)
    setattr(item, attribute, value)
