"""Weights of torch's `.bin` files, read without torch and without running anything that a file asks for.

Such a file is a zip: `NAME/data.pkl`, a pickle that says how tensors lie in storages, and `NAME/data/KEY`, the bytes of
each storage. A pickle may name any function to be called, so only the three names that a dictionary of tensors needs
are known here; any other name refuses the file before anything is called.
"""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file
from mindformers.tools.number_types import BFLOAT16
from mindformers.tools.weight_files import Stored

_STORAGES: dict[str, np.dtype] = {
    "DoubleStorage": np.dtype("<f8"),
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "BFloat16Storage": BFLOAT16,
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ShortStorage": np.dtype("<i2"),
    "CharStorage": np.dtype("i1"),
    "ByteStorage": np.dtype("u1"),
    "BoolStorage": np.dtype("?"),
}
_NEXT = "save the model as safetensors instead"


class _Refused(Exception):
    """The pickle asks for something that a dictionary of tensors does not need."""


@dataclass(frozen=True)
class _StorageType:
    dtype: np.dtype


@dataclass(frozen=True)
class _Storage:
    dtype: np.dtype
    key: str
    length: int


@dataclass(frozen=True)
class _Tensor:
    """A view of a storage. Offset and strides count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class TorchFile:
    """A `pytorch_model.bin` as a `WeightSource`; tensors are read from the zip when they are asked for.

    Args:
        path: the file, as `torch.save` writes a state dict since torch 1.6.

    Raises:
        InputError: the file is missing, damaged, of torch's older form, or its pickle names anything but tensors.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = existing_file(path, "weights")
        self.metadata: Mapping[str, str] = {}
        try:
            self._zip = zipfile.ZipFile(self.path)
            self._root = self._find_root()
            content = _TensorUnpickler(self._zip.open(f"{self._root}data.pkl")).load()
            self._views = {name: self._checked(name, value) for name, value in _items(content)}
        except _Refused as error:
            raise InputError(
                "weights", f"'{self.path}' is refused: {error}", "tensors and nothing else", _NEXT
            ) from error
        except Exception as error:  # a damaged pickle may fail in any way
            raise self._damaged(error) from error
        self.tensors = {name: Stored(view.storage.dtype, view.shape) for name, view in self._views.items()}

    def _damaged(self, error: Exception) -> InputError:
        reason = f"{type(error).__name__}: {error}"
        return InputError("weights", f"'{self.path}' cannot be read ({reason})", "a zip made by torch.save", _NEXT)

    def _find_root(self) -> str:
        pickles = [name for name in self._zip.namelist() if name.split("/")[1:] == ["data.pkl"]]
        if len(pickles) != 1:
            raise _Refused(f"it holds {len(pickles)} entries data.pkl")
        root = pickles[0].removesuffix("data.pkl")
        order = f"{root}byteorder"
        if order in self._zip.namelist() and self._zip.read(order).strip() != b"little":
            raise _Refused("its numbers are big-endian")
        return root

    def _checked(self, name: Any, view: Any) -> _Tensor:
        if not isinstance(name, str) or not isinstance(view, _Tensor):
            raise _Refused(f"entry {name!r} is a {type(view).__name__}, not a tensor")
        storage = view.storage
        last = view.offset + sum((n - 1) * step for n, step in zip(view.shape, view.strides, strict=True))
        if min((view.offset, *view.shape, *view.strides)) < 0 or (prod(view.shape) and last >= storage.length):
            raise _Refused(f"{name} reaches beyond its storage")
        entry = self._zip.getinfo(f"{self._root}data/{storage.key}")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != storage.length * storage.dtype.itemsize:
            raise _Refused(f"the storage of {name} is not {storage.length} plain numbers")
        return view

    def read(self, name: str) -> np.ndarray:
        """The tensor's values, read now and held against the zip's checksum."""
        view = self._views[name]
        try:
            data = self._zip.read(f"{self._root}data/{view.storage.key}")
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise self._damaged(error) from error
        flat = np.frombuffer(data, view.storage.dtype)[view.offset :]
        if not prod(view.shape):
            return np.empty(view.shape, view.storage.dtype)
        steps = [step * view.storage.dtype.itemsize for step in view.strides]
        return np.ascontiguousarray(np.lib.stride_tricks.as_strided(flat, view.shape, steps, writeable=False))


class _TensorUnpickler(pickle.Unpickler):
    """Knows three names; everything else in a pickle is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor
        if module == "torch" and name in _STORAGES:
            return _StorageType(_STORAGES[name])
        raise _Refused(f"it asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage_type, key, _, length = pid
        if kind != "storage" or not isinstance(storage_type, _StorageType) or not isinstance(length, int):
            raise _Refused("it refers to something that is not a storage")
        return _Storage(storage_type.dtype, str(key), length)


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    if not isinstance(storage, _Storage):
        raise _Refused("a tensor without a storage")
    return _Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def _items(content: Any) -> list[tuple[Any, Any]]:
    if not isinstance(content, dict):
        raise _Refused(f"it holds a {type(content).__name__}, not a dictionary")
    return list(content.items())
