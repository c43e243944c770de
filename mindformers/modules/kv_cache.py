"""Keys and values of earlier positions, kept in place."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from mindformers.modules.linear import empty_parameter


class KVCache(nn.Cell):
    """The cache of one layer for a batch of fixed size.

    Args:
        batch_size: B.
        num_heads: G, key/value heads.
        length: L, the number of positions.
        head_dim: d.
        dtype: the type of the cached values.

    Inputs: keys and values [B, G, S, d] and, when S is 1, positions int32 [B].
    Returns: keys and values to attend to: those given when a prompt is filled in (S > 1), the whole cache
    [B, G, L, d] when one position is decoded.
    """

    def __init__(self, batch_size: int, num_heads: int, length: int, head_dim: int, dtype: ms.Type) -> None:
        super().__init__()
        self.shape = (batch_size, num_heads, length, head_dim)
        rows = batch_size * num_heads
        self.keys = empty_parameter((rows, length, head_dim), dtype, "keys", requires_grad=False)
        self.values = empty_parameter((rows, length, head_dim), dtype, "values", requires_grad=False)
        self.rows = Tensor(np.arange(rows, dtype=np.int32).reshape(rows, 1))
        self.update = ops.ScatterNdUpdate()

    def construct(self, keys: Tensor, values: Tensor, positions: Tensor | None) -> tuple[Tensor, Tensor]:
        if keys.shape[2] == 1:
            return self.append(keys, values, positions)
        return self.fill(keys, values)

    def fill(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Begin anew with the keys and values of a prompt."""
        ops.assign(self.keys, self.widened(keys))
        ops.assign(self.values, self.widened(values))
        return keys, values

    def append(self, keys: Tensor, values: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Write one position of each row in place."""
        batch_size, num_heads, _, head_dim = self.shape
        of_rows = ops.tile(positions.reshape(batch_size, 1), (1, num_heads)).reshape(-1, 1)
        where = ops.concat((self.rows, of_rows), 1)
        self.update(self.keys, where, keys.reshape(-1, head_dim))
        self.update(self.values, where, values.reshape(-1, head_dim))
        return self.keys.reshape(self.shape), self.values.reshape(self.shape)

    def widened(self, x: Tensor) -> Tensor:
        """[B, G, S, d] to [B * G, L, d], zeros behind."""
        batch_size, num_heads, length, head_dim = self.shape
        rows = x.reshape(batch_size * num_heads, x.shape[2], head_dim)
        if x.shape[2] == length:
            return rows
        behind = ops.zeros((rows.shape[0], length - x.shape[2], head_dim), x.dtype)
        return ops.concat((rows, behind), 1)
