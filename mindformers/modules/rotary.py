"""Rotary position embedding (Su et al. 2021, equation 34) with the two common ways to reach longer texts."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from mindformers.tools.errors import unknown_name

EXTEND_METHODS = ("None", "PI", "NTK")


def rotary_tables(
    head_dim: int, length: int, theta: float = 10000.0, extend_method: str = "None", scaling_factor: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of every position's angles.

    Args:
        head_dim: d, even; dimension k turns together with k + d/2.
        length: number of positions.
        theta: base of the angles.
        extend_method: `None`; `PI` divides positions by the factor (Chen et al. 2023); `NTK` multiplies theta by
            factor^(d/(d-2)), so that the slowest angle is divided by the factor and the fastest is kept.
        scaling_factor: how many times longer the text may be.

    Returns:
        Two float32 arrays [length, d].
    """
    if extend_method not in EXTEND_METHODS:
        raise unknown_name("extend_method", extend_method, EXTEND_METHODS)
    if extend_method == "NTK":
        theta *= scaling_factor ** (head_dim / (head_dim - 2))
    positions = np.arange(length, dtype=np.float32) / (scaling_factor if extend_method == "PI" else 1.0)
    frequencies = (1.0 / theta ** (np.arange(0, head_dim, 2, dtype=np.float32) / head_dim)).astype(np.float32)
    angles = np.outer(positions, frequencies)
    angles = np.concatenate([angles, angles], axis=1)
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


class RotaryEmbedding(nn.Cell):
    """Holds the tables and hands out the rows that are needed.

    Inputs: length S (positions 0..S-1), or positions int32 [B] for one token of each row.
    Returns: cos and sin, [S, d] or [B, 1, 1, d], in `dtype`.
    """

    def __init__(self, head_dim: int, length: int, dtype: ms.Type = ms.float32, **extend: float | str) -> None:
        super().__init__()
        cos, sin = rotary_tables(head_dim, length, **extend)
        self.cos, self.sin = Tensor(cos, dtype), Tensor(sin, dtype)
        self.gather = ops.Gather()

    def construct(self, length: int, positions: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if positions is None:
            return self.cos[:length], self.sin[:length]
        shape = (-1, 1, 1, self.cos.shape[-1])
        return self.gather(self.cos, positions, 0).reshape(shape), self.gather(self.sin, positions, 0).reshape(shape)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn pairs (k, k + d/2) of x [..., S, d] by the angles of `cos` and `sin`, [S, d] or broadcastable."""
    first, second = ops.split(x, x.shape[-1] // 2, -1)
    turned = ops.concat((ops.neg(second), first), -1)
    return ops.cast(x * cos + turned * sin, x.dtype)
