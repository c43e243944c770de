"""Weights in large pages: which stretches are asked for, and that nothing but the page size changes."""

from __future__ import annotations

import ctypes
import re
import sys
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor

from mindformers.kernels.large_pages import runs, use_large_pages

MIB = 1 << 20
SWITCH = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def test_neighbours_are_one_stretch_and_others_their_own() -> None:
    places = [(100 * MIB, 4 * MIB), (0, MIB), (MIB + 64, 3 * MIB), (103 * MIB, MIB)]
    assert runs(places) == [(0, 4 * MIB + 64), (100 * MIB, 104 * MIB)]


def test_a_place_inside_another_does_not_shorten_it() -> None:
    assert runs([(0, 8 * MIB), (MIB, MIB)]) == [(0, 8 * MIB)]


def test_values_and_addresses_stay() -> None:
    values = np.random.default_rng(0).standard_normal((3000, 1000), np.float32)
    weight = Parameter(Tensor(values), name="weight")
    before = weight.data_ptr()
    use_large_pages([weight])
    assert weight.data_ptr() == before
    np.testing.assert_array_equal(weight.asnumpy(), values)


@pytest.mark.skipif(
    not SWITCH.exists() or "[never]" in SWITCH.read_text(), reason="this system has no transparent large pages"
)
def test_the_system_holds_them_in_large_pages() -> None:
    weight = Parameter(Tensor(np.ones((8 * MIB // 4, 4), np.float32)), name="weight")
    given = use_large_pages([weight])
    if not given:
        pytest.skip("the system has no large page left, or a kernel before 6.1")
    assert 30 * MIB <= given <= 32 * MIB
    assert large_bytes_at(weight.data_ptr() + 16 * MIB) >= 28 * MIB


def test_elsewhere_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = Parameter(Tensor(np.ones((MIB, 4), np.float32)), name="weight")
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: pytest.fail("the system was asked"))
    monkeypatch.setattr(sys, "platform", "darwin")
    assert use_large_pages([weight]) == 0
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(ms, "get_context", lambda _: "Ascend")
    assert use_large_pages([weight]) == 0


def large_bytes_at(address: int) -> int:
    """Bytes in large pages of the mapping that holds an address."""
    found = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if span := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            found = int(span[1], 16) <= address < int(span[2], 16)
        elif found and line.startswith("AnonHugePages:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no mapping holds the address")
