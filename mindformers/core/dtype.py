"""Names of number types in recipes to MindSpore's, with what the device can do."""

from __future__ import annotations

from typing import Any

import mindspore as ms

from mindformers.tools.errors import unknown_name
from mindformers.tools.logging import get_logger

logger = get_logger(__name__)
_TYPES = {"float32": ms.float32, "float16": ms.float16, "bfloat16": ms.bfloat16}
_WARNED: set[str] = set()


def dtype_named(name: str, what: str, device_target: str | None = None) -> ms.Type:
    """The MindSpore type of a recipe's name.

    A CPU computes in float32 whatever the recipe says: half precision has slow or missing kernels there. That is said
    once per key.

    Args:
        name: `float32`, `float16` or `bfloat16`.
        what: the recipe's key, for messages.
        device_target: `CPU` or `Ascend`; the current context's by default.

    Raises:
        InputError: another name.
    """
    if name not in _TYPES:
        raise unknown_name(what, name, _TYPES)
    if (device_target or ms.get_context("device_target")) == "CPU" and name != "float32":
        if what not in _WARNED:
            _WARNED.add(what)
            logger.warning("%s: %s is computed in float32 on a CPU", what, name)
        return ms.float32
    return _TYPES[name]


def compute_and_param_types(config: Any) -> tuple:
    """The types of products and of weights on this device."""
    return (
        dtype_named(config.compute_dtype, "compute_dtype"),
        dtype_named(config.param_init_type, "param_init_type"),
    )
