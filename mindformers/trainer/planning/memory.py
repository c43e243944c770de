"""Bytes on the fullest device, term by term, as the training step of this house holds them.

    weights, the optimizer's two moments [ / data-parallel devices where they share them ], sums over micro batches
    + at the beginning of the backward pass: kept activations, logits and loss
    | at its end:                            gradients of all weights, the largest one's update

An accelerator gives back what has had its last reader, so the larger of the two moments counts; kept activations go as
gradients come, so no moment between them needs more. A CPU gives back nothing before the step ends: both count.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from mindformers.models.footprint import BYTES, CPU, Batch
from mindformers.trainer.planning.network import Network

FLOAT32 = BYTES["float32"]
GB = 10**9
# The process with all its libraries, measured with a network of next to nothing.
_CPU_PROCESS = 0.61 * GB
# An assumption: driver, communication buffers and workspaces. The shipped recipes leave 6 of 64 GB to them and others.
_ACCELERATOR_RUNTIME = 2.0 * GB


@dataclass(frozen=True)
class Layout:
    """How a training is spread.

    Args:
        data: copies of the network.
        tensor: devices that share a copy.
        shards_optimizer: whether the copies share the optimizer's state.
        recompute: whether layers compute their activations a second time.
        rows: B, examples of a micro batch on a device.
        micro_batches: per step.
    """

    data: int = 1
    tensor: int = 1
    shards_optimizer: bool = False
    recompute: bool = False
    rows: int = 1
    micro_batches: int = 1

    @property
    def num_devices(self) -> int:
        """Devices in all."""
        return self.data * self.tensor

    def tokens_per_step(self, length: int) -> int:
        """Tokens that a step reads on all devices, padding included."""
        return self.data * self.rows * self.micro_batches * length


@dataclass(frozen=True)
class TrainingMemory:
    """Bytes on the fullest device. `peak` is what counts; see the module for how the terms meet."""

    weights: float
    gradients: float
    optimizer: float
    held_gradients: float
    activations: float
    working: float
    logits_and_loss: float
    update: float
    overhead: float
    peak: float

    def to_dict(self) -> dict[str, int]:
        """Term -> bytes."""
        return {name: round(value) for name, value in asdict(self).items()}


def training_memory(network: Network, layout: Layout, device: str) -> TrainingMemory:
    """What one step needs.

    Args:
        network: what is trained.
        layout: how it is spread.
        device: kind of device.
    """
    is_cpu, parts, trained = device == CPU, layout.tensor, [w for w in network.weights if w.is_trained]
    numbers = sum(w.size_on(parts) for w in trained)
    batch = Batch(layout.rows, network.config.seq_length, parts)
    found = network.footprint.activations(batch)
    kept = found.kept_by_recompute if layout.recompute else found.kept
    if network.lora is not None:
        added = network.footprint.adapter(batch, network.num_adapted_cells, network.lora.lora_dropout > 0)
        kept += added / network.config.num_layers if layout.recompute and not is_cpu else added
    weights = sum(w.bytes_on(parts) for w in network.weights)
    shares = layout.data if layout.shards_optimizer else 1
    gradients = _gradients(sum(w.bytes_on(parts) for w in trained), FLOAT32 * numbers / shares, layout, is_cpu)
    optimizer = 2.0 * FLOAT32 * numbers / shares
    held = FLOAT32 * numbers if layout.micro_batches > 1 else 0
    update = FLOAT32 * max((w.size_on(parts) for w in trained), default=0)
    overhead = _CPU_PROCESS if is_cpu else _ACCELERATOR_RUNTIME
    begin, end = kept + found.working + found.output, gradients + found.working + update
    varying = kept + found.output + gradients + update if is_cpu else max(begin, end)
    peak = weights + optimizer + held + overhead + varying
    return TrainingMemory(
        weights, gradients, optimizer, held, kept, found.working, found.output, update, overhead, peak
    )


def _gradients(own: float, added_up: float, layout: Layout, is_cpu: bool) -> float:
    """Over copies of the network they are added up in float32, bucket by bucket; with a shared optimizer a copy keeps
    its stretch of the sums alone. A CPU holds them as they came, joined in buckets, and added up."""
    if layout.data == 1:
        return own
    return 2 * own + added_up if is_cpu else max(own, added_up)


@dataclass(frozen=True)
class PredictionMemory:
    """Bytes on one device that answers with the whole network."""

    weights: float
    cache: float
    prefill: float
    overhead: float
    rows: int
    length: int

    @property
    def peak(self) -> float:
        """All of it together."""
        return self.weights + self.cache + self.prefill + self.overhead

    def to_dict(self) -> dict[str, int]:
        """Term -> bytes, and the batch."""
        return {name: round(value) for name, value in asdict(self).items()} | {"peak": round(self.peak)}


def prediction_memory(network: Network, rows: int, device: str) -> PredictionMemory:
    """What answering needs, with a cache for sequences of `seq_length`; an adapter is merged.

    Args:
        network: what answers.
        rows: prompts at once.
        device: kind of device.
    """
    length = network.config.seq_length
    cache, prefill = network.footprint.prediction(Batch(rows, length))
    weights = sum(w.bytes_on(1) for w in network.base.values())
    overhead = _CPU_PROCESS if device == CPU else _ACCELERATOR_RUNTIME
    return PredictionMemory(weights, cache if network.config.use_past else 0.0, prefill, overhead, rows, length)
