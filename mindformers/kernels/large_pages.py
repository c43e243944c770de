"""Weights in pages of 2 MiB, each from a cache line on.

A token reads all weights, and with 4 KiB a page the TLB holds next to none of them; sixteen floats that lie across two
lines cost two reads.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor

_LARGE_PAGE, _LINE = 2 << 20, 64
_MOVED_TOGETHER = 128 << 20
_COPIED_AT_ONCE = 2 << 20  # floats
_C_LIBRARY = ctypes.CDLL(None)


def aligned_zeros(shape: Sequence[int], dtype: type = np.float32) -> np.ndarray:
    """Zeros [shape] that begin with a cache line, in large pages where the system has them."""
    (array,) = aligned_arrays([(tuple(shape), dtype)])
    return array


def aligned_arrays(forms: Sequence[tuple[tuple[int, ...], type]]) -> list[np.ndarray]:
    """Zeros of these shapes and types, side by side, each from a cache line on.

    The memory goes back to the system with the last of them.
    """
    sizes = [int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in forms]
    places = np.cumsum([0] + [-(-size // _LINE) * _LINE for size in sizes])
    # Private: what is shared gets no large pages.
    held = mmap.mmap(-1, int(places[-1]) + _LARGE_PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with suppress(OSError):  # a system without them: only slower
            held.madvise(mmap.MADV_HUGEPAGE)
    memory = np.frombuffer(held, np.uint8)
    first = -memory.ctypes.data % _LARGE_PAGE
    return [
        memory[first + place : first + place + size].view(dtype).reshape(shape)
        for (shape, dtype), place, size in zip(forms, places, sizes, strict=False)
    ]


def use_large_pages(parameters: Iterable[Parameter]) -> int:
    """Move the values of parameters, float32 ones on the CPU, into such memory; they stay what they are.

    To be asked after the values are loaded, since loading may move them. Takes up to a second a gigabyte, and for a
    moment memory for a part of them beside them.

    Returns:
        Bytes that have been moved.
    """
    if ms.get_context("device_target") != "CPU":
        return 0
    left = [parameter for parameter in parameters if parameter.dtype == ms.float32]
    moved = sum(parameter.nbytes for parameter in left)
    while left:
        num_bytes = np.cumsum([parameter.nbytes for parameter in left])
        count = 1 + int(np.searchsorted(num_bytes, _MOVED_TOGETHER))
        _move(left[:count])
        left = left[count:]
    return moved


def _move(parameters: Sequence[Parameter]) -> None:
    arrays = aligned_arrays([(parameter.shape, np.float32) for parameter in parameters])
    _copy([parameter.asnumpy() for parameter in parameters], arrays)
    for parameter, array in zip(parameters, arrays, strict=True):
        parameter.set_data(Tensor.from_numpy(array))
    if hasattr(_C_LIBRARY, "malloc_trim"):  # else what they left stays with the process
        _C_LIBRARY.malloc_trim(0)


def _copy(sources: Sequence[np.ndarray], arrays: Sequence[np.ndarray]) -> None:
    """With all processors, which share the first touch of the pages: that takes longest."""
    pieces = [
        (array.reshape(-1)[start : start + _COPIED_AT_ONCE], source.reshape(-1)[start : start + _COPIED_AT_ONCE])
        for array, source in zip(arrays, sources, strict=True)
        for start in range(0, array.size, _COPIED_AT_ONCE)
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(lambda piece: np.copyto(*piece), pieces))
