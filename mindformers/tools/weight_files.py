"""safetensors read and written one tensor at a time, so that a file larger than memory can be converted.

    | length of head, 8 bytes | head: JSON name -> dtype, shape, byte range | bytes of all tensors |

The head follows from the shapes alone, so it is written first and each tensor is made only when its turn comes. Files
are read, not mapped: mapped pages would count as memory of the process.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Protocol

import numpy as np

from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file, replaced_file
from mindformers.tools.number_types import BFLOAT16

_TYPES: dict[str, np.dtype] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": BFLOAT16,
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
_CODES = {dtype: code for code, dtype in _TYPES.items()}
_METADATA = "__metadata__"
_LARGEST_HEAD = 100_000_000  # bytes, the format's own limit
_COPY_AGAIN = "copy or download it again"


@dataclass(frozen=True)
class Stored:
    """What is known of a tensor without reading it."""

    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def num_bytes(self) -> int:
        """Bytes of the whole tensor."""
        return prod(self.shape) * self.dtype.itemsize


class WeightSource(Protocol):
    """Tensors under names that are read one at a time.

    `tensors` says what is there; `metadata` are the file's own texts; `read` gives an array of that shape and dtype.
    """

    tensors: Mapping[str, Stored]
    metadata: Mapping[str, str]

    def read(self, name: str) -> np.ndarray:
        """The tensor's values."""


class SafetensorsFile:
    """A safetensors file as a `WeightSource`.

    Args:
        path: the file; its head is read and held against the file's size at once.

    Raises:
        InputError: the file is missing, or cut, or its head does not describe it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = existing_file(path, "weights")
        self.metadata: dict[str, str] = {}
        self.tensors: dict[str, Stored] = {}
        self._starts: dict[str, int] = {}
        try:
            self._parse(self._read_head())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(f"head is unreadable ({error})") from error

    def _read_head(self) -> dict:
        with self.path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            self._begin, self._size = 8 + length, self.path.stat().st_size
            if length > _LARGEST_HEAD or self._begin > self._size:
                raise ValueError("its length is wrong")
            return json.loads(file.read(length))

    def _parse(self, head: dict) -> None:
        self.metadata = dict(head.pop(_METADATA, None) or {})
        end = 0
        for name, entry in sorted(head.items(), key=lambda item: item[1]["data_offsets"]):
            if entry["dtype"] not in _TYPES:
                raise self._damaged(f"{name} has the type {entry['dtype']}, which is not read")
            stored = Stored(_TYPES[entry["dtype"]], tuple(map(int, entry["shape"])))
            start, stop = entry["data_offsets"]
            if start != end or stop - start != stored.num_bytes:
                raise ValueError(f"the place of {name} is wrong")
            self.tensors[name], self._starts[name], end = stored, self._begin + start, stop
        if self._begin + end != self._size:
            raise self._damaged(f"{self._size} bytes long, {self._begin + end} by its head")

    def _damaged(self, got: str) -> InputError:
        return InputError("weights", f"'{self.path}' is damaged: {got}", "a whole safetensors file", _COPY_AGAIN)

    def read(self, name: str) -> np.ndarray:
        """The tensor's values, read now."""
        stored = self.tensors[name]
        array = np.empty(stored.shape, stored.dtype)
        with self.path.open("rb", buffering=0) as file:
            file.seek(self._starts[name])
            view, done = memoryview(array.reshape(-1).view(np.uint8)), 0
            while done < len(view):
                count = file.readinto(view[done:])
                if not count:
                    raise self._damaged(f"ends inside {name}")
                done += count
        return array


@dataclass(frozen=True)
class Outgoing:
    """A tensor to be written.

    Args:
        name: under which name.
        stored: its type and shape.
        blocks: gives the values when they are asked for: arrays that follow each other along the first axis.
    """

    name: str
    stored: Stored
    blocks: Callable[[], Iterable[np.ndarray]]


def write_safetensors(
    path: str | Path,
    tensors: Sequence[Outgoing],
    metadata: Mapping[str, str] | None = None,
    when_written: Callable[[], None] = lambda: None,
) -> None:
    """Write tensors one by one; the file appears only when it is whole.

    Args:
        path: the file.
        tensors: in the order in which they are made; types of more bytes are moved to the front, so that every tensor
            begins at a multiple of its type's size.
        metadata: texts to keep in the head.
        when_written: called after each tensor.
    """
    ordered = sorted(tensors, key=lambda tensor: -tensor.stored.dtype.itemsize)
    with replaced_file(path) as beside, beside.open("wb") as file:
        file.write(_head(ordered, metadata))
        for tensor in ordered:
            for block in _checked(tensor):
                file.write(memoryview(block.reshape(-1).view(np.uint8)))
            when_written()


def _head(tensors: Sequence[Outgoing], metadata: Mapping[str, str] | None) -> bytes:
    head: dict[str, object] = {_METADATA: dict(metadata)} if metadata else {}
    end = 0
    for tensor in tensors:
        start, end = end, end + tensor.stored.num_bytes
        code = _CODES[tensor.stored.dtype]
        head[tensor.name] = {"dtype": code, "shape": list(tensor.stored.shape), "data_offsets": [start, end]}
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _checked(tensor: Outgoing) -> Iterator[np.ndarray]:
    written = 0
    for block in tensor.blocks():
        assert block.dtype == tensor.stored.dtype, f"{tensor.name}: {block.dtype} for {tensor.stored.dtype}"
        written += block.nbytes
        yield np.ascontiguousarray(block)
    assert written == tensor.stored.num_bytes, f"{tensor.name}: {written} bytes of {tensor.stored.num_bytes}"
