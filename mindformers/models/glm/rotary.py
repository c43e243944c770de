"""Rotary positions in two channels: the first half of a head turns by one, the second half by the other."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from mindformers.modules.rotary import rotate

_BASE = 10000.0


def half_tables(half_dim: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of the angles of half a head.

    The published frequencies are stored in half precision, and so are these, in whatever type the model computes:
    without the rounding a logit differs by up to 1e-2.

    Args:
        half_dim: d / 2; dimension k turns together with k + d/4.
        length: number of positions.

    Returns:
        Two float32 arrays [length, d/2].
    """
    powers = np.arange(0, half_dim, 2, dtype=np.float32) / half_dim
    frequencies = (1.0 / _BASE**powers).astype(np.float16).astype(np.float32)
    angles = np.outer(np.arange(length, dtype=np.float32), frequencies)
    angles = np.concatenate([angles, angles], axis=1)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


class TwoWayRotary(nn.Cell):
    """Holds the tables and hands out the rows that are needed.

    Inputs: first and second positions int32 [B, S]. Returns: cos and sin of either, four of [B, 1, S, d/2].
    """

    def __init__(self, head_dim: int, length: int, dtype: ms.Type = ms.float32) -> None:
        super().__init__()
        cos, sin = half_tables(head_dim // 2, length)
        self.cos, self.sin = Tensor(cos, dtype), Tensor(sin, dtype)
        self.gather = ops.Gather()

    def construct(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return (*self.rows_of(first), *self.rows_of(second))

    def rows_of(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """cos and sin [B, 1, S, d/2] of positions int32 [B, S]."""
        cos, sin = self.gather(self.cos, positions, 0), self.gather(self.sin, positions, 0)
        return cos.expand_dims(1), sin.expand_dims(1)


def rotate_halves(x: Tensor, angles: tuple[Tensor, Tensor, Tensor, Tensor]) -> Tensor:
    """Turn x [B, H, S, d], each half by its own angles from `TwoWayRotary`."""
    first, second = ops.split(x, x.shape[-1] // 2, -1)
    return ops.concat((rotate(first, angles[0], angles[1]), rotate(second, angles[2], angles[3])), -1)
