"""Cells around a network's own, for a device that holds a part of them.

x --- Enter --> part of the heads or neurons on every device --> Leave --- y
"""

from __future__ import annotations

from mindspore import Tensor, nn, ops

from mindformers.parallel.collectives import Enter, Leave
from mindformers.parallel.mesh import Group


class Part(nn.Cell):
    """A block whose first projections are cut by their outputs and whose last one by its inputs.

    Args:
        cell: the block, with its part of the weights.
        group: the devices that hold the others.

    Inputs: those of the block, its stream first. Returns: the block's result, the same on every device.
    """

    def __init__(self, cell: nn.Cell, group: Group) -> None:
        super().__init__(auto_prefix=False)
        self.cell, self.enter, self.leave = cell, Enter(group), Leave(group)

    def construct(self, x: Tensor, *others: Tensor | None) -> Tensor:
        return self.leave(self.cell(self.enter(x), *others))


class PartOfHead(nn.Cell):
    """A projection onto the vocabulary, cut by its tokens. Inputs: x [..., D]. Returns: scores of the own tokens."""

    def __init__(self, cell: nn.Cell, group: Group) -> None:
        super().__init__(auto_prefix=False)
        self.cell, self.enter = cell, Enter(group)

    def construct(self, x: Tensor) -> Tensor:
        return self.cell(self.enter(x))


class PartOfEmbedding(nn.Cell):
    """A table that is cut by its tokens: every device looks up its own, the others' rows are zero before the sum.

    Args:
        table: ids to rows, with its part of them; its `scores` are those of a tied head.
        num_rows: of the part.
        group: the devices that hold the others.

    Inputs: ids int32 [...]. Returns: [..., D].
    """

    def __init__(self, table: nn.Cell, num_rows: int, group: Group) -> None:
        super().__init__(auto_prefix=False)
        self.table, self.first, self.last = table, group.place * num_rows, num_rows - 1
        self.enter, self.leave = Enter(group), Leave(group)

    def construct(self, ids: Tensor) -> Tensor:
        place = ids - self.first
        own = ops.clamp(place, 0, self.last)
        rows = self.table(own)
        return self.leave(rows * ops.cast(own == place, rows.dtype).expand_dims(-1))

    def scores(self, hidden: Tensor) -> Tensor:
        """Hidden states [..., D] to scores of the own tokens."""
        return self.table.scores(self.enter(hidden))


class AgreedRouter(nn.Cell):
    """Chooses experts by their activations where every device holds some neurons of each.

    Args:
        router: with `scores` (h [T, F] to sums [T, E]) and `choose` (sums and k to a mask).
        group: the devices that hold the others.

    Inputs: the own activations h [T, F / parts]; k int32 [T, 1]. Returns: float mask [T, E], the same on every device.
    """

    def __init__(self, router: nn.Cell, group: Group) -> None:
        super().__init__(auto_prefix=False)
        self.router, self.choose, self.add_up = router, router.choose, ops.AllReduce(group=group.name)

    def construct(self, h: Tensor, k: Tensor) -> Tensor:
        scores = self.add_up(ops.stop_gradient(self.router.scores(h)))
        return ops.stop_gradient(ops.cast(self.choose(scores, k), h.dtype))
