"""Which splits fit, which of them is the best, and what is nearest where none does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mindformers.models.footprint import CPU
from mindformers.trainer.planning.memory import Layout, TrainingMemory, training_memory
from mindformers.trainer.planning.network import Network

_MOST_DEVICES = 1024


@dataclass(frozen=True)
class Candidate:
    """A layout and what it needs."""

    layout: Layout
    memory: TrainingMemory

    def fits(self, limit: float) -> bool:
        """Whether a device of `limit` bytes holds it."""
        return self.memory.peak <= limit


def candidates(network: Network, given: Layout, num_devices: int, device: str) -> list[Candidate]:
    """All splits of so many devices, the fastest first.

    What is computed twice costs a third of the step, so it counts most; then communication inside every layer; sharing
    the optimizer's state costs least.

    Args:
        network: what is trained.
        given: its micro batch is kept.
        num_devices: N.
        device: kind of device.
    """
    found = []
    for recompute in _recomputes(given, device):
        for tensor in (n for n in range(1, num_devices + 1) if num_devices % n == 0):
            if network.obstacle(tensor):
                continue
            data = num_devices // tensor
            for shards in (False, True) if data > 1 else (False,):
                layout = replace(given, data=data, tensor=tensor, shards_optimizer=shards, recompute=recompute)
                found.append(Candidate(layout, training_memory(network, layout, device)))
    return found


def _recomputes(given: Layout, device: str) -> tuple[bool, ...]:
    """On a CPU computing twice saves nothing, so the question is not asked there."""
    return (given.recompute,) if device == CPU else (False, True)


def best(found: list[Candidate], limit: float) -> Candidate | None:
    """The first that fits."""
    return next((candidate for candidate in found if candidate.fits(limit)), None)


def nearest(network: Network, given: Layout, num_devices: int, device: str, limit: float) -> Candidate | None:
    """What would fit where nothing does: smaller micro batches, else more devices; None where neither helps."""
    for rows, count in _ways(given.rows, num_devices):
        fitting = best(candidates(network, replace(given, rows=rows), count, device), limit)
        if fitting is not None:
            return fitting
    return None


def _ways(rows: int, num_devices: int) -> Iterator[tuple[int, int]]:
    smaller = rows
    while smaller > 1:
        smaller //= 2
        yield smaller, num_devices
    while num_devices < _MOST_DEVICES:
        num_devices *= 2
        yield rows, num_devices
        if rows > 1:
            yield 1, num_devices
