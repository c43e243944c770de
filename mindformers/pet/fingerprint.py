"""What tells one set of weights from another: a digest of every tensor's shape and values, and one of them all.

Values are taken as float32, which float16 and bfloat16 fit in exactly. So the same weights in another container, order
or wider number type have the same digest, and one changed bit gives another.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from mindformers.tools.number_types import to_float32
from mindformers.tools.weight_files import WeightSource

_DIGITS = 32  # hexadecimal: 128 bits
_ROWS_AT_ONCE = 1024
_MOST_THREADS = 8  # each holds one tensor


def digests_of(source: WeightSource, names: Iterable[str]) -> dict[str, str]:
    """Name -> digest. Tensors are read one at a time by each of a few threads."""
    names = sorted(names)
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS)) as pool:
        return dict(zip(names, pool.map(partial(_digest_in, source), names), strict=True))


def digests_of_arrays(arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Name -> digest of arrays in memory."""
    return {name: digest(arrays[name]) for name in sorted(arrays)}


def whole_digest(digests: Mapping[str, str]) -> str:
    """One digest of named digests, e.g. `sha256:0f3a...`."""
    lines = "".join(f"{name} {digests[name]}\n" for name in sorted(digests))
    return "sha256:" + hashlib.sha256(lines.encode()).hexdigest()[:_DIGITS]


def digest(array: np.ndarray) -> str:
    """Of one array's shape and values."""
    found = hashlib.sha256(str(tuple(array.shape)).encode())
    rows = array.reshape(-1, array.shape[-1]) if array.ndim else array.reshape(1, 1)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        found.update(np.ascontiguousarray(to_float32(rows[start : start + _ROWS_AT_ONCE]), "<f4"))
    return found.hexdigest()[:_DIGITS]


def _digest_in(source: WeightSource, name: str) -> str:
    return digest(source.read(name))
