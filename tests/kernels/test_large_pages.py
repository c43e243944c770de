"""Weights in large pages, from a cache line on: nothing but their place changes."""

from __future__ import annotations

import gc
import re
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn, ops

from mindformers.kernels.large_pages import aligned_arrays, aligned_zeros, use_large_pages

MIB = 1 << 20
SWITCH = Path("/sys/kernel/mm/transparent_hugepage/enabled")


class Layer(nn.Cell):
    """Has a weight, which its other graph doubles."""

    def __init__(self, values: np.ndarray) -> None:
        super().__init__(auto_prefix=False)
        self.weight = Parameter(Tensor(values), name="weight")

    def construct(self, x: Tensor, doubles: bool) -> Tensor:
        if doubles:
            ops.assign(self.weight, self.weight * 2.0)
        return ops.matmul(x, self.weight)


def parameter_of(values: np.ndarray) -> Parameter:
    return Parameter(Tensor(values), name="weight")


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_arrays_lie_side_by_side_and_begin_with_a_line() -> None:
    first, second, empty = aligned_arrays([((3, 5), np.float32), ((7,), np.int32), ((0, 4), np.float32)])
    assert (first.shape, first.dtype, second.shape, second.dtype) == ((3, 5), np.float32, (7,), np.int32)
    assert empty.size == 0
    assert not first.any() and not second.any()
    assert first.ctypes.data % 64 == 0
    assert second.ctypes.data - first.ctypes.data == 64
    first[...], second[...] = 1.5, 7
    assert (first == 1.5).all()


def test_values_stay_and_begin_with_a_line() -> None:
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(shape, np.float32) for shape in ((300, 1000), (7,), (33, 5))]
    weights = [parameter_of(value) for value in values]
    assert use_large_pages(weights) == sum(value.nbytes for value in values)
    for weight, value in zip(weights, values, strict=True):
        assert weight.data_ptr() % 64 == 0
        np.testing.assert_array_equal(weight.asnumpy(), value)


def test_other_types_stay_where_they_are() -> None:
    weight = parameter_of(np.ones((4, 4), np.float16))
    before = weight.data_ptr()
    assert use_large_pages([weight]) == 0
    assert weight.data_ptr() == before


def test_graphs_compiled_before_see_the_values_and_change_them() -> None:
    mode = ms.get_context("mode")
    ms.set_context(mode=ms.GRAPH_MODE)
    try:
        layer, x = Layer(np.eye(3, dtype=np.float32)), Tensor(np.ones((1, 3), np.float32))
        layer(x, True)
        use_large_pages(layer.get_parameters())
        assert layer(x, True).asnumpy().tolist() == [[4.0] * 3]
        assert layer(x, False).asnumpy().tolist() == [[4.0] * 3]
        assert layer.weight.asnumpy()[0, 0] == 4.0
    finally:
        ms.set_context(mode=mode)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system does not tell a process's memory")
def test_the_memory_left_behind_goes_back() -> None:
    weights = [parameter_of(np.ones((MIB, 4), np.float32)) for _ in range(4)]
    use_large_pages(weights)
    before = resident_bytes()
    for _ in range(3):
        use_large_pages(weights)
    assert resident_bytes() - before < 48 * MIB
    del weights
    gc.collect()
    assert resident_bytes() - before < -32 * MIB


@pytest.mark.skipif(
    not SWITCH.exists() or "[never]" in SWITCH.read_text(), reason="this system has no transparent large pages"
)
def test_the_system_holds_them_in_large_pages() -> None:
    array = aligned_zeros((8 * MIB,))
    array[...] = 1.0
    assert large_bytes_at(array.ctypes.data + 16 * MIB) >= 28 * MIB


def test_elsewhere_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = parameter_of(np.ones((MIB, 4), np.float32))
    before = weight.data_ptr()
    monkeypatch.setattr(ms, "get_context", lambda _: "Ascend")
    assert use_large_pages([weight]) == 0
    assert weight.data_ptr() == before


def large_bytes_at(address: int) -> int:
    """Bytes in large pages of the mapping that holds an address."""
    found = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if span := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            found = int(span[1], 16) <= address < int(span[2], 16)
        elif found and line.startswith("AnonHugePages:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no mapping holds the address")
