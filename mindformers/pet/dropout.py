"""Dropout whose draws follow from a key alone, so that a resumed run draws what the uninterrupted one drew.

MindSpore's own operator counts its calls inside; that count cannot be saved. Here the host sets a key before every
step (see `step_key`), and an element at row t and column d is dropped where

    u(t, d) = mix(t, key) * c(d)  mod 2^32

is in the lowest share of the 32-bit numbers. c(d) are random odd numbers that belong to the layer and mix(t, key) is
odd, so both factors permute the numbers: elements of a row, of a column, and any two others are independent. mix is
x (2 x + 1) three times over, RC6's permutation (Rivest et al. 1998). All of it is int32 that wraps around: the same on
every device, and cheaper than a generator.
"""

from __future__ import annotations

import zlib

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from mindformers.pet.names import DROPOUT_KEY

_STRIDE = 0x9E3779B1 - 2**32  # between two rows' starting points: 2^32 over the golden ratio, as int32


def new_key() -> Parameter:
    """The key that all layers of a network share, int32 [1]."""
    return Parameter(Tensor(np.zeros(1, np.int32)), name=DROPOUT_KEY, requires_grad=False)


def step_key(*numbers: int) -> np.ndarray:
    """The key of one forward pass, int32 [1], from all that tells it from others, e.g. the seed and the step."""
    return np.random.SeedSequence(numbers).generate_state(1, np.uint32).view(np.int32)


def random_columns(width: int, seed: int, name: str) -> np.ndarray:
    """The numbers c of a layer's inputs, int32 [D], by the seed and the layer's name."""
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return generator.integers(0, 2**32, width, np.uint32).view(np.int32) | 1


class KeyedDropout(nn.Cell):
    """Sets a share of the elements to zero; the others are not scaled.

    Args:
        share: at least 0 and below 1.
        key: from `new_key`.
        columns: c, int32 [D], from `random_columns`.

    Inputs: x [T, D]. Returns: [T, D].
    """

    def __init__(self, share: float, key: Parameter, columns: np.ndarray) -> None:
        super().__init__(auto_prefix=False)
        self.key, self.lowest_kept = key, int(share * 2**32) - 2**31
        self.columns = Tensor(columns)

    def construct(self, x: Tensor) -> Tensor:
        return x * ops.cast(self.draws(x.shape[0]) >= self.lowest_kept, x.dtype)

    def draws(self, num_rows: int) -> Tensor:
        """u, int32 [T, D]."""
        x = ops.cast(ops.arange(num_rows), ms.int32) * _STRIDE + self.key
        x = x * (2 * x + 1)
        x = x * (2 * x + 1)
        x = x * (2 * x + 1)
        return (2 * x + 1).expand_dims(1) * self.columns
