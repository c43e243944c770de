"""Keys and values of earlier positions, kept in place."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from mindformers.modules.linear import empty_parameter


class KVCache(nn.Cell):
    """The cache of one layer for a fixed number of sequences, each in a slot of its own.

        slot 0   a b c d . . .       a prompt is filled in from position 0; what an earlier sequence has left behind it
        slot 1   e f . . . . .       is overwritten before it is ever visible

    Args:
        batch_size: B, slots.
        num_heads: G, key/value heads.
        length: L, the number of positions.
        head_dim: d.
        dtype: the type of the cached values.

    Inputs: keys and values [P, G, S, d] and where they belong. Prompts (S > 1) are filled in from position 0: `where`
    are their slots int32 [P], None for all slots in order. A decoded position (S = 1, P = B): `where` are the positions
    int32 [B].
    Returns: keys and values to attend to: those given when prompts are filled in, the whole cache [B, G, L, d] when
    one position is decoded.
    """

    def __init__(self, batch_size: int, num_heads: int, length: int, head_dim: int, dtype: ms.Type) -> None:
        super().__init__()
        self.shape = (batch_size, num_heads, length, head_dim)
        rows = batch_size * num_heads
        self.keys = empty_parameter((rows, length, head_dim), dtype, "keys", requires_grad=False)
        self.values = empty_parameter((rows, length, head_dim), dtype, "values", requires_grad=False)
        self.heads = Tensor(np.arange(num_heads, dtype=np.int32).reshape(1, num_heads, 1, 1))
        self.places = Tensor(np.arange(length, dtype=np.int32).reshape(1, 1, length, 1))
        self.all_slots = Tensor(np.arange(batch_size, dtype=np.int32))
        self.update = ops.ScatterNdUpdate()

    def construct(self, keys: Tensor, values: Tensor, where: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if keys.shape[2] > 1:
            slots = self.all_slots if where is None else where
            self.write(keys, values, slots, self.places[:, :, : keys.shape[2]])
            return keys, values
        self.write(keys, values, self.all_slots, where.reshape(-1, 1, 1, 1))
        return self.keys.reshape(self.shape), self.values.reshape(self.shape)

    def write(self, keys: Tensor, values: Tensor, slots: Tensor, places: Tensor) -> None:
        """Keys and values [P, G, S, d] into slots [P] at places [P or 1, 1, S, 1]."""
        rows = slots.reshape(-1, 1, 1, 1) * self.shape[1] + self.heads
        shape = (*keys.shape[:3], 1)
        where = ops.concat((ops.broadcast_to(rows, shape), ops.broadcast_to(places, shape)), 3).reshape(-1, 2)
        self.update(self.keys, where, keys.reshape(-1, keys.shape[3]))
        self.update(self.values, where, values.reshape(-1, keys.shape[3]))

    def rearrange(self, sources: Tensor) -> None:
        """Give every slot the contents of another one: sources int32 [B]."""
        rows = (sources.reshape(-1, 1) * self.shape[1] + self.heads.reshape(1, -1)).reshape(-1)
        ops.assign(self.keys, ops.gather(self.keys, rows, 0))
        ops.assign(self.values, ops.gather(self.values, rows, 0))
