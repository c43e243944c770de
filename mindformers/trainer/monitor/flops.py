"""Operations of a training step, and what the device can do: their ratio is the utilisation (MFU)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache
from math import prod

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

_EMBEDDING = "embedding"
_SIZE, _REPEATS = 1536, 5


def flops_per_position(net: nn.Cell, shape: Callable[[Parameter], Sequence[int]] = lambda p: p.shape) -> float:
    """Operations of a network for every token read, forward and backward; a multiplication and an addition are two.

    As in Chowdhery et al. 2022, appendix B: 6 for every weight of a product and 12 L S D for the attention; what is
    computed twice to save memory, or left out as an expert that is not used, does not change the count. A weight that
    is frozen has no gradient of its own: 4 instead of 6.

    Args:
        net: with a `config` that says `num_layers`, `seq_length` and `hidden_size`.
        shape: of a weight as a whole, where this device has a part of it.
    """
    config = net.config
    products = sum(
        prod(shape(p)) * (6 if p.requires_grad else 4) for p in net.get_parameters() if p.ndim > 1 and _counts(p, net)
    )
    return products + 12.0 * config.num_layers * config.seq_length * config.hidden_size


def _counts(parameter: Parameter, net: nn.Cell) -> bool:
    """An embedding is looked up, not multiplied, unless it is the head as well."""
    return _EMBEDDING not in parameter.name or bool(getattr(net.config, "tie_word_embeddings", False))


def peak_flops(given_tflops: float | None) -> float | None:
    """Operations per second of one device: as the recipe says, else measured on a CPU, else None."""
    if given_tflops is not None:
        return 1e12 * given_tflops
    return _measured_peak() if ms.get_context("device_target") == "CPU" else None


@cache
def _measured_peak() -> float:
    """The fastest of a few square products in float32."""
    x = Tensor(np.ones((_SIZE, _SIZE), np.float32))
    multiply = ops.MatMul()
    times = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        multiply(x, x).asnumpy()
        times.append(time.perf_counter() - start)
    return 2.0 * _SIZE**3 / min(times)
