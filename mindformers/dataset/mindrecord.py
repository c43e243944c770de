"""MindRecord files to batches, in an order that depends on seed and epoch only: training can resume anywhere."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mindformers.dataset.encode import IGNORE_ID
from mindformers.dataset.mindrecord_files import KNOWN_COLUMNS, check_alike, describe_files
from mindformers.dataset.proportions import parts_of
from mindformers.dataset.record_order import RecordOrder, Source, WeightedSource
from mindformers.dataset.record_reading import Batch, read_records, rebatched
from mindformers.tools.errors import InputError

_ROWS_AT_ONCE = 1 << 16  # whose places are held in memory


@dataclass(frozen=True)
class MindRecordBatches:
    """Batches of token ids and labels. Made by `open_mindrecord`, which says what the arguments mean.

    Args:
        sources: one, or those of a mixture.
        limit: rows of an epoch of a mixture, where they shall be fewer than there are records.
    """

    sources: tuple[Source, ...]
    batch_size: int
    shuffle: bool
    seed: int
    drop_remainder: bool
    num_workers: int
    skip: int
    num_shards: int
    shard_id: int
    pad_token_id: int
    limit: int | None = None

    @property
    def total(self) -> int:
        """Rows of an epoch on all devices together: as many as all sources have records."""
        total = sum(source.files.total for source in self.sources)
        return total if self.limit is None else min(total, self.limit)

    @property
    def record_length(self) -> int:
        """N, tokens per record; one more than the sequence length."""
        return self.sources[0].files.record_length

    @property
    def num_rows(self) -> int:
        """Records of all shards of the data."""
        return self.total

    @property
    def rows_at_once(self) -> int:
        """Records in the batches that all shards read at the same time."""
        return self.batch_size * self.num_shards

    @property
    def num_batches(self) -> int:
        """Batches of a whole epoch, the same for every shard."""
        return self.total // self.rows_at_once if self.drop_remainder else -(-self.total // self.rows_at_once)

    @property
    def is_mixture(self) -> bool:
        """Whether several sources take turns."""
        return len(self.sources) > 1

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[Batch]:
        """The batches of epoch 0, without the first `skip`."""
        return self.batches(0, self.skip)

    def batches(self, epoch: int, skip_batches: int = 0) -> Iterator[Batch]:
        """The batches of one epoch.

        Args:
            epoch: from 0; with `shuffle` every epoch has its own order, the same in every run of this seed.
            skip_batches: batches to leave out at the beginning, at no cost.

        Yields:
            `input_ids` and `labels`, int32 [B, N] each; the last batch may have fewer rows unless the remainder is
            dropped, and none at all where other shards have the rest.
        """
        has_labels = self.sources[0].files.has_labels
        for batch in rebatched(self._blocks(epoch, skip_batches * self.batch_size), self.batch_size):
            ids = batch["input_ids"].astype(np.int32, copy=False)
            labels = batch["labels"] if has_labels else labels_of_ids(ids, self.pad_token_id)
            yield {"input_ids": ids, "labels": labels.astype(np.int32, copy=False)}
        if -(-self._num_own_rows // self.batch_size) < self.num_batches and skip_batches < self.num_batches:
            none = np.zeros((0, self.record_length), np.int32)
            yield {"input_ids": none, "labels": none}

    def first(self, count: int) -> MindRecordBatches:
        """The same files, but only their first `count` records; of a mixture, epochs of so many rows."""
        if self.is_mixture:
            return replace(self, limit=min(self.total, count))
        (source,) = self.sources
        return replace(self, sources=(replace(source, files=source.files.first(count)),))

    def row_order(self, epoch: int) -> np.ndarray:
        """int64: the records of this shard in the order of one epoch, numbered through all files. What all shards read
        at once stands together."""
        places, _ = self._order.locate(epoch, np.arange(self.shard_id, self.total, self.num_shards))
        return np.cumsum([0, *self._order.sizes])[places.files] + places.rows

    def told_sources(self) -> list[list[Any]]:
        """Name, parts and records of every source of a mixture, as a checkpoint keeps them; of plain data nothing."""
        return [[one.name, one.parts, one.files.total] for one in self.sources] if self.is_mixture else []

    def drawn(self, epoch: int, num_batches: int) -> dict[str, int]:
        """How many rows each source has in the first batches of an epoch, on all devices together."""
        stop = min(num_batches * self.rows_at_once, self.total)
        spans = (np.arange(i, min(i + _ROWS_AT_ONCE, stop)) for i in range(0, stop, _ROWS_AT_ONCE))
        drawn = sum((self._order.count(epoch, rows) for rows in spans), np.zeros(len(self.sources), np.int64))
        return {source.name: int(count) for source, count in zip(self.sources, drawn, strict=True)}

    def _blocks(self, epoch: int, first_row: int) -> Iterator[Batch]:
        """Records from a row of this shard on, by one reader after the other with a bounded number of open files."""
        order = self._order
        columns = KNOWN_COLUMNS if self.sources[0].files.has_labels else KNOWN_COLUMNS[:1]
        stop = self._num_own_rows
        for first in range(first_row, stop, _ROWS_AT_ONCE):
            rows = np.arange(first, min(first + _ROWS_AT_ONCE, stop)) * self.num_shards + self.shard_id
            places, breaks = order.locate(epoch, rows)
            for begin, end in zip([0, *breaks], [*breaks, len(places.rows)], strict=True):
                part = places[begin:end]
                yield from read_records(order.paths, order.sizes, part, columns, self.batch_size, self.num_workers)

    @property
    def _num_own_rows(self) -> int:
        """Rows of an epoch that this shard reads."""
        return min(self.num_batches * self.batch_size, len(range(self.shard_id, self.total, self.num_shards)))

    @cached_property
    def _order(self) -> RecordOrder:
        seen = self.num_batches * self.rows_at_once if self.drop_remainder else self.total
        return RecordOrder(self.sources, self.seed if self.shuffle else None, seen)


def open_mindrecord(
    source: str | Path | Sequence[str | Path] | Sequence[WeightedSource],
    columns: Sequence[str] = KNOWN_COLUMNS,
    batch_size: int = 1,
    shuffle: bool = False,
    seed: int = 0,
    drop_remainder: bool = False,
    num_workers: int = 1,
    skip: int = 0,
    *,
    expected_length: int | None = None,
    num_samples: int | None = None,
    num_shards: int = 1,
    shard_id: int = 0,
    pad_token_id: int = 0,
) -> MindRecordBatches:
    """Open MindRecord files for reading in batches.

    Args:
        source: a file, a folder with MindRecord files, the name that a file in parts was written under, a pattern, or
            a list of these: however many files there are, few of them are open at a time (see `record_stream`). Or the
            sources of a mixture, which take turns by their weights (see `proportions`); an epoch of it has as many
            rows as all of them have records.
        columns: columns wanted: `input_ids`, and `labels` unless they shall be the ids with the padding masked, as
            they also are where the file has none. The published `molecular_mask` is accepted and not needed.
        batch_size: B, records per batch.
        shuffle: another order in every epoch.
        seed: of the order.
        drop_remainder: leave out a last batch that is not full.
        num_workers: reading threads; capped at the number of processors.
        skip: batches that `iter()` leaves out at the beginning.
        expected_length: N, the tokens a record must have.
        num_samples: use the first so many records only; of a mixture, make epochs of so many rows.
        num_shards, shard_id: use every `num_shards`-th record of an epoch's order, from `shard_id` on.
        pad_token_id: the id of padding, where labels are made from ids.

    Raises:
        InputError: a file is missing or no MindRecord, a column is missing, a record has another length than
            expected or than those of the other sources, or the files do not fill one batch.
    """
    if batch_size < 1:
        raise InputError("batch_size", str(batch_size), "1 or more", "")
    reader = MindRecordBatches(
        sources=_sources(source, columns),
        batch_size=batch_size,
        shuffle=shuffle,
        seed=seed,
        drop_remainder=drop_remainder,
        num_workers=max(min(num_workers, os.cpu_count() or 1), 1),
        skip=skip,
        num_shards=num_shards,
        shard_id=shard_id,
        pad_token_id=pad_token_id,
    )
    reader = reader.first(num_samples or reader.total)
    _check(reader, expected_length)
    return reader


def _sources(
    source: str | Path | Sequence[str | Path] | Sequence[WeightedSource], columns: Sequence[str]
) -> tuple[Source, ...]:
    mixed = [] if isinstance(source, str | Path) else [one for one in source if isinstance(one, WeightedSource)]
    if not mixed:
        return (Source("", describe_files(source, columns)),)
    files = [describe_files(one.files, columns) for one in mixed]
    for one, found in zip(mixed, files, strict=True):
        check_alike(found, files[0])
        if not found.total:
            got = f"no record in '{found.paths[0]}'"
            raise InputError(f"source '{one.name}'", got, "one or more", "check the path")
    parts = parts_of([one.weight for one in mixed])
    return tuple(Source(one.name, found, part) for one, found, part in zip(mixed, files, parts, strict=True))


def _check(reader: MindRecordBatches, expected_length: int | None) -> None:
    where, length = f"MindRecord '{reader.sources[0].files.paths[0]}'", reader.record_length
    if expected_length is not None and length != expected_length:
        got, expected = f"records of {length} tokens", f"{expected_length}, one more than seq_length"
        raise InputError(where, got, expected, f"set seq_length to {length - 1} or preprocess again")
    if not reader.num_batches:
        got, expected = f"{reader.num_rows} records", f"{reader.rows_at_once} or more"
        raise InputError(where, got, expected, "lower the batch size")


def labels_of_ids(ids: np.ndarray, pad_token_id: int = 0) -> np.ndarray:
    """Labels of records that have none: the ids, with the padding at the end as -100. int [B, N] both."""
    is_padding = np.logical_and.accumulate((ids == pad_token_id)[:, ::-1], axis=1)[:, ::-1]
    return np.where(is_padding, IGNORE_ID, ids)
