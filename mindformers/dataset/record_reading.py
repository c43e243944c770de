"""Records at given places of many MindRecord files, in that order, with few files open at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

Batch = dict[str, np.ndarray]


@dataclass(frozen=True)
class Places:
    """Where records stand: int64 [n], the number of each one's file and its number in there."""

    files: np.ndarray
    rows: np.ndarray

    def __getitem__(self, part: slice) -> Places:
        return Places(self.files[part], self.rows[part])


def read_records(
    paths: Sequence[str], sizes: Sequence[int], places: Places, columns: Sequence[str], size: int, num_workers: int
) -> Iterator[Batch]:
    """Read records through one MindSpore pipeline, which opens only the files that are needed.

    Args:
        paths: all files.
        sizes: records of each.
        places: the records, in the order wanted.
        columns: what is read.
        size: records that come at once; the last ones may be fewer.
        num_workers: reading threads.

    Yields:
        The columns, each [size, N].
    """
    from mindspore import dataset

    needed = np.unique(places.files)
    before = np.cumsum([0, *(sizes[file] for file in needed)])
    numbers = before[np.searchsorted(needed, places.files)] + places.rows
    data = dataset.MindDataset(
        [paths[file] for file in needed],
        columns_list=list(columns),
        sampler=dataset.SubsetSampler(numbers.tolist()),
        num_parallel_workers=num_workers,
    )
    data = data.batch(size, num_parallel_workers=1)
    yield from data.create_dict_iterator(num_epochs=1, output_numpy=True)


def rebatched(blocks: Iterator[Batch], size: int) -> Iterator[Batch]:
    """Blocks of any number of records as batches of `size`; the last one may have fewer."""
    held: Batch | None = None
    for block in blocks:
        if held is not None:
            block = {name: np.concatenate((held[name], block[name])) for name in block}
        count = len(next(iter(block.values())))
        whole = count - count % size
        for first in range(0, whole, size):
            yield {name: rows[first : first + size] for name, rows in block.items()}
        held = {name: rows[whole:] for name, rows in block.items()} if whole < count else None
    if held is not None:
        yield held
