"""Random weights that depend on the seed and the parameter's name only, not on the order of building."""

from __future__ import annotations

import zlib

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
        if parameter.ndim < 2:
            continue
        generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
        values = generator.standard_normal(parameter.shape, np.float32) * np.float32(spread)
        parameter.set_data(Tensor(values, parameter.dtype))
