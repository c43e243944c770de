"""The table of tokens: ids to rows, and, where a head shares it, hidden states to scores of all rows."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops

from mindformers.modules.linear import empty_parameter


class TokenEmbedding(nn.Cell):
    """Rows of a table [V, D]. Inputs: ids int32 [...]. Returns: [..., D] in `compute_dtype`."""

    def __init__(self, vocab_size: int, width: int, compute_dtype: ms.Type, param_dtype: ms.Type) -> None:
        super().__init__()
        self.compute_dtype = compute_dtype
        self.embedding_weight = empty_parameter((vocab_size, width), param_dtype, "embedding_weight")
        self.gather = ops.Gather()
        self.multiply = ops.MatMul(transpose_b=True)

    def construct(self, ids: Tensor) -> Tensor:
        return ops.cast(self.gather(self.embedding_weight, ids, 0), self.compute_dtype)

    def scores(self, hidden: Tensor) -> Tensor:
        """The product of hidden states [..., D] with every row, [..., V]: a head that is tied to the table."""
        weight = ops.cast(self.embedding_weight, hidden.dtype)
        products = self.multiply(hidden.reshape(-1, hidden.shape[-1]), weight)
        return products.reshape((*hidden.shape[:-1], weight.shape[0]))
