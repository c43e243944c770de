"""An adapter alone on the disk: `adapter_model.safetensors` and `adapter_config.json`, or a checkpoint of its training.

A checkpoint is one file, with the content of `adapter_config.json` in its head.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mindformers.config import decode, to_dict
from mindformers.models.checkpoint_parts import whole_source
from mindformers.pet.fingerprint import digests_of_arrays, whole_digest
from mindformers.pet.lora_config import LoraConfig
from mindformers.pet.names import LORA_A, LORA_B, NEW_ROWS
from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file, replaced_folder, write_json
from mindformers.tools.weight_files import Outgoing, SafetensorsFile, Stored, write_safetensors

MODEL_FILE, CONFIG_FILE = "adapter_model.safetensors", "adapter_config.json"
HEAD_ENTRY = "adapter"


@dataclass
class AdapterConfig:
    """What an adapter is, and what it fits.

    Args:
        pet_config: what LoRA trains.
        recipe: file name of the recipe that it was trained with.
        base_model: the base's file, as it was named then.
        base_model_hash: digest of all its weights, see `fingerprint`; learned routers do not count.
        vocab_size: rows of the vocabulary tables.
        base_vocab_size: those of them that are not new tokens'.
        new_token_rows: rows that have been trained in each table; 0 for none.
        ranks: linear layer -> r.
        versions: of the libraries that trained it.
        adapter_hash: digest of the adapter's own weights; empty in a checkpoint.
        base_weights: base weight -> digest, so that a refusal can say which one differs.
    """

    pet_config: LoraConfig
    recipe: str
    base_model: str
    base_model_hash: str
    vocab_size: int
    base_vocab_size: int
    new_token_rows: int
    ranks: dict[str, int]
    versions: dict[str, str]
    adapter_hash: str = ""
    base_weights: dict[str, str] = field(default_factory=dict)

    def as_text(self) -> str:
        """For the head of a checkpoint."""
        return json.dumps(to_dict(self), ensure_ascii=False, separators=(",", ":"))


@dataclass
class StoredAdapter:
    """An adapter as it was read.

    Args:
        path: the file with its weights.
        config: what it is.
        arrays: name -> values.
    """

    path: Path
    config: AdapterConfig
    arrays: dict[str, np.ndarray]

    @property
    def what(self) -> str:
        """For messages."""
        return f"adapter '{self.path}'"


def save_adapter(folder: str | Path, arrays: Mapping[str, np.ndarray], config: AdapterConfig) -> Path:
    """Write both files of an adapter into a folder, each whole or not at all; a half-replaced pair is noticed."""
    config = replace(config, adapter_hash=whole_digest(digests_of_arrays(arrays)))
    with replaced_folder(folder) as beside:
        outgoing = [Outgoing(name, Stored(a.dtype, a.shape), partial(list, (a,))) for name, a in arrays.items()]
        write_safetensors(beside / MODEL_FILE, outgoing, {"format": "mindspore"})
        write_json(beside / CONFIG_FILE, to_dict(config))
    return Path(folder)


def read_adapter(path: str | Path) -> StoredAdapter:
    """Read an adapter.

    Args:
        path: a folder with both files, its `adapter_model.safetensors`, or a checkpoint of LoRA training.

    Raises:
        InputError: there is none, or it is damaged.
    """
    path = Path(path)
    if path.is_dir():
        path = path / MODEL_FILE
    source = whole_source(SafetensorsFile(_existing(path), "--adapter"))
    if HEAD_ENTRY in source.metadata:
        content, where = source.metadata[HEAD_ENTRY], f"adapter '{path}'"
    else:
        beside = existing_file(path.with_name(CONFIG_FILE), "--adapter")
        content, where = beside.read_text(encoding="utf-8", errors="replace"), str(beside)
    config = _decoded(content, where)
    arrays = {name: source.read(name) for name in source.tensors}
    if config.adapter_hash and config.adapter_hash != whole_digest(digests_of_arrays(arrays)):
        got = f"its weights are not those that {CONFIG_FILE} was written for"
        raise InputError(f"adapter '{path}'", got, "both files of one adapter", "copy the whole folder again")
    _check_names(path, config, arrays)
    return StoredAdapter(path, config, arrays)


def _check_names(path: Path, config: AdapterConfig, arrays: Mapping[str, np.ndarray]) -> None:
    """Its products must be those of its settings, and whole."""
    ranks = {cell + part: rank for cell, rank in config.ranks.items() for part in (LORA_A, LORA_B)}
    rows = {name: config.new_token_rows for name in arrays if name.endswith(NEW_ROWS)}
    found = {name: array.shape[1 if name.endswith(LORA_B) else 0] for name, array in arrays.items() if array.ndim == 2}
    if found != ranks | rows or len(found) != len(arrays):
        got = f"its {len(arrays)} weights are not the {len(ranks)} that its settings name, with the rows of new tokens"
        raise InputError(f"adapter '{path}'", got, "a whole adapter", "copy it again")


def _existing(path: Path) -> Path:
    try:
        return existing_file(path, "--adapter")
    except InputError as error:
        expected = f"a folder with {MODEL_FILE} and {CONFIG_FILE}, or a checkpoint of LoRA training"
        raise InputError("--adapter", error.got, expected, "check the path") from error


def _decoded(content: str, where: str) -> AdapterConfig:
    try:
        mapping: Any = json.loads(content)
    except ValueError as error:
        raise InputError(where, f"is no JSON ({error})", "the adapter's own settings", "copy it again") from error
    if isinstance(mapping, dict) and "peft_type" in mapping and "base_model_hash" not in mapping:
        raise InputError(where, "written by PEFT", "an adapter of this program", "train one with pet_config")
    return decode(AdapterConfig, mapping, where)
