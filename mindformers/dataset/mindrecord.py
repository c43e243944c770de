"""MindRecord files to batches, in an order that depends on seed and epoch only: training can resume anywhere."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mindformers.dataset.encode import IGNORE_ID
from mindformers.tools.errors import InputError, unknown_name
from mindformers.tools.files import existing_file

_SHARD = re.compile(r".*\.mindrecord\d*")
_IGNORED_COLUMNS = ("molecular_mask",)  # of the published files: the modality is known from the id
_KNOWN_COLUMNS = ("input_ids", "labels")


@dataclass(frozen=True)
class MindRecordBatches:
    """Batches of token ids and labels. Made by `open_mindrecord`, which says what the arguments mean.

    Args:
        total: records in all files together.
        record_length: N, tokens per record; one more than the sequence length.
        has_labels: whether labels are read; else they are made from the ids.
    """

    files: list[str]
    total: int
    record_length: int
    has_labels: bool
    batch_size: int
    shuffle: bool
    seed: int
    drop_remainder: bool
    num_workers: int
    skip: int
    num_shards: int
    shard_id: int
    pad_token_id: int

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

    def __len__(self) -> int:
        return self.num_batches

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        """The batches of epoch 0, without the first `skip`."""
        return self.batches(0, self.skip)

    def batches(self, epoch: int, skip_batches: int = 0) -> Iterator[dict[str, np.ndarray]]:
        """The batches of one epoch.

        Args:
            epoch: from 0; with `shuffle` every epoch has its own order, the same in every run of this seed.
            skip_batches: batches to leave out at the beginning, at no cost.

        Yields:
            `input_ids` and `labels`, int32 [B, N] each; the last batch may have fewer rows unless the remainder is
            dropped, and none at all where other shards have the rest.
        """
        rows = self.row_order(epoch)[: self.num_batches * self.batch_size][skip_batches * self.batch_size :]
        if len(rows):
            yield from self._read(rows)
        if -(-len(rows) // self.batch_size) < self.num_batches - skip_batches:
            none = np.zeros((0, self.record_length), np.int32)
            yield {"input_ids": none, "labels": none}

    def _read(self, rows: np.ndarray) -> Iterator[dict[str, np.ndarray]]:
        from mindspore import dataset

        columns = list(_KNOWN_COLUMNS) if self.has_labels else ["input_ids"]
        data = dataset.MindDataset(
            self.files,
            columns_list=columns,
            sampler=dataset.SubsetSampler(rows.tolist()),
            num_parallel_workers=self.num_workers,
        )
        data = data.batch(self.batch_size, num_parallel_workers=1)
        for batch in data.create_dict_iterator(num_epochs=1, output_numpy=True):
            ids = batch["input_ids"].astype(np.int32, copy=False)
            labels = batch["labels"] if self.has_labels else labels_of_ids(ids, self.pad_token_id)
            yield {"input_ids": ids, "labels": labels.astype(np.int32, copy=False)}

    def first(self, count: int) -> MindRecordBatches:
        """The same files, but only their first `count` records."""
        return replace(self, total=min(self.total, count))

    def row_order(self, epoch: int) -> np.ndarray:
        """int64: the records of this shard in the order of one epoch. What all shards read at once stands together."""
        order = np.arange(self.total)
        if self.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(self.total)
        return order[self.shard_id :: self.num_shards]


def open_mindrecord(
    source: str | Path | Sequence[str | Path],
    columns: Sequence[str] = _KNOWN_COLUMNS,
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
        source: a file, a folder with MindRecord files, the name that a file in parts was written under, or a list.
        columns: columns wanted: `input_ids`, and `labels` unless they shall be the ids with the padding masked, as
            they also are where the file has none. The published `molecular_mask` is accepted and not needed.
        batch_size: B, records per batch.
        shuffle: another order in every epoch.
        seed: of the order.
        drop_remainder: leave out a last batch that is not full.
        num_workers: reading threads; capped at the number of processors.
        skip: batches that `iter()` leaves out at the beginning.
        expected_length: N, the tokens a record must have.
        num_samples: use the first so many records only.
        num_shards, shard_id: use every `num_shards`-th record of an epoch's order, from `shard_id` on.
        pad_token_id: the id of padding, where labels are made from ids.

    Raises:
        InputError: a file is missing or no MindRecord, a column is missing, a record has another length than
            expected, or the files do not fill one batch.
    """
    if batch_size < 1:
        raise InputError("batch_size", str(batch_size), "1 or more", "")
    files = mindrecord_files(source)
    shapes, total = _describe(files)
    _check_columns(files[0], columns, shapes)
    length = shapes["input_ids"][0]
    if expected_length is not None and length != expected_length:
        raise InputError(
            f"MindRecord '{files[0]}'",
            f"records of {length} tokens",
            f"{expected_length}, one more than seq_length",
            f"set seq_length to {length - 1} or preprocess again",
        )
    reader = MindRecordBatches(
        files=files,
        total=min(total, num_samples or total),
        record_length=length,
        has_labels="labels" in columns and "labels" in shapes,
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
    if not reader.num_batches:
        raise InputError(
            f"MindRecord '{files[0]}'",
            f"{reader.num_rows} records",
            f"{reader.rows_at_once} or more",
            "lower the batch size",
        )
    return reader


def mindrecord_files(source: str | Path | Sequence[str | Path]) -> list[str]:
    """The files that belong to a path, a folder or a list of them, in order; see `open_mindrecord`.

    Raises:
        InputError: there is none, or a file stands without its `.db` index.
    """
    if not isinstance(source, str | Path):
        return [file for one in source for file in mindrecord_files(one)]
    path = Path(source)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if _SHARD.fullmatch(file.name))
        if not files:
            raise InputError("MindRecord", f"no *.mindrecord in folder '{path}'", "MindRecord files", "check the path")
    else:
        files = [path] if path.exists() else shard_files(path) or [path]
    for file in files:
        existing_file(file, "MindRecord")
        existing_file(f"{file}.db", "index of the MindRecord")
    return [str(file) for file in files]


def shard_files(path: Path) -> list[Path]:
    """The parts of a MindRecord written in several: `o.mindrecord0`, `o.mindrecord1`, ..."""
    name = re.compile(re.escape(path.name) + r"\d+")
    return sorted(file for file in path.parent.glob("*") if name.fullmatch(file.name))


def labels_of_ids(ids: np.ndarray, pad_token_id: int = 0) -> np.ndarray:
    """Labels of records that have none: the ids, with the padding at the end as -100. int [B, N] both."""
    is_padding = np.logical_and.accumulate((ids == pad_token_id)[:, ::-1], axis=1)[:, ::-1]
    return np.where(is_padding, IGNORE_ID, ids)


def _describe(files: list[str]) -> tuple[dict[str, Any], int]:
    """Shape of every column, and the number of records."""
    from mindspore import dataset

    try:
        data = dataset.MindDataset(files, shuffle=False, num_parallel_workers=1)
        return dict(zip(data.get_col_names(), data.output_shapes(), strict=True)), data.get_dataset_size()
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"MindRecord '{files[0]}'",
            f"cannot be read ({_reason(error)})",
            "MindRecord files of one kind",
            "preprocess again",
        ) from error


def _reason(error: Exception) -> str:
    """The telling line of MindSpore's many."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" -\n")]
    return next((line for line in lines if line.startswith("[ERROR]")), lines[0] if lines else type(error).__name__)


def _check_columns(file: str, columns: Sequence[str], shapes: dict[str, Any]) -> None:
    known = _KNOWN_COLUMNS + _IGNORED_COLUMNS
    for column in columns:
        if column not in known:
            raise unknown_name("input_columns", column, known)
    if "input_ids" not in shapes:
        found = ", ".join(sorted(shapes))
        raise InputError(f"MindRecord '{file}'", f"columns {found}", "a column 'input_ids'", "preprocess again")
