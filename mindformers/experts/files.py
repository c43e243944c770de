"""The file of experts: `experts.npz` with `labels` [layers, F] and the settings they were made with."""

from __future__ import annotations

import json
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mindformers.experts.labels import check_labels
from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file, replaced_file

_WHAT = "experts file"
_REMAKE = "make it anew with split_experts"
# What NumPy and zipfile raise for damaged files: a wrong header alone can end in most of these.
UNREADABLE = (
    ValueError,
    OSError,
    EOFError,
    KeyError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
    tokenize.TokenError,
)


@dataclass(frozen=True)
class Experts:
    """The experts of a network.

    Args:
        labels: int32 [layers, F], the expert of each neuron.
        settings: how they were made: `method`, `num_experts`, `seed`, `source` and what the method adds.
    """

    labels: np.ndarray
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def num_experts(self) -> int:
        """E."""
        return int(self.settings["num_experts"])

    @property
    def num_layers(self) -> int:
        """Layers."""
        return self.labels.shape[0]

    @property
    def num_neurons(self) -> int:
        """F, neurons a layer."""
        return self.labels.shape[1]


def write_experts(path: str | Path, labels: np.ndarray, settings: Mapping[str, Any]) -> None:
    """Write `experts.npz`, whole or not at all.

    Args:
        path: the file.
        labels: whole numbers [layers, F].
        settings: anything JSON can hold; `num_experts` is derived from the labels where it is not given.

    Raises: InputError where the labels are not balanced.
    """
    labels = np.asarray(labels)
    settings = {"num_experts": _count_experts(labels), **settings}
    labels = check_labels(labels, settings["num_experts"], str(path))
    small = labels.astype(np.int8 if settings["num_experts"] <= 128 else np.int16)
    with replaced_file(path) as beside, beside.open("wb") as handle:
        np.savez_compressed(handle, labels=small, settings=np.array(json.dumps(settings)))


def read_experts(path: str | Path, expected_layers: int | None = None, expected_neurons: int | None = None) -> Experts:
    """Read `experts.npz`, or a file with `labels` alone as published for LLaMA-2-7B.

    Args:
        path: the file.
        expected_layers, expected_neurons: layers and feed-forward width of the network, where known.

    Raises: InputError for a file that is missing, damaged or holds pickled objects, and for labels that are not
        balanced or belong to another network.
    """
    path = existing_file(path, _WHAT)
    labels, settings = _read_arrays(path)
    settings = {"method": "published", "seed": None, "source": path.name} if settings is None else settings
    settings = {"num_experts": _count_experts(labels), **settings}
    if not isinstance(settings["num_experts"], int):
        raise InputError(str(path), f"settings.num_experts is {settings['num_experts']!r}", "a whole number", _REMAKE)
    return Experts(
        check_labels(labels, settings["num_experts"], str(path), expected_layers, expected_neurons), settings
    )


def _count_experts(labels: np.ndarray) -> int:
    return int(labels.max()) + 1 if labels.size and labels.dtype.kind in "iu" else 0


def _read_arrays(path: Path) -> tuple[np.ndarray, dict[str, Any] | None]:
    try:
        with np.lib.npyio.NpzFile(path, allow_pickle=False) as archive:
            labels = archive["labels"]
            text = str(archive["settings"]) if "settings" in archive else None
        settings = None if text is None else json.loads(text)
    except UNREADABLE as error:
        raise InputError(str(path), f"not a file of experts ({error})", "an .npz with 'labels'", _REMAKE) from error
    if settings is not None and not isinstance(settings, dict):
        raise InputError(str(path), "settings are not a JSON object", "method, num_experts, seed, source", _REMAKE)
    return labels, settings
