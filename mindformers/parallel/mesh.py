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

Ranks = tuple[int, ...]
_groups: dict[Ranks, str] = {}  # MindSpore's names of those that have been made


@dataclass(frozen=True)
class Group:
    """Devices that tell each other something.

    Args:
        size: how many.
        place: of this process among them.
        name: MindSpore's; empty where the process is alone.
    """

    size: int = 1
    place: int = 0
    name: str = ""


@dataclass(frozen=True)
class Mesh:
    """The devices of a run, as one of them sees it.

    Args:
        data: copies of the model.
        tensor: parts of a copy.
        rank: of this process.
    """

    data: int = 1
    tensor: int = 1
    rank: int = 0

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
    def data_ranks(self) -> Ranks:
        """The devices that hold the same part."""
        return tuple(range(self.tensor_rank, self.size, self.tensor))

    @property
    def tensor_ranks(self) -> Ranks:
        """The devices that hold one copy."""
        first = self.data_rank * self.tensor
        return tuple(range(first, first + self.tensor))

    @property
    def data_group(self) -> Group:
        """That of `data_ranks`."""
        return Group(self.data, self.data_rank, _groups.get(self.data_ranks, ""))

    @property
    def tensor_group(self) -> Group:
        """That of `tensor_ranks`."""
        return Group(self.tensor, self.tensor_rank, _groups.get(self.tensor_ranks, ""))

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
        if self.size == 1:
            return flag
        found = ops.AllReduce()(Tensor([float(flag)], ms.float32))
        return bool(found.asnumpy()[0])

    def wait(self) -> None:
        """Until all devices are here."""
        self.any(False)


ALONE = Mesh()


def join(recipe: Recipe) -> Mesh:
    """Meet the other processes of a run and make the groups; alone there is nothing to do."""
    if device_num() == 1:
        return ALONE
    if not _groups:
        init()
        _groups[tuple(range(device_num()))] = GlobalComm.WORLD_COMM_GROUP
    mesh = Mesh(recipe.parallel_config.data_parallel, recipe.parallel_config.model_parallel, rank())
    for ranks in (mesh.data_ranks, mesh.tensor_ranks):
        if len(ranks) > 1 and ranks not in _groups:
            _groups[ranks] = "_".join(map(str, ("group", *ranks)))
            create_group(_groups[ranks], list(ranks))
    return mesh
