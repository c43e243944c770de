"""Many tensors in one message: a collective of small ones costs as much as that of their sum."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import mindspore as ms
from mindspore import Tensor, nn, ops

_BUCKET = 1 << 24  # float32 numbers, 64 MiB: large enough for full speed, small beside the weights


def buckets_of(sizes: Sequence[int], most: int = _BUCKET) -> list[list[int]]:
    """Indices of consecutive tensors that travel together: at most `most` numbers, unless one alone has more."""
    buckets: list[list[int]] = []
    filled = most
    for index, size in enumerate(sizes):
        if filled + size > most:
            buckets.append([])
            filled = 0
        buckets[-1].append(index)
        filled += size
    return buckets


class SumGradients(nn.Cell):
    """Gradients and sums of all copies of the model together.

    Args:
        shapes: of the gradients.
        group: the copies.

    Inputs: gradients; sums float32 [2]. Returns: the same, added up over the group, in float32.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], group: str) -> None:
        super().__init__(auto_prefix=False)
        self.shapes = [tuple(shape) for shape in shapes]
        self.sizes = [prod(shape) for shape in self.shapes]
        self.buckets = buckets_of(self.sizes)
        self.add_up = ops.AllReduce(group=group)

    def construct(self, gradients: tuple[Tensor, ...], sums: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        whole = ()
        for bucket in self.buckets:
            parts = ()
            for i in bucket:
                parts = (*parts, ops.cast(gradients[i], ms.float32).reshape(-1))
            added = self.add_up(ops.concat(parts))
            start = 0
            for i in bucket:
                whole = (*whole, added[start : start + self.sizes[i]].reshape(self.shapes[i]))
                start = start + self.sizes[i]
        return whole, self.add_up(sums)
