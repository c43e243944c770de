"""What devices tell each other, as cells whose gradients are right where every device goes on with the same result.

              forward                 backward
    Enter     x                       sum of all gradients      into what is computed in parts: all read the same x
    Leave     sum of all x            the gradient              out of it: every part adds its share
    Gather    all x side by side      the own part of it

A CPU has the sum of float32 over any group and all-gather over all devices; `collect` and `scatter_sum` are the places
that choose between these and what the device has.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops
from mindspore.communication import GlobalComm

from mindformers.parallel.mesh import Group


class Enter(nn.Cell):
    """The same x for all parts. Inputs: x. Returns: x; its gradient is the sum of those of all parts."""

    def __init__(self, group: Group) -> None:
        super().__init__(auto_prefix=False)
        self.add_up = ops.AllReduce(group=group.name)

    def construct(self, x: Tensor) -> Tensor:
        return x

    def bprop(self, x: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor]:
        """The sum over the group."""
        return (self.add_up(dout),)


class Leave(nn.Cell):
    """The sum of the shares of all parts. Inputs: x. Returns: the sum; its gradient goes to every part as it is."""

    def __init__(self, group: Group) -> None:
        super().__init__(auto_prefix=False)
        self.add_up = ops.AllReduce(group=group.name)

    def construct(self, x: Tensor) -> Tensor:
        return self.add_up(x)

    def bprop(self, x: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor]:
        """Unchanged."""
        return (dout,)


class Gather(nn.Cell):
    """All x, one behind the other. Inputs: x [N, ...]. Returns: [size * N, ...]; x's gradient is its own part of it."""

    def __init__(self, group: Group) -> None:
        super().__init__(auto_prefix=False)
        self.collect, self.place = collect(group), group.place

    def construct(self, x: Tensor) -> Tensor:
        return self.collect(x)

    def bprop(self, x: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor]:
        """The own rows."""
        count = x.shape[0]
        return (dout[self.place * count : (self.place + 1) * count],)


class SumOfPlaces(nn.Cell):
    """All x, one behind the other, as a sum in which every device fills its own place; exact. Inputs: x [N, ...]."""

    def __init__(self, group: Group) -> None:
        super().__init__(auto_prefix=False)
        self.before, self.behind = group.place, group.size - group.place - 1
        self.add_up = ops.AllReduce(group=group.name)

    def construct(self, x: Tensor) -> Tensor:
        rows = (ops.cast(x, ms.float32),)
        if self.before:
            rows = (ops.zeros((self.before * x.shape[0], *x.shape[1:]), ms.float32), *rows)
        if self.behind:
            rows = (*rows, ops.zeros((self.behind * x.shape[0], *x.shape[1:]), ms.float32))
        return ops.cast(self.add_up(ops.concat(rows)), x.dtype)


class SumAndKeep(nn.Cell):
    """The sum of rows of which only the own one is kept. Inputs: x [size, N]. Returns: [N]."""

    def __init__(self, group: Group) -> None:
        super().__init__(auto_prefix=False)
        self.add_up, self.place = ops.AllReduce(group=group.name), group.place

    def construct(self, x: Tensor) -> Tensor:
        return self.add_up(x)[self.place]


class ScatterSum(nn.Cell):
    """As `SumAndKeep`, with half of its traffic. Inputs: x [size, N]. Returns: [N]."""

    def __init__(self, group: Group) -> None:
        super().__init__(auto_prefix=False)
        self.scatter = ops.ReduceScatter(group=group.name)

    def construct(self, x: Tensor) -> Tensor:
        return self.scatter(x)[0]


def collect(group: Group) -> nn.Cell | ops.AllGather:
    """x [N, ...] to those of all devices [size * N, ...]."""
    if _is_cpu() and group.name != GlobalComm.WORLD_COMM_GROUP:
        return SumOfPlaces(group)
    return ops.AllGather(group=group.name)


def scatter_sum(group: Group) -> nn.Cell:
    """Rows x [size, N], one for every device, to the own row of their sum [N]."""
    return SumAndKeep(group) if _is_cpu() else ScatterSum(group)


def _is_cpu() -> bool:
    return ms.get_context("device_target") == "CPU"
