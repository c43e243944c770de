"""The number types of stored weights, with bfloat16, which numpy does not have.

bfloat16 is the upper half of a float32. Its arrays have the dtype `BFLOAT16`, a record of one 16-bit field: rows and
columns can be picked and joined as in any other array, and nobody takes it for a whole number.
"""

from __future__ import annotations

import numpy as np

from mindformers.tools.errors import InputError, unknown_name

BFLOAT16 = np.dtype([("bfloat16", "<u2")])
FLOAT_TYPES: dict[str, np.dtype] = {
    "float32": np.dtype("<f4"),
    "float16": np.dtype("<f2"),
    "bfloat16": BFLOAT16,
    "float64": np.dtype("<f8"),
}


def float_type(name: str, what: str) -> np.dtype:
    """The dtype called `name`. Raises InputError, naming `what`, for another name."""
    if name not in FLOAT_TYPES:
        raise unknown_name(what, name, FLOAT_TYPES)
    return FLOAT_TYPES[name]


def type_name(dtype: np.dtype) -> str:
    """`float16`, `bfloat16`, `int64`, ..."""
    return "bfloat16" if dtype == BFLOAT16 else dtype.name


def to_float32(array: np.ndarray) -> np.ndarray:
    """The values as float32: exact from float16 and bfloat16."""
    if array.dtype == BFLOAT16:
        return (array["bfloat16"].astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32, copy=False)


def converted(array: np.ndarray, dtype: np.dtype, what: str) -> np.ndarray:
    """The values in another type, rounded to the nearest (even at a tie); the array itself where nothing changes.

    Raises:
        InputError: a finite value that the type cannot hold; the message names `what`.
    """
    if array.dtype == dtype:
        return array
    values = to_float32(array)
    if dtype == BFLOAT16:
        return _to_bfloat16(values)
    with np.errstate(over="ignore"):
        result = values.astype(dtype)
    if dtype == FLOAT_TYPES["float16"] and not np.array_equal(np.isfinite(result), np.isfinite(values)):
        largest = np.abs(values[np.isfinite(values)]).max()
        raise InputError(
            what, f"holds {largest:g}", "float16 values, 65504 at most", "pass --dtype bfloat16 or float32"
        )
    return result


def _to_bfloat16(values: np.ndarray) -> np.ndarray:
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = (bits + (0x7FFF + ((bits >> 16) & 1))) >> 16
    quiet = (bits >> 16) | 0x40  # rounding could carry a not-a-number into infinity
    return np.where(np.isnan(values), quiet, rounded).astype(np.uint16).view(BFLOAT16)
