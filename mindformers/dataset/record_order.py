"""Which record each row of an epoch is, for one source or several that take turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from mindformers.dataset.mindrecord_files import RecordFiles
from mindformers.dataset.proportions import Proportions
from mindformers.dataset.record_reading import Places
from mindformers.dataset.record_stream import RecordStream


@dataclass(frozen=True)
class WeightedSource:
    """A source of a mixture as a user names it.

    Args:
        name: for messages and logs.
        weight: its share, beside those of the others; above 0.
        files: a file, folder, pattern or list of them.
    """

    name: str
    weight: float
    files: str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class Source:
    """A source whose files are known.

    Args:
        name: for messages and logs.
        files: its records.
        parts: how many draws of every turn it has; see `proportions`.
    """

    name: str
    files: RecordFiles
    parts: int = 1


class RecordOrder:
    """The order of rows, which depends on seed and epoch only.

    One source begins a new pass over its records with every epoch. The sources of a mixture go on where the last epoch
    ended: a large one shows records that it has not shown yet, a small one begins its next pass whenever it is through.

    Args:
        sources: one or more.
        seed: of the order; None for the order of the files.
        rows_per_epoch: rows from the beginning of an epoch to that of the next.
    """

    def __init__(self, sources: Sequence[Source], seed: int | None, rows_per_epoch: int) -> None:
        self.is_mixture, self.rows_per_epoch = len(sources) > 1, rows_per_epoch
        self.paths = [path for source in sources for path in source.files.paths]
        self.sizes = [size for source in sources for size in source.files.sizes]
        parts = [source.parts for source in sources]
        start = 0 if seed is None else int(np.random.default_rng(seed).integers(sum(parts)))
        self.proportions = Proportions(parts, start)
        self.streams = [
            RecordStream(source.files, None if seed is None else [seed, number] if self.is_mixture else [seed])
            for number, source in enumerate(sources)
        ]

    def count(self, epoch: int, rows: np.ndarray) -> np.ndarray:
        """How many of these rows, int64 [n], each source has: int64 [k]."""
        sources, _ = self.proportions.draws(epoch * self.rows_per_epoch + rows)
        return np.bincount(sources, minlength=len(self.streams))

    def locate(self, epoch: int, rows: np.ndarray) -> tuple[Places, list[int]]:
        """Where rows stand.

        Args:
            epoch: from 0.
            rows: int64 [n], increasing.

        Returns:
            The places, and those indices of `rows` from which on other files are needed.
        """
        sources, counts = self.proportions.draws(epoch * self.rows_per_epoch + rows)
        places = Places(np.empty_like(rows), np.empty_like(rows))
        breaks: set[int] = set()
        first_file = 0
        for number, stream in enumerate(self.streams):
            (mine,) = np.nonzero(sources == number)
            places.files[mine], places.rows[mine], groups = self._follow(stream, epoch, rows[mine], counts[mine])
            places.files[mine] += first_file
            first_file += len(stream.files.paths)
            breaks.update(mine[1:][groups[1:] != groups[:-1]].tolist())
        return places, sorted(breaks)

    def _follow(self, stream: RecordStream, epoch: int, rows: np.ndarray, counts: np.ndarray) -> list[np.ndarray]:
        """Of one stream's draws what `RecordStream.locate` says, for all its passes."""
        passes, positions = np.divmod(counts, stream.size) if self.is_mixture else (np.full_like(rows, epoch), rows)
        edges = np.flatnonzero(np.diff(passes, prepend=-1, append=-1)).tolist() if len(rows) else []
        found = [stream.locate(int(passes[begin]), positions[begin:end]) for begin, end in pairwise(edges)]
        return [np.concatenate([part[i] for part in found]) if found else rows for i in range(3)]
