"""Gradients of all devices together, and their norm over the whole network.

kind of weight       in every part            norm
cut                  its own                  added up over the parts
whole                the same gradient        counted once
shared               its part of a gradient   added up first, then as a whole one's
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import mindspore as ms
from mindspore import Tensor, nn, ops

from mindformers.kernels.training import half_square
from mindformers.parallel.collectives import scatter_sum
from mindformers.parallel.mesh import Mesh

_BUCKET = 1 << 24  # float32 numbers, 64 MiB: large enough for full speed, small beside the weights


def buckets_of(sizes: Sequence[int], most: int = _BUCKET) -> list[list[int]]:
    """Indices of consecutive tensors that travel in one message: at most `most` numbers, unless one alone has more."""
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
        mesh: the devices.
        shared: indices of weights that every part has whole, with a part of their gradient.

    Inputs: gradients; sums float32 [2]. Returns: the same, added up, in float32.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], mesh: Mesh, shared: Sequence[int] = ()) -> None:
        super().__init__(auto_prefix=False)
        self.shapes, self.shared = [tuple(shape) for shape in shapes], list(shared)
        self.sizes = [prod(shape) for shape in self.shapes]
        self.buckets = buckets_of(self.sizes) if mesh.data > 1 else []
        self.over_data = ops.AllReduce(group=mesh.data_group.name) if mesh.data > 1 else None
        self.over_parts = ops.AllReduce(group=mesh.tensor_group.name) if mesh.tensor > 1 else None

    def construct(self, gradients: tuple[Tensor, ...], sums: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        if self.over_data is not None:
            gradients, sums = self.of_all_copies(gradients), self.over_data(sums)
        for i in self.shared:
            added = self.over_parts(ops.cast(gradients[i], ms.float32))
            gradients = (*gradients[:i], added, *gradients[i + 1 :])
        return gradients, sums

    def of_all_copies(self, gradients: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The sums over the copies, bucket by bucket."""
        found = ()
        for bucket in self.buckets:
            flat = ()
            for i in bucket:
                flat = (*flat, ops.cast(gradients[i], ms.float32).reshape(-1))
            added = self.over_data(ops.concat(flat))
            start = 0
            for i in bucket:
                found = (*found, added[start : start + self.sizes[i]].reshape(self.shapes[i]))
                start = start + self.sizes[i]
        return found


class ScatterGradients(SumGradients):
    """As `SumGradients`, but every copy gets its own stretch of each gradient alone: float32 [ceil(size / copies)]."""

    def __init__(self, shapes: Sequence[tuple[int, ...]], mesh: Mesh, shared: Sequence[int] = ()) -> None:
        super().__init__(shapes, mesh, shared)
        self.count, self.scatter = mesh.data, scatter_sum(mesh.data_group)
        self.stretches = [-(-size // mesh.data) for size in self.sizes]

    def of_all_copies(self, gradients: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """The own stretches of the sums, bucket by bucket."""
        found = ()
        for bucket in self.buckets:
            rows = ()
            for i in bucket:
                rows = (*rows, in_stretches(ops.cast(gradients[i], ms.float32), self.count, self.stretches[i]))
            added = self.scatter(ops.concat(rows, 1))
            start = 0
            for i in bucket:
                found = (*found, added[start : start + self.stretches[i]])
                start = start + self.stretches[i]
        return found


def in_stretches(x: Tensor, count: int, length: int) -> Tensor:
    """The numbers of x as rows [count, length], zeros behind the last."""
    flat = x.reshape(-1)
    missing = count * length - flat.shape[0]
    if missing:
        flat = ops.concat((flat, ops.zeros((missing,), flat.dtype)))
    return flat.reshape(count, length)


class NormOfAll(nn.Cell):
    """sqrt of the sum of all squares of a network whose gradients are spread; the same bits on every device.

    Args:
        is_cut: for every weight, whether other devices of the tensor group have other parts of it.
        mesh: the devices.
        is_scattered: whether every copy has only its stretch of each gradient.

    Inputs: gradients, as `SumGradients` or `ScatterGradients` return them. Returns: float32 scalar.
    """

    def __init__(self, is_cut: Sequence[bool], mesh: Mesh, is_scattered: bool) -> None:
        super().__init__(auto_prefix=False)
        self.shares = [1.0 if cut else 1.0 / mesh.tensor for cut in is_cut]  # what all have is counted in shares
        self.half_square = half_square()
        self.over_data = ops.AllReduce(group=mesh.data_group.name) if is_scattered else None
        self.over_parts = ops.AllReduce(group=mesh.tensor_group.name) if mesh.tensor > 1 else None

    def construct(self, gradients: tuple[Tensor, ...]) -> Tensor:
        total = ops.zeros((1,), ms.float32)
        for i in range(len(self.shares)):
            total = total + self.half_square(ops.cast(gradients[i], ms.float32)) * self.shares[i]
        if self.over_data is not None:
            total = self.over_data(total)
        if self.over_parts is not None:
            total = self.over_parts(total)
        return ops.sqrt(2.0 * total).reshape(())
