"""What devices tell each other, as cells whose gradients are right where every device goes on with the same result.

              forward                 backward
    Enter     x                       sum of all gradients      into what is computed in parts: all read the same x
    Leave     sum of all x            the gradient              out of it: every part adds its share
    Gather    all x side by side      the own part of it

A CPU has all-reduce (of float32 sums) and all-gather alone; the one place that chooses another way is `scatter_sum`.
"""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops


class Enter(nn.Cell):
    """The same x for all parts. Inputs: x. Returns: x; its gradient is the sum of those of all parts."""

    def __init__(self, group: str) -> None:
        super().__init__(auto_prefix=False)
        self.add_up = ops.AllReduce(group=group)

    def construct(self, x: Tensor) -> Tensor:
        return x

    def bprop(self, x: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor]:
        """The sum over the group."""
        return (self.add_up(dout),)


class Leave(nn.Cell):
    """The sum of the shares of all parts. Inputs: x. Returns: the sum; its gradient goes to every part as it is."""

    def __init__(self, group: str) -> None:
        super().__init__(auto_prefix=False)
        self.add_up = ops.AllReduce(group=group)

    def construct(self, x: Tensor) -> Tensor:
        return self.add_up(x)

    def bprop(self, x: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor]:
        """Unchanged."""
        return (dout,)


class Gather(nn.Cell):
    """All x, one behind the other. Inputs: x [N, ...]. Returns: [group * N, ...]; x's gradient is its own part of it.

    Args:
        group: whose.
        place: of this device in it.
    """

    def __init__(self, group: str, place: int) -> None:
        super().__init__(auto_prefix=False)
        self.collect, self.place = ops.AllGather(group=group), place

    def construct(self, x: Tensor) -> Tensor:
        return self.collect(x)

    def bprop(self, x: Tensor, out: Tensor, dout: Tensor) -> tuple[Tensor]:
        """The own rows."""
        count = x.shape[0]
        return (dout[self.place * count : (self.place + 1) * count],)


class SumAndKeep(nn.Cell):
    """The all-reduce of rows of which only the own one is kept. Inputs: x [group, N]. Returns: [N]."""

    def __init__(self, group: str, place: int) -> None:
        super().__init__(auto_prefix=False)
        self.add_up, self.place = ops.AllReduce(group=group), place

    def construct(self, x: Tensor) -> Tensor:
        return self.add_up(x)[self.place]


class ScatterSum(nn.Cell):
    """As `SumAndKeep`, with half of its traffic. Inputs: x [group, N]. Returns: [N]."""

    def __init__(self, group: str) -> None:
        super().__init__(auto_prefix=False)
        self.scatter = ops.ReduceScatter(group=group)

    def construct(self, x: Tensor) -> Tensor:
        return self.scatter(x)[0]


def scatter_sum(group: str, place: int) -> nn.Cell:
    """Every device gets one row of the sum: by reduce-scatter, or where the device has none by all-reduce."""
    return SumAndKeep(group, place) if ms.get_context("device_target") == "CPU" else ScatterSum(group)
