"""Which document of a packed record a token belongs to."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops


class Documents(nn.Cell):
    """Documents, counted along a record: one begins at BOS, and behind a token that ends one.

        ids        x  y  E  B  z  E  B  w  0  0      B: BOS, E: EOS, 0: padding
        documents  0  0  0  1  1  1  2  2  2  2

    BOS alone is enough for what `llama_preprocess.py` writes; EOS is not the same, as every answer of a conversation
    ends with one.

    Args:
        bos_token_id: the token that begins a document.
        end_token_id: a token that ends one, for records whose documents have no BOS; None where they have.

    Inputs: ids int32 [B, S]. Returns: int32 [B, S].
    """

    def __init__(self, bos_token_id: int, end_token_id: int | None = None) -> None:
        super().__init__(auto_prefix=False)
        self.bos_token_id, self.end_token_id = bos_token_id, end_token_id

    def construct(self, ids: Tensor) -> Tensor:
        begins = ids == self.bos_token_id
        if self.end_token_id is not None:
            ends = ops.cast(ids == self.end_token_id, ms.int32)
            behind = ops.concat((ops.zeros_like(ends[:, :1]), ends[:, :-1]), 1)
            begins = ops.logical_or(begins, behind > 0)
        return ops.cumsum(ops.cast(begins, ms.int32), 1)
