"""What both directions of a conversion share: checking what is there, and making each weight when it is written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from mindformers.models.llama.hf_folder import listed
from mindformers.models.llama.names import neurons_of
from mindformers.tools.errors import InputError
from mindformers.tools.number_types import FLOAT_TYPES, converted, type_name
from mindformers.tools.weight_files import Outgoing, Stored

NEURON_ORDER = "neuron_order"
_BYTES_AT_ONCE = 2**22


@dataclass(frozen=True)
class Written:
    """What a conversion wrote.

    Args:
        num_weights: tensors.
        num_bytes: of all tensors.
        type_names: their number types.
    """

    num_weights: int
    num_bytes: int
    type_names: tuple[str, ...]

    @classmethod
    def of(cls, tensors: Iterable[Outgoing]) -> Written:
        """The sum of some tensors."""
        stored = [tensor.stored for tensor in tensors]
        names = tuple(dict.fromkeys(type_name(one.dtype) for one in stored))
        return cls(len(stored), sum(one.num_bytes for one in stored), names)

    def __str__(self) -> str:
        return f"{self.num_weights} weights, {self.num_bytes / 1e6:,.1f} MB, {' and '.join(self.type_names)}"


def check_tensors(where: str, found: Mapping[str, Stored], wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Hold tensors against a network.

    Args:
        where: the file or folder, for the message.
        found: what is there, without what may be left out.
        wanted: name -> shape.

    Raises:
        InputError: one line with what is missing, unexpected, of another shape or not of a float type.
    """
    both = [name for name in wanted if name in found]
    shapes = [f"{n} {list(found[n].shape)} instead of {list(wanted[n])}" for n in both if found[n].shape != wanted[n]]
    types = [f"{n} {type_name(found[n].dtype)}" for n in both if found[n].dtype not in FLOAT_TYPES.values()]
    problems = {
        "missing": [name for name in wanted if name not in found],
        "unexpected": [name for name in found if name not in wanted],
        "of another shape": shapes,
        "of a type that is not read": types,
    }
    lines = [f"{len(names)} {kind}: {listed(names)}" for kind, names in problems.items() if names]
    if lines:
        expected = f"the {len(wanted)} weights of the recipe's network"
        raise InputError(where, " / ".join(lines), expected, "correct model.model_config, or take other weights")


def in_type(array: np.ndarray, dtype: np.dtype, what: str) -> Iterable[np.ndarray]:
    """An array in another number type, block by block along the first axis, so that no second whole copy is made."""
    if array.dtype == dtype:
        return (array,)
    rows = max(1, _BYTES_AT_ONCE // max(1, array[:1].nbytes))
    return (converted(array[i : i + rows], dtype, what) for i in range(0, len(array), rows))


def reordered(name: str, array: np.ndarray, orders: np.ndarray | None) -> np.ndarray:
    """One of our weights with its neurons in another order.

    Args:
        name: our name; what is no feed-forward weight stays as it is.
        array: the values.
        orders: [layers, F], `orders[l, i]` is the present place of the neuron to be stored at i; None changes nothing.
    """
    place = neurons_of(name)
    if orders is None or place is None:
        return array
    layer, axis = place
    return np.take(array, orders[layer], axis)


def order_as_text(orders: np.ndarray) -> str:
    """The order [layers, F] as it stands in a checkpoint's head."""
    return json.dumps(orders.tolist(), separators=(",", ":"))


def recorded_order(where: str, metadata: Mapping[str, str], shape: tuple[int, int]) -> np.ndarray | None:
    """The order that a checkpoint's head records, int64 [layers, F]; None where there is none.

    Raises:
        InputError: it is no permutation of every layer's neurons.
    """
    text = metadata.get(NEURON_ORDER)
    if text is None:
        return None
    try:
        orders = np.array(json.loads(text), np.int64)
    except (ValueError, TypeError) as error:
        raise InputError(where, f"its {NEURON_ORDER} is unreadable ({error})", "numbers", "convert again") from error
    if orders.shape != shape or not np.array_equal(np.sort(orders, -1), np.tile(np.arange(shape[1]), (shape[0], 1))):
        expected = f"{shape[0]} layers of {shape[1]} neurons, each once"
        raise InputError(where, f"its {NEURON_ORDER} is {list(orders.shape)}", expected, "convert again")
    return orders
