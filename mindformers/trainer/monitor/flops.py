"""Operations of a training step, and what the device can do: their ratio is the utilisation (MFU)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

_EMBEDDING = "embedding"
_SIZE, _REPEATS = 1536, 5


@dataclass(frozen=True)
class Flops:
    """Operations of a network, forward and backward, for the tokens that it reads.

    Args:
        per_position: for every token.
        per_pair: for every token and every token of its row.
    """

    per_position: float
    per_pair: float = 0.0

    def of(self, positions: int, length: int) -> float:
        """For so many tokens, padding included, in rows of `length` tokens."""
        return positions * (self.per_position + self.per_pair * length)


def flops_of(net: nn.Cell, shape: Callable[[Parameter], Sequence[int]] = lambda p: p.shape) -> Flops:
    """What a network computes for the tokens that it reads; a multiplication and an addition are two operations.

    As in Chowdhery et al. 2022, appendix B: 6 for every weight of a product and, in rows of S tokens, 12 L S D for the
    attention; what is computed twice to save memory, or left out as an expert that is not used, does not change the
    count. A weight that is frozen has no gradient of its own: 4 instead of 6.

    Args:
        net: with a `config` that says `num_layers` and `hidden_size`.
        shape: of a weight as a whole, where this device has a part of it.
    """
    config = net.config
    products = sum(
        prod(shape(p)) * (6 if p.requires_grad else 4) for p in net.get_parameters() if p.ndim > 1 and _counts(p, net)
    )
    return Flops(products, 12.0 * config.num_layers * config.hidden_size)


def _counts(parameter: Parameter, net: nn.Cell) -> bool:
    """An embedding is looked up, not multiplied, unless it is the head as well."""
    return _EMBEDDING not in parameter.name or bool(getattr(net.config, "tie_word_embeddings", False))


class Peak:
    """The most operations per second that the devices can do.

    Args:
        given_tflops: of one device, as the recipe says; None measures it on a CPU and leaves it unknown elsewhere.
        devices: that work together.

    Attributes:
        flops: of all together; None where it is not known.
    """

    def __init__(self, given_tflops: float | None = None, devices: int = 1) -> None:
        self.is_measured = given_tflops is None and ms.get_context("device_target") == "CPU"
        self.devices = devices
        given = None if given_tflops is None else 1e12 * given_tflops * devices
        self.flops = measured_peak() * devices if self.is_measured else given

    def share(self, flops: float) -> float | None:
        """The utilisation at so many operations per second, 0 to 1; None where the peak is not known.

        More than all was reached where something else had the processor while the peak was measured: it is measured
        again, and is at least what was reached.
        """
        if self.flops is None:
            return None
        if self.is_measured and flops > self.flops:
            self.flops = max(measured_peak() * self.devices, flops)
        return flops / self.flops


def measured_peak() -> float:
    """Operations per second of the fastest of a few square products in float32."""
    x = Tensor(np.ones((_SIZE, _SIZE), np.float32))
    multiply = ops.MatMul()
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        multiply(x, x).asnumpy()
        times.append(time.perf_counter() - start)
    return 2.0 * _SIZE**3 / min(times)
