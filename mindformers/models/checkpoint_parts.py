"""A checkpoint in several files, as the devices of a run have written them, read as one.

    m_rank_0-2_40.safetensors    the first device's part; its head tells how all is spread, and the seals of the others
    m_rank_1-2_40.safetensors    the next one's

The optimizer's state lies in files of the same names that end in `.state.safetensors`. While a checkpoint is saved
again under its name, files of the one before stand aside.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mindformers.parallel.layout import Layout, weight_of
from mindformers.tools.errors import InputError
from mindformers.tools.weight_files import SafetensorsFile, Stored

SUFFIX, ASIDE_SUFFIX, STATE_SUFFIX = ".safetensors", ".before.safetensors", ".state.safetensors"
PARTS, LAYOUT = "checkpoint_parts", "checkpoint_layout"  # texts of the first device's head
ANEW = "pass --resume_training False to start anew from these weights"
_RANK = re.compile(r"_rank_(\d+)-")


class PartedCheckpoint:
    """Arrays from the files of several devices, whole; a `WeightSource`.

    Args:
        files: rank -> its file.
        layout: how everything was spread.
    """

    def __init__(self, files: Mapping[int, SafetensorsFile], layout: Layout) -> None:
        self.files, self.layout, self.path = files, layout, files[0].path
        self.metadata = {name: text for name, text in files[0].metadata.items() if name != LAYOUT}
        self.tensors = {name: Stored(entry.dtype, self._shape(name, entry)) for name, entry in files[0].tensors.items()}

    def _shape(self, name: str, entry: Stored) -> tuple[int, ...]:
        return self.layout.shapes[weight_of(name)] if self.layout.is_spread(name) else entry.shape

    def check(self) -> None:
        """Hold every file against its seal. Raises InputError naming what is damaged."""
        for file in self.files.values():
            file.check()

    def read(self, name: str) -> np.ndarray:
        """All of an array."""
        if not self.layout.is_cut(name):
            return self._part(name, 0)
        return self.layout.whole_of_parts(name, [self._part(name, part) for part in range(self.layout.tensor)])

    def _part(self, name: str, part: int) -> np.ndarray:
        if not self.layout.is_stretched(name):
            return self.files[part].read(name)
        ranks = range(part, self.layout.data * self.layout.tensor, self.layout.tensor)
        return self.layout.part_of_stretches(name, [self.files[rank].read(name) for rank in ranks])


def whole_source(file: SafetensorsFile) -> SafetensorsFile | PartedCheckpoint:
    """The weights that a file is the first part of; the file itself where they are all in it.

    Raises:
        InputError: a part is missing or of another save.
    """
    text = file.metadata.get(LAYOUT)
    if text is None:
        return file
    others = {name: seal for name, seal in parts_of(file).items() if not name.endswith(STATE_SUFFIX)}
    return PartedCheckpoint({0: file} | _sealed_parts(file.path, others, file.what), Layout.from_text(text))


def whole_state(file: SafetensorsFile, what: str) -> PartedCheckpoint | None:
    """The training state that was saved with the weights whose first part a file is; None where all is in one file.

    Raises:
        InputError: a part is missing or of another save.
    """
    text = file.metadata.get(LAYOUT)
    if text is None:
        return None
    states = {name: seal for name, seal in parts_of(file).items() if name.endswith(STATE_SUFFIX)}
    return PartedCheckpoint(_sealed_parts(file.path, states, what), Layout.from_text(text))


def parts_of(file: SafetensorsFile) -> dict[str, str]:
    """File name -> seal of all that belongs to a checkpoint; empty where it was written elsewhere."""
    return json.loads(file.metadata.get(PARTS, "{}"))


def aside(path: Path) -> Path:
    """Where a file stands while another takes its place."""
    return path.with_name(path.name.removesuffix(SUFFIX) + ASIDE_SUFFIX)


def _sealed_parts(first: Path, seals: Mapping[str, str], what: str) -> dict[int, SafetensorsFile]:
    return {_rank_of(name): sealed_part(first.with_name(name), seal, what) for name, seal in seals.items()}


def _rank_of(name: str) -> int:
    return int(_RANK.findall(name)[-1])


def sealed_part(path: Path, seal: str, what: str) -> SafetensorsFile:
    """The file with this seal, at its place or set aside. Raises InputError where there is none."""
    for place in (path, aside(path)):
        if place.is_file() and (file := SafetensorsFile(place, what)).seal == seal:
            return file
    got = "is of another save than its weights" if path.is_file() else "not found"
    raise InputError(what, f"'{path}' {got}", "the file that was saved with them", ANEW)
