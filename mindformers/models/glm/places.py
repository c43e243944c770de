"""Where a token stands, in two ways, and what it may see: both follow from the ids.

ids        a  b  c [gMASK] sop  x  y  eop        c = index of sop, m = index of the mask token
first      0  1  2    3     3   3  3   3         up to the mask token, and its place from sop on
second     0  0  0    0     1   2  3   4         counts from sop
visible    the prompt [0, c) to everyone, the answer to itself and what follows (Du et al. 2022, section 2.1)
"""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops


class Places(nn.Cell):
    """Positions and visibility of whole texts.

    Padding in front of a row is hidden and not counted. A row without sop is all prompt.

    Args:
        length: the longest S.
        bos_token_id: of sop.
        mask_token_id, gmask_token_id: of the two mask tokens; the first [gMASK] counts, else the first [MASK].
        pad_token_id: of padding.

    Inputs: ids int32 [B, S].
    Returns: first and second positions int32 [B, S]; visible bool [B, 1, S, S], 1 is visible; and int32 [B, 2], what
    decoding needs: the index of sop, and the first position of the answer.
    """

    def __init__(
        self, length: int, bos_token_id: int, mask_token_id: int, gmask_token_id: int, pad_token_id: int
    ) -> None:
        super().__init__()
        self.bos_token_id, self.pad_token_id = bos_token_id, pad_token_id
        self.mask_token_id, self.gmask_token_id = mask_token_id, gmask_token_id
        self.indices = Tensor(np.arange(length, dtype=np.int32).reshape(1, length))
        self.causal = Tensor(np.tril(np.ones((length, length), np.bool_)))

    def construct(self, ids: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        length = ids.shape[1]
        here = self.indices[:, :length]
        begun = ops.cumsum(ops.cast(ids != self.pad_token_id, ms.int32), 1) > 0
        padding = length - count_of(begun)
        sop = self.first_of(ids, self.bos_token_id)
        gmask, mask = self.first_of(ids, self.gmask_token_id), self.first_of(ids, self.mask_token_id)
        chosen = ops.select(gmask < length, gmask, ops.select(mask < length, mask, sop - 1))
        answer = ops.maximum(chosen - padding, 0)
        first = ops.select(here < sop, ops.maximum(here - padding, 0), ops.broadcast_to(answer, ids.shape))
        second = ops.maximum(here - sop + 1, 0)
        seen = ops.logical_or(self.causal[:length, :length], (here < sop).expand_dims(1))
        visible = ops.logical_and(seen, begun.expand_dims(1)).expand_dims(1)
        return first, second, visible, ops.concat((sop, answer), 1)

    def first_of(self, ids: Tensor, token_id: int) -> Tensor:
        """int32 [B, 1]: the index of a token's first occurrence; S where there is none."""
        before = ops.cumsum(ops.cast(ids == token_id, ms.int32), 1) == 0
        return count_of(before)


class PlaceCache(nn.Cell):
    """What decoding remembers of every slot's prompt: int32 [B, 2] as `Places` returns it."""

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self.places = Parameter(Tensor(np.zeros((batch_size, 2), np.int32)), name="places", requires_grad=False)
        self.all_slots = Tensor(np.arange(batch_size, dtype=np.int32))
        self.update = ops.ScatterNdUpdate()

    def construct(self, places: Tensor, slots: Tensor | None = None) -> Tensor:
        where = self.all_slots if slots is None else slots
        return self.update(self.places, where.reshape(-1, 1), places)

    def at(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """First and second positions int32 [B, 1] of tokens that stand at indices int32 [B]."""
        places = self.places + 0
        return places[:, 1:], ops.maximum(positions.reshape(-1, 1) - places[:, :1] + 1, 0)

    def rearrange(self, sources: Tensor) -> None:
        """Give every slot what another one remembers: sources int32 [B]."""
        ops.assign(self.places, ops.gather(self.places, sources, 0))


def count_of(flags: Tensor) -> Tensor:
    """int32 [B, 1]: how many of bool [B, S] are 1; a sum of int32 is int64, which caches do not hold."""
    return ops.cast(ops.cast(flags, ms.int32).sum(1, keepdims=True), ms.int32)
