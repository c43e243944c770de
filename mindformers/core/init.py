"""Random weights that depend on the seed and the parameter's name only, not on the order of building."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from mindspore import Tensor, nn


def initialize_parameters(net: nn.Cell, seed: int, spread: float) -> None:
    """Draw every matrix from a normal distribution; vectors (norms, biases) keep what they were built with.

    Args:
        net: the network.
        seed: of the drawing.
        spread: standard deviation.
    """
    for name, parameter in net.parameters_and_names():
        if parameter.ndim >= 2:
            parameter.set_data(Tensor(drawn(name, parameter.shape, seed, spread), parameter.dtype))


def drawn(name: str, shape: Sequence[int], seed: int, spread: float) -> np.ndarray:
    """The random values of one matrix, float32."""
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return generator.standard_normal(tuple(shape), np.float32) * np.float32(spread)
