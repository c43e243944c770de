"""safetensors read and written one tensor at a time, so that a file larger than memory can be converted.

    | length of head, 8 bytes | head: JSON name -> dtype, shape, byte range | bytes of all tensors |

The head's length follows from the shapes alone, so its place is kept free and each tensor is made only when its turn
comes; what is written is sealed, see `seals`. Files are read, not mapped: mapped pages would count as memory of the
process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file, replaced_file
from mindformers.tools.number_types import BFLOAT16
from mindformers.tools.seals import DIGESTS, SEAL, blank_digest, checked_seal, digests_of, new_digest, sealed, texts_of

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
_BLOCK = 8 << 20  # bytes read at once where only the digest is wanted
_MOST_THREADS = 4


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
        path: the file; its head is read and held against its seal and the file's size at once.
        what: the key or flag that names the file, for messages.

    Attributes:
        seal: stands for all that is in the file; None where it was written elsewhere and has none.
        digests: of every tensor, empty where there is no seal.

    Raises:
        InputError: the file is missing, or cut, or its head does not describe it.
    """

    def __init__(self, path: str | Path, what: str = "weights") -> None:
        self.path, self.what = existing_file(path, what), what
        self.metadata: dict[str, str] = {}
        self.tensors: dict[str, Stored] = {}
        self.seal: str | None = None
        self.digests: dict[str, str] = {}
        self._starts: dict[str, int] = {}
        self._is_checked = False
        try:
            self._parse(self._read_head())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self._damaged(f"head is unreadable ({error})") from error

    def _read_head(self) -> bytes:
        with self.path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            self._begin, self._size = 8 + length, self.path.stat().st_size
            if length > _LARGEST_HEAD or self._begin > self._size:
                raise ValueError("its length is wrong")
            file.seek(0)
            return file.read(self._begin)

    def _parse(self, content: bytes) -> None:
        head = json.loads(content[8:])
        self.metadata = dict(head.pop(_METADATA, None) or {})
        self.seal = checked_seal(content, self.metadata)
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
        if self.seal:
            self.digests = dict(zip(self.tensors, digests_of(self.metadata), strict=True))
            del self.metadata[SEAL], self.metadata[DIGESTS]

    def _damaged(self, got: str) -> InputError:
        return InputError(self.what, f"'{self.path}' is damaged: {got}", "a whole safetensors file", _COPY_AGAIN)

    def check(self) -> None:
        """Hold every tensor against its digest, in several threads; a file without a seal passes.

        Raises:
            InputError: it names the first damaged tensor.
        """
        with ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS)) as threads:
            for _ in threads.map(self._check, self.digests):
                pass
        self._is_checked = True

    def _check(self, name: str) -> None:
        digest, left = new_digest(), self.tensors[name].num_bytes
        buffer = memoryview(bytearray(min(_BLOCK, left)))
        with self._opened_at(name) as file:
            while left:
                view = buffer[:left]
                self._fill(view, file, name)
                digest.update(view)
                left -= len(view)
        self._compare(name, digest.hexdigest())

    def read(self, name: str) -> np.ndarray:
        """The tensor's values, read now and held against their digest unless `check` has done that."""
        stored = self.tensors[name]
        array = np.empty(stored.shape, stored.dtype)
        view = memoryview(array.reshape(-1).view(np.uint8))
        with self._opened_at(name) as file:
            self._fill(view, file, name)
        if self.digests and not self._is_checked:
            digest = new_digest()
            digest.update(view)
            self._compare(name, digest.hexdigest())
        return array

    def _opened_at(self, name: str) -> BinaryIO:
        file = self.path.open("rb", buffering=0)
        file.seek(self._starts[name])
        return file

    def _fill(self, view: memoryview, file: BinaryIO, name: str) -> None:
        done = 0
        while done < len(view):
            count = file.readinto(view[done:])
            if not count:
                raise self._damaged(f"ends inside {name}")
            done += count

    def _compare(self, name: str, digest: str) -> None:
        if digest != self.digests[name]:
            raise self._damaged(f"{name} is not what was written")


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
) -> str:
    """Write tensors one by one, and seal them; the file appears only when it is whole.

    Args:
        path: the file.
        tensors: in the order in which they are made; types of more bytes are moved to the front, so that every tensor
            begins at a multiple of its type's size.
        metadata: texts to keep in the head.
        when_written: called after each tensor.

    Returns:
        The file's seal.
    """
    ordered = in_file_order(tensors)
    digests: list[str] = []
    blank = _head(ordered, texts_of([blank_digest()] * len(ordered)) | dict(metadata or {}))
    with replaced_file(path) as beside, beside.open("wb") as file, ThreadPoolExecutor(1) as hashing:
        file.seek(len(blank))
        for tensor in ordered:
            digests.append(_write(tensor, file, hashing))
            when_written()
        file.seek(0)
        head, seal = sealed(_head(ordered, texts_of(digests) | dict(metadata or {})))
        file.write(head)
    return seal


def in_file_order(tensors: Sequence[Outgoing]) -> list[Outgoing]:
    """The order in which `write_safetensors` makes and writes tensors."""
    return sorted(tensors, key=lambda tensor: -tensor.stored.dtype.itemsize)


def _write(tensor: Outgoing, file: BinaryIO, hashing: Executor) -> str:
    """Write a tensor while another thread computes its digest, which is returned."""
    digest = new_digest()
    for block in _checked(tensor):
        view = memoryview(block.reshape(-1).view(np.uint8))
        hashed = hashing.submit(digest.update, view)
        file.write(view)
        hashed.result()
    return digest.hexdigest()


def _head(tensors: Sequence[Outgoing], metadata: Mapping[str, str]) -> bytes:
    head: dict[str, object] = {_METADATA: metadata}
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
