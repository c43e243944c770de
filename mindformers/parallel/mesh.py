"""Where this process stands among the devices of a run: copies of the model by parts of a copy.

             tensor group: the devices that hold one copy together
              +-----+-----+
data rank 0   |  0  |  1  |      rank = data rank * tensor + tensor rank
data rank 1   |  2  |  3  |
              +-----+-----+
              data group: the devices that hold the same part, and share the batch (0 and 2, 1 and 3)
"""

from __future__ import annotations

from dataclasses import dataclass

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops
from mindspore.communication import GlobalComm, create_group, init

from mindformers.config import Recipe
from mindformers.parallel.device import device_num, rank

_joined: dict[tuple[int, int], Mesh] = {}


@dataclass(frozen=True)
class Mesh:
    """The devices of a run, as one of them sees it.

    Args:
        data: copies of the model.
        tensor: parts of a copy.
        rank: of this process.
        data_group, tensor_group: MindSpore's names of this process's groups; empty where it is alone in one.
    """

    data: int = 1
    tensor: int = 1
    rank: int = 0
    data_group: str = ""
    tensor_group: str = ""

    @property
    def size(self) -> int:
        """How many devices there are."""
        return self.data * self.tensor

    @property
    def data_rank(self) -> int:
        """Which copy of the model this process works on."""
        return self.rank // self.tensor

    @property
    def tensor_rank(self) -> int:
        """Which part of the copy it holds."""
        return self.rank % self.tensor

    @property
    def is_first(self) -> bool:
        """Whether this process writes what is written once."""
        return self.rank == 0

    def sum_over_data(self, values: np.ndarray) -> np.ndarray:
        """The sum of an array over all copies, in its own type, with the same bits on every device."""
        if self.size == 1:
            return values
        everyone = ops.AllGather()(Tensor(values[None])).asnumpy()  # of all devices: a CPU gathers in no other group
        return everyone[:: self.tensor].sum(0)

    def any(self, flag: bool) -> bool:
        """Whether a flag is set on any device. All must ask at the same moment; so it also waits for all of them."""
        found = Tensor(float(flag), ms.float32).reshape(1)
        for group in filter(None, (self.data_group, self.tensor_group)):
            found = ops.AllReduce(group=group)(found)
        return bool(found.asnumpy()[0])


ALONE = Mesh()


def join(recipe: Recipe) -> Mesh:
    """Meet the other processes of a run; alone there is nothing to do. Groups are made once in a process."""
    if device_num() == 1:
        return ALONE
    degrees = recipe.parallel_config.data_parallel, recipe.parallel_config.model_parallel
    if degrees not in _joined:
        if not _joined:
            init()
        _joined[degrees] = _with_groups(*degrees)
    return _joined[degrees]


def _with_groups(data: int, tensor: int) -> Mesh:
    own = rank()
    first, part = own - own % tensor, own % tensor
    return Mesh(
        data,
        tensor,
        own,
        _group(f"data_{data}x{tensor}_{part}", list(range(part, data * tensor, tensor))),
        _group(f"tensor_{data}x{tensor}_{first}", list(range(first, first + tensor))),
    )


def _group(name: str, ranks: list[int]) -> str:
    if len(ranks) == 1:
        return ""
    if len(ranks) == device_num():
        return GlobalComm.WORLD_COMM_GROUP
    create_group(name, ranks)
    return name
