"""A plan: the network in numbers, every split with what it needs, and the one to take."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from mindformers.config import Recipe
from mindformers.tools.errors import InputError
from mindformers.trainer.planning.memory import (
    GB,
    Layout,
    PredictionMemory,
    TrainingMemory,
    prediction_memory,
    training_memory,
)
from mindformers.trainer.planning.network import Network, network_of
from mindformers.trainer.planning.search import Candidate, best, candidates, nearest
from mindformers.trainer.planning.speed import Speed, speed_of

CARDS = (32, 64)  # gigabytes
_NOT_SPLIT = ("pipeline_stage", "context_parallel", "expert_parallel")


@dataclass(frozen=True)
class Plan:
    """What is known before anything is built.

    Args:
        recipe: what is planned.
        num_devices: N.
        limit: bytes of a device; None where nothing limits it.
        network: what is trained.
        found: every split of N devices, the fastest first.
        own: the split that the recipe says, None where it is for another number of devices.
        chosen: the fastest that fits, or without a limit the recipe's own.
        close: what would fit where nothing of N devices does.
        speed: of the chosen split.
        prediction: of answering on one device.
    """

    recipe: Recipe
    num_devices: int
    limit: float | None
    network: Network
    found: list[Candidate]
    own: Candidate | None
    chosen: Candidate | None
    close: Candidate | None
    speed: Speed
    prediction: PredictionMemory

    @property
    def device(self) -> str:
        """Kind of device."""
        return self.recipe.context.device_target

    @property
    def shown(self) -> Candidate:
        """The split that is told of in full: the chosen one, else the one that needs least."""
        return self.chosen or min(self.found, key=lambda candidate: candidate.memory.peak)

    def memory(self, recompute: bool) -> TrainingMemory:
        """Of the shown split, with and without recompute."""
        return training_memory(self.network, replace(self.shown.layout, recompute=recompute), self.device)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values, bytes and seconds."""
        return {
            "recipe": self.recipe.name,
            "device": self.device,
            "num_devices": self.num_devices,
            "memory_limit": None if self.limit is None else round(self.limit),
            "parameters": self.network.num_parameters,
            "trained": self.network.num_trained,
            "fits": None if self.limit is None else self.chosen is not None,
            "layout": asdict(self.shown.layout),
            "memory": {"kept": self.memory(False).to_dict(), "recompute": self.memory(True).to_dict()},
            "speed": self.speed.to_dict(),
            "recipes_own": _row(self.own),
            "nearest": _row(self.close),
            "fitting": {f"{size} GB": _row(best(self.found, size * GB)) for size in CARDS},
            "splits": [_row(candidate) for candidate in self.found],
            "prediction": self.prediction.to_dict(),
        }


def _row(candidate: Candidate | None) -> dict[str, Any] | None:
    if candidate is None:
        return None
    return {**asdict(candidate.layout), "peak": round(candidate.memory.peak)}


def make_plan(
    recipe: Recipe,
    num_devices: int | None = None,
    limit: float | None = None,
    rows: int | None = None,
    has_kernels: bool = True,
) -> Plan:
    """Plan a recipe.

    Args:
        recipe: the recipe.
        num_devices: N; None for those of `parallel_config`.
        limit: bytes of a device; None where nothing limits it.
        rows: prompts at once in prediction; None for the recipe's.
        has_kernels: whether a CPU has the native operators.

    Raises:
        InputError: the recipe is wrong, or its own split is impossible.
    """
    given, device = layout_of(recipe), recipe.context.device_target
    num_devices = num_devices or given.num_devices
    network = network_of(recipe, has_kernels)
    own = None
    if given.num_devices == num_devices:
        _check_split(network, given)
        own = Candidate(given, training_memory(network, given, device))
    found = candidates(network, given, num_devices, device)
    chosen = own if limit is None else best(found, limit)
    close = None
    if limit is not None and chosen is None:
        close = nearest(network, given, num_devices, device, limit)
    told = chosen or min(found, key=lambda candidate: candidate.memory.peak)
    speed = speed_of(network, told.layout, recipe)
    prediction = prediction_memory(network, rows or network.config.batch_size, device)
    return Plan(recipe, num_devices, limit, network, found, own, chosen, close, speed, prediction)


def layout_of(recipe: Recipe) -> Layout:
    """The split that a recipe says. Raises InputError for one that this house does not make."""
    spread = recipe.parallel_config
    for key in _NOT_SPLIT if recipe.use_parallel else ():
        if getattr(spread, key) > 1:
            devices = spread.data_parallel * spread.model_parallel * spread.pipeline_stage
            next_step = f"set it to 1 and data_parallel x model_parallel to {devices}"
            raise InputError(f"parallel_config.{key}", f"got {getattr(spread, key)}", "1", next_step)
    return Layout(
        data=spread.data_parallel if recipe.use_parallel else 1,
        tensor=spread.model_parallel if recipe.use_parallel else 1,
        shards_optimizer=recipe.use_parallel and recipe.parallel.enable_parallel_optimizer,
        recompute=bool(recipe.recompute_config.recompute),
        rows=recipe.train_batch_size,
        micro_batches=recipe.runner_config.gradient_accumulation_steps,
    )


def _check_split(network: Network, layout: Layout) -> None:
    if why := network.obstacle(layout.tensor):
        got, next_step = f"got {layout.tensor}", "correct it, or pass --device_num N to see every split"
        raise InputError("parallel_config.model_parallel", got, why, next_step)
