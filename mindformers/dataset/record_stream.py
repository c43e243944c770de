"""One source of records as a stream without end: one pass after the other, each in an order of its own.

    up to 16 files      all records of a pass are shuffled together
    more files          their order is shuffled; then 16 files at a time are shuffled together:

        pass 0   | f7 f2 ... f9 | f4 f1 ... f6 | f3 ... |       only one group is open at a time
        pass 1   | f5 f9 ... f2 | ...

Where a record stands in its pass follows from seed, pass and position alone, so a stream can be entered anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mindformers.dataset.mindrecord_files import RecordFiles

FILES_AT_ONCE = 16


class RecordStream:
    """The records of some files.

    Args:
        files: the files.
        seed: of the order; None for the order of the files.
    """

    def __init__(self, files: RecordFiles, seed: Sequence[int] | None) -> None:
        self.files, self.seed = files, seed
        self._counts = np.asarray(files.counts, np.int64)
        self._held: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    @property
    def size(self) -> int:
        """Records of a pass."""
        return self.files.total

    def locate(self, number: int, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where the records at these positions of pass `number` stand.

        Args:
            number: the pass, from 0.
            positions: int64 [n], 0 to `size` - 1.

        Returns:
            Three int64 arrays [n]: the number of the file, the record's number in it, and a number that changes where
            other files are needed.
        """
        groups = self._groups(number)
        ends = np.cumsum([self._counts[group].sum() for group in groups])
        of_group = np.searchsorted(ends, positions, "right")
        files, rows = np.empty_like(positions), np.empty_like(positions)
        for place in np.unique(of_group):
            chosen = of_group == place
            first = ends[place - 1] if place else 0
            members, order = self._group(number, int(place), groups[place])
            found = order[positions[chosen] - first]
            before = np.cumsum(self._counts[members]) - self._counts[members]
            which = np.searchsorted(before, found, "right") - 1
            files[chosen], rows[chosen] = members[which], found - before[which]
        return files, rows, of_group + number * len(groups) if len(groups) > 1 else np.zeros_like(positions)

    def _groups(self, number: int) -> list[np.ndarray]:
        """The numbers of the files that are open together, group by group. Empty files belong to none."""
        order = np.flatnonzero(self._counts)
        if self.seed is not None and len(order) > FILES_AT_ONCE:
            order = np.random.default_rng([*self.seed, number, 0]).permutation(order)
        return [order[i : i + FILES_AT_ONCE] for i in range(0, len(order), FILES_AT_ONCE)]

    def _group(self, number: int, place: int, members: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The files of a group and the order of their records; the latest is kept."""
        if (number, place) not in self._held:
            size = int(self._counts[members].sum())
            is_only = len(members) == np.count_nonzero(self._counts)
            if self.seed is None:
                order = np.arange(size)
            else:
                key = [*self.seed, number] if is_only else [*self.seed, number, place + 1]
                order = np.random.default_rng(key).permutation(size)
            self._held = {(number, place): (members, order)}
        return self._held[number, place]
