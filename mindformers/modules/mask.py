"""Which keys a query may see."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops


class CausalMask(nn.Cell):
    """Keys up to the query itself, without padding in front of a row.

    Padding behind a row needs no mask, since no token of the row looks ahead; an id equal to the padding's inside a
    row (LLaMA pads with `<unk>`) stays visible. Of a packed row a query sees its own document only.

          keys  p p a b        p: padding
        q p     . . . .        a query of padding sees nothing of use; its output is never read
        q p     . . . .
        q a     . . x .
        q b     . . x x

          keys  a a b b        two documents
        q a     x . . .
        q a     x x . .
        q b     . . x .
        q b     . . x x

    Args:
        length: the longest S.
        pad_token_id: the id of padding.

    Inputs: ids int32 [B, S]; optionally the document of each, int32 [B, S], see `Documents`.
    Returns: bool [B, 1, S, S], 1 is visible.
    """

    def __init__(self, length: int, pad_token_id: int) -> None:
        super().__init__()
        self.causal = Tensor(np.tril(np.ones((length, length), np.bool_)))
        self.pad_token_id = pad_token_id

    def construct(self, ids: Tensor, documents: Tensor | None = None) -> Tensor:
        length = ids.shape[1]
        begun = ops.cumsum(ops.cast(ids != self.pad_token_id, ms.int32), 1) > 0
        visible = ops.logical_and(self.causal[:length, :length], begun.expand_dims(1))
        if documents is not None:
            visible = ops.logical_and(visible, documents.expand_dims(2) == documents.expand_dims(1))
        return visible.expand_dims(1)


class CachedMask(nn.Cell):
    """Keys of the cache up to the position that is being decoded.

    Args:
        length: the longest cache.

    Inputs: positions int32 [B] and L, the length of the cache. Returns: bool [B, 1, 1, L], 1 is visible.
    """

    def __init__(self, length: int) -> None:
        super().__init__()
        self.indices = Tensor(np.arange(length, dtype=np.int32).reshape(1, 1, 1, length))

    def construct(self, positions: Tensor, length: int) -> Tensor:
        return self.indices[:, :, :, :length] <= positions.reshape(-1, 1, 1, 1)
