"""What all conversions of weights share: checking what is there, and making each weight when it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from mindformers.models.hf_folder import listed
from mindformers.tools.errors import InputError
from mindformers.tools.number_types import FLOAT_TYPES, converted, float_type, type_name
from mindformers.tools.weight_files import Outgoing, Stored, WeightSource

_BYTES_AT_ONCE = 2**22


@dataclass(frozen=True)
class Written:
    """What a conversion wrote.

    Args:
        num_weights: tensors.
        num_bytes: of all tensors.
        type_names: their number types.
    """

    num_weights: int
    num_bytes: int
    type_names: tuple[str, ...]

    @classmethod
    def of(cls, tensors: Iterable[Outgoing]) -> Written:
        """The sum of some tensors."""
        stored = [tensor.stored for tensor in tensors]
        names = tuple(dict.fromkeys(type_name(one.dtype) for one in stored))
        return cls(len(stored), sum(one.num_bytes for one in stored), names)

    def __str__(self) -> str:
        return f"{self.num_weights} weights, {self.num_bytes / 1e6:,.1f} MB, {' and '.join(self.type_names)}"


def check_tensors(where: str, found: Mapping[str, Stored], wanted: Mapping[str, tuple[int, ...]]) -> None:
    """Hold tensors against a network.

    Args:
        where: the file or folder, for the message.
        found: what is there, without what may be left out.
        wanted: name -> shape.

    Raises:
        InputError: one line with what is missing, unexpected, of another shape or not of a float type.
    """
    both = [name for name in wanted if name in found]
    shapes = [f"{n} {list(found[n].shape)} instead of {list(wanted[n])}" for n in both if found[n].shape != wanted[n]]
    types = [f"{n} {type_name(found[n].dtype)}" for n in both if found[n].dtype not in FLOAT_TYPES.values()]
    problems = {
        "missing": [name for name in wanted if name not in found],
        "unexpected": [name for name in found if name not in wanted],
        "of another shape": shapes,
        "of a type that is not read": types,
    }
    lines = [f"{len(names)} {kind}: {listed(names)}" for kind, names in problems.items() if names]
    if lines:
        expected = f"the {len(wanted)} weights of the recipe's network"
        raise InputError(where, " / ".join(lines), expected, "correct model.model_config, or take other weights")


def in_type(array: np.ndarray, dtype: np.dtype, what: str) -> Iterable[np.ndarray]:
    """An array in another number type, block by block along the first axis, so that no second whole copy is made."""
    if array.dtype == dtype:
        return (array,)
    rows = max(1, _BYTES_AT_ONCE // max(1, array[:1].nbytes))
    return (converted(array[i : i + rows], dtype, what) for i in range(0, len(array), rows))


def renamed(
    names: Mapping[str, str],
    source: WeightSource,
    dtype: str | None,
    change: Callable[[str, np.ndarray], np.ndarray] = lambda _, array: array,
) -> list[Outgoing]:
    """Weights to be written under other names, each read when it is written.

    Args:
        names: stored name -> name to write.
        source: where they are.
        dtype: `float32`, `float16` or `bfloat16`; None keeps each weight's own.
        change: from a stored name and its values to what is written.
    """
    wanted = float_type(dtype, "--dtype") if dtype else None

    def blocks(name: str, stored: Stored) -> Iterable[np.ndarray]:
        return in_type(change(name, source.read(name)), stored.dtype, name)

    outgoing = []
    for name, new in names.items():
        stored = Stored(wanted or source.tensors[name].dtype, source.tensors[name].shape)
        outgoing.append(Outgoing(new, stored, partial(blocks, name, stored)))
    return outgoing


def check_output(output: Path) -> None:
    """Raises InputError for a name that is not that of a .safetensors file to be written."""
    if output.suffix != ".safetensors" or output.is_dir():
        got = f"'{output}' is a folder" if output.is_dir() else f"'{output}'"
        raise InputError("--output", got, "the name of a .safetensors file", "correct the name")
