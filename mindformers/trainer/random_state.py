"""The random generators of a process, to go on drawing where an earlier run stopped."""

from __future__ import annotations

import random
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor


def random_state() -> dict[str, Any]:
    """The states of Python's, NumPy's and MindSpore's generators, as JSON can hold them."""
    kind, keys, *rest = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": [kind, keys.tolist(), *rest],
        "mindspore": ms.get_rng_state().asnumpy().tolist(),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Go back to a state of `random_state`; generators that it does not have stay as they are."""
    if "python" in state:
        version, keys, gauss = state["python"]
        random.setstate((version, tuple(keys), gauss))
    if "numpy" in state:
        np.random.set_state(tuple(state["numpy"]))
    if "mindspore" in state:
        ms.set_rng_state(Tensor(np.asarray(state["mindspore"], np.uint8)))
