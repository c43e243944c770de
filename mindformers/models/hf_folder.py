"""A Hugging Face folder: `config.json`, and weights in one file or in shards, read and written tensor by tensor."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file, write_json
from mindformers.tools.torch_files import TorchFile
from mindformers.tools.weight_files import Outgoing, SafetensorsFile, Stored, WeightSource, write_safetensors

CONFIG_NAME = "config.json"
_SAFE, _TORCH = "model.safetensors", "pytorch_model.bin"
_INDEX = ".index.json"
_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_MOST_NAMES = 5


def read_config(folder: Path) -> dict[str, Any]:
    """The content of `config.json`.

    Raises:
        InputError: there is none, or it is not a JSON object.
    """
    path = existing_file(folder / CONFIG_NAME, "--hf_dir")
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(str(path), f"is no JSON ({error})", "the model's configuration", "copy it again") from error
    if not isinstance(settings, dict):
        raise InputError(str(path), f"is a {type(settings).__name__}", "a JSON object", "copy it again")
    return settings


class HuggingFaceWeights:
    """The weights of a folder as one `WeightSource`.

    safetensors are taken before torch's files, as transformers does.

    Args:
        folder: the folder.

    Raises:
        InputError: there are no weights, a file of the index is missing, or one is damaged.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError("--hf_dir", f"'{folder}' is not a folder", "a Hugging Face model", "check the path")
        self.metadata: Mapping[str, str] = {}
        self.tensors: dict[str, Stored] = {}
        self._files: dict[str, WeightSource] = {}
        for name, file in _files_of(folder).items():
            self.tensors[name], self._files[name] = file.tensors[name], file

    def read(self, name: str) -> np.ndarray:
        """The tensor's values, read now."""
        return self._files[name].read(name)


def _files_of(folder: Path) -> dict[str, WeightSource]:
    for name in (_SAFE, _TORCH):
        if (folder / name).is_file():
            file = _open(folder / name)
            return dict.fromkeys(file.tensors, file)
        if (folder / f"{name}{_INDEX}").is_file():
            return _files_of_index(folder / f"{name}{_INDEX}")
    raise InputError(
        "--hf_dir",
        f"no weights in '{folder}'",
        f"{_SAFE} or {_TORCH}, or their shards with an index",
        "check that the download is whole",
    )


def _open(path: Path) -> WeightSource:
    return SafetensorsFile(path) if path.suffix == ".safetensors" else TorchFile(path)


def _files_of_index(index: Path) -> dict[str, WeightSource]:
    places = _read_index(index)
    shards = sorted(set(places.values()))
    missing = [shard for shard in shards if not (index.parent / shard).is_file()]
    if missing:
        got = f"names {listed(missing)}, not found beside it"
        raise InputError(f"'{index}'", got, f"all {len(shards)} shards", "download what is missing")
    files = {shard: _open(index.parent / shard) for shard in shards}
    strays = [name for name, shard in places.items() if name not in files[shard].tensors]
    if strays:
        raise InputError(f"'{index}'", f"{listed(strays)} not in the shard it names", "an index of these shards")
    return {name: files[shard] for name, shard in places.items()}


def _read_index(index: Path) -> dict[str, str]:
    try:
        places = json.loads(existing_file(index, "--hf_dir").read_text(encoding="utf-8"))["weight_map"]
        if not all(isinstance(shard, str) and Path(shard).name == shard for shard in places.values()):
            raise ValueError("a shard is no plain file name")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"'{index}'", f"is unreadable ({error})", "a 'weight_map'", "download it again") from error
    return places


def listed(names: Sequence[str]) -> str:
    """Some names for a message: the first few, and how many more there are."""
    shown = ", ".join(names[:_MOST_NAMES])
    return f"{shown} and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else shown


def parse_size(text: str) -> int:
    """Bytes of `5GB`, `200MB`, `1GiB` or a plain number. Raises InputError for anything else, and for 0."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]I?B)?", text.strip().upper())
    size = int(float(match[1]) * _UNITS[match[2] or ""]) if match else 0
    if size < 1:
        raise InputError("--max_shard_size", f"got '{text}'", "a size such as 5GB or 500MB", "correct the value")
    return size


def shards_of(tensors: Sequence[Outgoing], max_bytes: int) -> dict[str, list[Outgoing]]:
    """File name -> its tensors, in their order; a shard holds up to `max_bytes`, or one tensor that is larger."""
    groups: list[list[Outgoing]] = []
    free = 0
    for tensor in tensors:
        if not groups or tensor.stored.num_bytes > free:
            groups.append([])
            free = max_bytes
        groups[-1].append(tensor)
        free -= tensor.stored.num_bytes
    if len(groups) == 1:
        return {_SAFE: groups[0]}
    return {f"model-{i:05d}-of-{len(groups):05d}.safetensors": group for i, group in enumerate(groups, 1)}


def check_target(folder: Path, names: Sequence[str]) -> None:
    """Refuse a folder with weights that would stay beside the new ones and could be taken for them."""
    if folder.exists() and not folder.is_dir():
        raise InputError("--hf_dir", f"'{folder}' is a file", "a folder to write to", "name another")
    own = {*names, f"{_SAFE}{_INDEX}"} if len(names) > 1 else set(names)
    kinds = ("*.safetensors", f"*.safetensors{_INDEX}", "*.bin", f"*.bin{_INDEX}")
    others = sorted({path.name for kind in kinds for path in folder.glob(kind)} - own)
    if others:
        got = f"'{folder}' already holds {listed(others)}"
        raise InputError("--hf_dir", got, "a folder without other weights", "name another, or remove them")


def write_weights(folder: Path, shards: Mapping[str, list[Outgoing]], when_written: Callable[[], None]) -> None:
    """Write shards, with an index where there are several; `when_written` is called after each tensor."""
    for name, tensors in shards.items():
        write_safetensors(folder / name, tensors, {"format": "pt"}, when_written)
    if len(shards) > 1:
        total = sum(tensor.stored.num_bytes for tensors in shards.values() for tensor in tensors)
        places = {tensor.name: shard for shard, tensors in shards.items() for tensor in tensors}
        write_json(folder / f"{_SAFE}{_INDEX}", {"metadata": {"total_size": total}, "weight_map": places})
