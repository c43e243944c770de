"""Settings that are alive in general but change nothing in this particular run."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from functools import reduce

from mindformers.config.decode import join
from mindformers.config.inert import is_inert
from mindformers.config.schema.callbacks import CheckpointMonitor
from mindformers.config.schema.recipe import Recipe

_SPREADING = ("use_parallel", "micro_batch_interleave_num", "parallel", "parallel_config")
_OTHER_WAYS = (
    "micro_batch_interleave_num",
    "parallel.parallel_mode",
    "parallel.gradients_mean",
    "parallel.parallel_optimizer_config",
    "parallel.dataset_strategy",
    "parallel_config.micro_batch_num",
    "parallel_config.optimizer_shard",
    "parallel_config.use_seq_parallel",
)
_DEVICE_MEMORY = ("recompute_config", "context.device_id", "context.max_device_memory")


def effects_on(config: Recipe, device_target: str, device_num: int) -> list[str]:
    """Dotted keys that the recipe sets away from their default and that have no effect in this run.

    On one device nothing is spread, so `parallel`, `parallel_config` and their companions do nothing. On several there
    is one way of spreading, so keys that choose between MindSpore's do nothing. On CPU computing activations twice
    saves no memory, and there is one device whose memory is not ours to limit. Keys that never have an effect are
    not repeated here.

    Args:
        config: the recipe.
        device_target: kind of device that the run uses, e.g. `CPU`.
        device_num: number of devices (processes) of the run.
    """
    keys = [*(_SPREADING if device_num == 1 else _OTHER_WAYS), *(_DEVICE_MEMORY if device_target == "CPU" else ())]
    default = Recipe()
    found = [item for key in keys for item in _changed(_at(config, key), _at(default, key), key)]
    return found + (_parts_of_one(config) if device_num == 1 else [])


def _parts_of_one(config: Recipe) -> list[str]:
    """Checkpoints in parts, where there is one part."""
    monitors = [(i, item) for i, item in enumerate(config.callbacks) if isinstance(item, CheckpointMonitor)]
    return [f"callbacks.{i}.integrated_save" for i, item in monitors if not item.integrated_save]


def _at(config: Recipe, key: str) -> object:
    return reduce(getattr, key.split("."), config)


def _changed(value: object, default: object, where: str) -> list[str]:
    if value == default:
        return []
    if not is_dataclass(value):
        return [where]
    return [
        key
        for item in fields(value)
        if not is_inert(item)
        for key in _changed(getattr(value, item.name), getattr(default, item.name), join(where, item.name))
    ]
