"""The order that neurons are stored in, expert by expert, and how a checkpoint records it."""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np

from mindformers.models.llama.names import neurons_of
from mindformers.tools.errors import InputError

NEURON_ORDER = "neuron_order"


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
