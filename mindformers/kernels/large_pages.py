"""Weights in pages of 2 MiB: a token reads all of them, and with 4 KiB a page the TLB holds next to none."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable

import mindspore as ms
from mindspore import Parameter

# From Linux' mman.h; collapsing at once needs 6.1, before that the kernel does it some day.
_MADV_HUGEPAGE, _MADV_COLLAPSE = 14, 25
_LARGE_PAGE = 2 << 20


def use_large_pages(parameters: Iterable[Parameter]) -> int:
    """Ask Linux to hold the values of parameters in large pages; contents and addresses stay.

    A request only: where the system has no such pages, or none left, everything is as before. To be asked after the
    values are loaded, since loading may move them. Takes some two seconds a gigabyte.

    Args:
        parameters: on the CPU.

    Returns:
        Bytes that are in large pages now, as far as the system tells.
    """
    if not sys.platform.startswith("linux") or ms.get_context("device_target") != "CPU":
        return 0
    advise = ctypes.CDLL(None, use_errno=True).madvise
    return sum(_collapse(advise, start, end) for start, end in runs((p.data_ptr(), p.nbytes) for p in parameters))


def runs(places: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches of memory, start and end in bytes, that hold places given by address and size; what lies less than a
    large page apart is one stretch, as allocators put small tensors side by side."""
    merged: list[tuple[int, int]] = []
    for start, size in sorted(places):
        if merged and start - merged[-1][1] < _LARGE_PAGE:
            merged[-1] = (merged[-1][0], max(merged[-1][1], start + size))
        else:
            merged.append((start, start + size))
    return merged


def _collapse(advise: ctypes._CFuncPtr, start: int, end: int) -> int:
    """Only whole large pages inside the stretch can be had."""
    first, last = -(-start // _LARGE_PAGE) * _LARGE_PAGE, end // _LARGE_PAGE * _LARGE_PAGE
    if last <= first:
        return 0
    stretch = ctypes.c_void_p(first), ctypes.c_size_t(last - first)
    advise(*stretch, _MADV_HUGEPAGE)
    return 0 if advise(*stretch, _MADV_COLLAPSE) else last - first
