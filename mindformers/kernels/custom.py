"""Functions of the native library as operators of MindSpore."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mindspore as ms
from mindspore import ops

Shape = tuple[int, ...]


def operator(
    library: Path,
    name: str,
    shapes: Callable[..., Shape | tuple[Shape, ...]],
    types: tuple[ms.Type, ...],
    num_outputs: int,
    bprop: Callable | None = None,
) -> ops.Custom:
    """A function of the library; `shapes` checks the shapes of what it gets and tells those of its float32 results."""

    def result_types(*got: ms.Type) -> ms.Type | tuple[ms.Type, ...]:
        for place, (arrived, expected) in enumerate(zip(got, types, strict=True)):
            if getattr(arrived, "element_type", lambda plain=arrived: plain)() != expected:
                raise TypeError(f"{name}, input {place}: got {arrived}, expected {expected}")
        return ms.float32 if num_outputs == 1 else (ms.float32,) * num_outputs

    return ops.Custom(f"{library}:{name}", shapes, result_types, "aot", bprop=bprop)


def check_shape(name: str, got: Shape, expected: Shape) -> None:
    """Raises ValueError, naming what has it, for another shape."""
    if tuple(got) != tuple(expected):
        raise ValueError(f"{name}: got shape {tuple(got)}, expected {tuple(expected)}")
