"""A linear layer with a low-rank addition, and tables with an addition to the rows of new tokens.

Each wraps a cell of the base, whose weights keep their names and stay as they are. What is added begins at zero.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops

from mindformers.modules.embedding import TokenEmbedding
from mindformers.modules.linear import Linear
from mindformers.pet.dropout import KeyedDropout


class LoraLinear(nn.Cell):
    """y = W x (+ b) + scale * B A dropout(x)  (Hu et al. 2021, equation 3).

    Args:
        base: the layer W.
        lora_a: A float32 [r, in].
        lora_b: B float32 [out, r].
        scale: alpha / r.
        dropout: of the inputs of A, in training; None for none.
        keep: the share of the inputs that the dropout keeps.

    Inputs: x [..., in]. Returns: [..., out] in the base's compute type.
    """

    def __init__(
        self,
        base: Linear,
        lora_a: Parameter,
        lora_b: Parameter,
        scale: float,
        dropout: KeyedDropout | None = None,
        keep: float = 1.0,
    ) -> None:
        super().__init__(auto_prefix=False)
        self.base, self.lora_a, self.lora_b, self.dropout = base, lora_a, lora_b, dropout
        self.in_features, self.compute_dtype = base.in_features, base.compute_dtype
        self.scale, self.training_scale = scale, scale / keep
        self.multiply = ops.MatMul(transpose_b=True)

    def construct(self, x: Tensor) -> Tensor:
        y = self.base(x)
        rows, scale = ops.cast(x, self.compute_dtype).reshape(-1, self.in_features), self.scale
        if self.training and self.dropout is not None:
            rows, scale = self.dropout(rows), self.training_scale
        low = self.multiply(rows, ops.cast(self.lora_a, self.compute_dtype)) * scale
        return y + self.multiply(low, ops.cast(self.lora_b, self.compute_dtype)).reshape(y.shape)


class NewRowsEmbedding(nn.Cell):
    """A table whose last rows have an addition of their own.

    Args:
        base: the table [V, D], or a part of its rows.
        new_rows: float32 [n, D], added to the last n rows of the whole table.
        first: which row of `base` gets the first of them; negative where that stands before this part.

    Inputs: ids int32 [...]. Returns: [..., D].
    """

    def __init__(self, base: TokenEmbedding, new_rows: Parameter, first: int) -> None:
        super().__init__(auto_prefix=False)
        self.base, self.new_rows = base, new_rows
        self.first, self.last = first, new_rows.shape[0] - 1
        self.gather = ops.Gather()

    def construct(self, ids: Tensor) -> Tensor:
        rows = self.base(ids)
        place = ids - self.first
        own = ops.clamp(place, 0, self.last)
        added = self.gather(self.new_rows, own, 0)
        return rows + ops.cast(added, rows.dtype) * ops.cast(own == place, rows.dtype).expand_dims(-1)

    def scores(self, hidden: Tensor) -> Tensor:
        """As `TokenEmbedding.scores`, of the rows as they are with their addition."""
        return add_from(self.first, self.base.scores(hidden), hidden, self.new_rows)


class NewRowsHead(nn.Cell):
    """A head onto V tokens whose last rows have an addition of their own.

    Args:
        base: a linear layer from D to V tokens or a part of them, wrapped or not.
        new_rows: float32 [n, D], added to the last n rows of the whole weight.
        first: as `NewRowsEmbedding`.

    Inputs: hidden states [..., D]. Returns: [..., V].
    """

    def __init__(self, base: nn.Cell, new_rows: Parameter, first: int) -> None:
        super().__init__(auto_prefix=False)
        self.base, self.new_rows, self.first = base, new_rows, first

    def construct(self, hidden: Tensor) -> Tensor:
        return add_from(self.first, self.base(hidden), hidden, self.new_rows)


def add_from(first: int, scores: Tensor, hidden: Tensor, new_rows: Parameter) -> Tensor:
    """Scores [..., V] with the product of hidden states [..., D] and rows [n, D] added to those from `first` on.

    Rows that would stand before the first score or behind the last one belong to other devices.
    """
    begin, end = max(first, 0), min(first + new_rows.shape[0], scores.shape[-1])
    if begin >= end:
        return scores
    weight = ops.cast(new_rows[begin - first : end - first], scores.dtype)
    rows = ops.cast(hidden, scores.dtype).reshape(-1, hidden.shape[-1])
    added = ops.Pad(((0, 0), (begin, scores.shape[-1] - end)))(ops.MatMul(transpose_b=True)(rows, weight))
    return scores + added.reshape(scores.shape)


def new_parameter(values: object, name: str) -> Parameter:
    """A trained float32 parameter of an adapter."""
    return Parameter(Tensor(values, ms.float32), name=name)
