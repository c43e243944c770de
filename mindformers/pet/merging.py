"""An adapter added to the weights themselves, and taken off again: W +- alpha / r * B A, rows +- their addition.

The sum is made in float32 and rounded once to the weight's own type. Taking it off gives the base within that rounding,
not bit by bit; `UNMERGED` in the head then says which base the file stands for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
from mindspore import Tensor, nn

from mindformers.parallel.spreading import Spread
from mindformers.pet.adapter_file import StoredAdapter
from mindformers.pet.names import LORA_A, LORA_B, NEW_ROWS, cell_of, weight_of
from mindformers.tools.number_types import converted, to_float32
from mindformers.tools.weight_files import Stored, WeightSource

Sign = Literal[1, -1]


def changed_names(adapter: StoredAdapter, names: Iterable[str]) -> list[str]:
    """The base weights, of these, that an adapter adds to."""
    return [name for name in names if _has_product(adapter, name) or name + NEW_ROWS in adapter.arrays]


def _has_product(adapter: StoredAdapter, name: str) -> bool:
    cell = cell_of(name)
    return name == weight_of(cell) and cell + LORA_A in adapter.arrays


def merged(name: str, weight: np.ndarray, adapter: StoredAdapter, sign: Sign = 1) -> np.ndarray:
    """A base weight with the adapter's addition.

    Args:
        name: the weight's.
        weight: its values, of any float type.
        adapter: what is added.
        sign: 1 adds, -1 takes off.

    Returns:
        A new array of the weight's type, or the weight itself where the adapter has nothing for it.

    Raises:
        InputError: a sum that is too large for float16.
    """
    if not changed_names(adapter, [name]):
        return weight
    values, cell = to_float32(weight).copy(), cell_of(name)
    if _has_product(adapter, name):
        lora_a, lora_b = (adapter.arrays[cell + part].astype(np.float32, copy=False) for part in (LORA_A, LORA_B))
        settings = adapter.config.pet_config
        scale = np.float32(sign * settings.lora_alpha / settings.lora_rank)
        values += (lora_b * scale) @ lora_a
    if name + NEW_ROWS in adapter.arrays:
        rows = adapter.arrays[name + NEW_ROWS].astype(np.float32, copy=False)
        values[len(values) - len(rows) :] += sign * rows
    return converted(values, weight.dtype, name)


def merge_into(net: nn.Cell, adapter: StoredAdapter, spread: Spread | None = None) -> int:
    """Add an adapter to a network's weights in memory.

    Args:
        net: the network.
        adapter: what is added.
        spread: how the network is spread over the devices, all of which must call this.

    Returns:
        The number of weights changed.
    """
    spread = spread or Spread()
    parameters = {parameter.name: parameter for parameter in net.get_parameters()}
    names = changed_names(adapter, parameters)
    for name in names:
        parameter = parameters[name]
        values = merged(name, spread.whole(parameter), adapter)
        parameter.set_data(Tensor(spread.own(name, values), parameter.dtype))
    return len(names)


class AdaptedWeights:
    """A base with an adapter, as a `WeightSource`: each weight is merged when it is read.

    Args:
        base: the base.
        adapter: what is added to it.
        sign: 1 adds, -1 takes off.
    """

    def __init__(self, base: WeightSource, adapter: StoredAdapter, sign: Sign = 1) -> None:
        self.base, self.adapter, self.sign = base, adapter, sign
        self.tensors: Mapping[str, Stored] = base.tensors
        self.metadata: Mapping[str, str] = base.metadata

    def read(self, name: str) -> np.ndarray:
        """The values with the addition."""
        return merged(name, self.base.read(name), self.adapter, self.sign)
