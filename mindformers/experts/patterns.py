"""Import of the published experts: a folder of `patterns_<layer>.npy`, each bool [E, F], 1 = the neuron belongs.

Published beside Xiong et al. 2024 (2024.langmol-1.8) for LLaMA-2-7B: 32 files of [16, 11008]. The same partition is
also handed on as one `.npz` with `labels` [layers, F], which `read_published` takes as well.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from mindformers.experts.files import UNREADABLE, Experts, read_experts
from mindformers.experts.labels import check_labels
from mindformers.tools.errors import InputError

_NAME = re.compile(r"patterns_(0|[1-9]\d*)\.npy")
_FORM = "bool [experts, neurons]"


def read_published(
    path: str | Path, expected_layers: int | None = None, expected_neurons: int | None = None
) -> Experts:
    """The published experts from a folder of `patterns_<layer>.npy` or from an `.npz` with `labels`.

    Args:
        path: the folder or the file.
        expected_layers, expected_neurons: layers and feed-forward width of the network, where known.

    Raises: InputError as `read_patterns` and `read_experts` do.
    """
    path = Path(path)
    if path.is_file():
        return read_experts(path, expected_layers, expected_neurons)
    labels = read_patterns(path, expected_layers, expected_neurons)
    num_experts = int(labels.max()) + 1
    return Experts(labels, {"method": "published", "num_experts": num_experts, "seed": None, "source": path.name})


def read_patterns(
    folder: str | Path, expected_layers: int | None = None, expected_neurons: int | None = None
) -> np.ndarray:
    """Read every layer's patterns.

    Args:
        folder: holds `patterns_0.npy`, `patterns_1.npy`, ... without a gap.
        expected_layers, expected_neurons: layers and feed-forward width of the network, where known.

    Returns: labels int32 [layers, F].
    Raises: InputError for a gap in the numbering, a file that is damaged, pickled or of another form, a neuron that
        belongs to two experts or to none, experts of unequal size, and another network.
    """
    files = _numbered_files(Path(folder))
    patterns = [_read_pattern(file) for file in files]
    for file, pattern in zip(files, patterns, strict=True):
        if pattern.shape != patterns[0].shape:
            got, expected = f"patterns are {list(pattern.shape)}", f"{list(patterns[0].shape)} as in {files[0].name}"
            raise InputError(str(file), got, expected, "check that all files belong to one network")
    labels = np.stack([pattern.argmax(axis=0) for pattern in patterns])
    return check_labels(labels, len(patterns[0]), str(folder), expected_layers, expected_neurons)


def _numbered_files(folder: Path) -> list[Path]:
    """The files in the order of their layers."""
    if not folder.is_dir():
        raise InputError(
            "patterns_dir", f"'{folder}' is not a folder", "a folder with patterns_0.npy, ...", "check the path"
        )
    found = {int(match[1]): file for file in folder.iterdir() if (match := _NAME.fullmatch(file.name))}
    if not found:
        raise InputError(
            "patterns_dir", f"no patterns_*.npy in '{folder}'", "one file a layer, numbered from 0", "check it"
        )
    layers = sorted(found)
    missing = layers[-1] + 1 - len(layers)
    if missing:
        gap = next(place for place, layer in enumerate(layers) if place != layer)
        got = f"'{folder}' has no patterns_{gap}.npy ({missing} missing below patterns_{layers[-1]}.npy)"
        raise InputError("patterns_dir", got, "one file a layer, numbered from 0", "add the missing files")
    return [found[layer] for layer in layers]


def _read_pattern(file: Path) -> np.ndarray:
    """One layer's pattern, bool [E, F], in which every neuron belongs to exactly one expert."""
    try:
        pattern = np.load(file, allow_pickle=False)
    except UNREADABLE as error:
        raise InputError(str(file), f"cannot be read ({error})", f"a NumPy file, {_FORM}", "fetch it again") from error
    if not isinstance(pattern, np.ndarray) or pattern.dtype != np.bool_ or pattern.ndim != 2 or not pattern.size:
        form = f"{pattern.dtype} {list(pattern.shape)}" if isinstance(pattern, np.ndarray) else "an archive"
        raise InputError(str(file), f"patterns are {form}", _FORM, "fetch it again")
    _check_cover(pattern, file)
    return pattern


def _check_cover(pattern: np.ndarray, file: Path) -> None:
    experts = pattern.sum(axis=0)
    layer = _NAME.fullmatch(file.name)[1]
    for wrong, said in ((experts > 1, "belong to several experts"), (experts == 0, "belong to no expert")):
        if wrong.any():
            first = int(wrong.argmax())
            got = f"layer {layer}: {wrong.sum()} neurons {said}, the first is neuron {first} with {experts[first]}"
            raise InputError(str(file), got, "every neuron in exactly one expert", "fetch the file again")
