"""MindRecord files: where they are, how many records each has, and whether they are of one kind."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from glob import glob, has_magic
from itertools import accumulate
from pathlib import Path
from typing import Any

from mindformers.tools.errors import InputError, unknown_name
from mindformers.tools.files import existing_file

KNOWN_COLUMNS = ("input_ids", "labels")
_IGNORED_COLUMNS = ("molecular_mask",)  # of the published files: the modality is known from the id
_SHARD = re.compile(r".*\.mindrecord\d*")


@dataclass(frozen=True)
class RecordFiles:
    """MindRecord files of one kind.

    Args:
        paths: the files, in order.
        counts: records that are used of each, from its first on.
        sizes: records that each has.
        record_length: N, tokens per record; one more than the sequence length.
        has_labels: whether labels are read; else they are made from the ids.
    """

    paths: tuple[str, ...]
    counts: tuple[int, ...]
    sizes: tuple[int, ...]
    record_length: int
    has_labels: bool

    @property
    def total(self) -> int:
        """Records in all files together."""
        return sum(self.counts)

    def first(self, count: int) -> RecordFiles:
        """Only the first `count` records, and the files that they stand in."""
        if count >= self.total:
            return self
        before = [0, *accumulate(self.counts)]
        kept = [min(rows, count - done) for rows, done in zip(self.counts, before, strict=False) if done < count]
        return replace(self, paths=self.paths[: len(kept)], counts=tuple(kept), sizes=self.sizes[: len(kept)])


def describe_files(source: str | Path | Sequence[str | Path], columns: Sequence[str]) -> RecordFiles:
    """Look into the files of a source; one is open at a time.

    Args:
        source: see `mindrecord_files`.
        columns: columns wanted; see `open_mindrecord`.

    Raises:
        InputError: a file is missing or no MindRecord, a column is missing, or records differ in length or columns.
    """
    found = [_describe(path, columns) for path in mindrecord_files(source)]
    for one in found:
        check_alike(one, found[0])
    counts = tuple(one.total for one in found)
    return replace(found[0], paths=tuple(one.paths[0] for one in found), counts=counts, sizes=counts)


def check_alike(files: RecordFiles, other: RecordFiles) -> None:
    """Raises InputError where the records of two sources cannot stand in one batch."""
    if files.record_length != other.record_length:
        got, expected = f"records of {files.record_length} tokens", str(other.record_length)
    elif files.has_labels != other.has_labels:
        words = {True: "a column 'labels'", False: "no column 'labels'"}
        got, expected = words[files.has_labels], words[other.has_labels]
    else:
        return
    next_step = "preprocess both with the same --seq_length"
    raise InputError(f"MindRecord '{files.paths[0]}'", got, f"{expected}, as in '{other.paths[0]}'", next_step)


def mindrecord_files(source: str | Path | Sequence[str | Path]) -> list[str]:
    """The files of a source, in order.

    Args:
        source: a file, a folder with MindRecord files, the name that a file in parts was written under, a pattern such
            as `data/*.mindrecord`, or a list of these.

    Raises:
        InputError: there is none, or a file stands without its `.db` index.
    """
    if not isinstance(source, str | Path):
        return [file for one in source for file in mindrecord_files(one)]
    files = _found(Path(source))
    for file in files:
        existing_file(file, "MindRecord")
        existing_file(f"{file}.db", "index of the MindRecord")
    return [str(file) for file in files]


def _found(path: Path) -> list[Path]:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if _SHARD.fullmatch(file.name))
        if not files:
            raise InputError("MindRecord", f"no *.mindrecord in folder '{path}'", "MindRecord files", "check the path")
        return files
    if path.exists() or not has_magic(str(path)):
        return [path] if path.exists() else shard_files(path) or [path]
    files = sorted(Path(name) for name in glob(str(path), recursive=True) if _SHARD.fullmatch(name))
    if not files:
        raise InputError("MindRecord", f"'{path}' matches no file", "*.mindrecord files", "check the pattern")
    return files


def shard_files(path: Path) -> list[Path]:
    """The parts of a MindRecord written in several: `o.mindrecord0`, `o.mindrecord1`, ..."""
    name = re.compile(re.escape(path.name) + r"\d+")
    return sorted(file for file in path.parent.glob("*") if name.fullmatch(file.name))


def _describe(path: str, columns: Sequence[str]) -> RecordFiles:
    from mindspore import dataset

    try:
        data = dataset.MindDataset([path], shuffle=False, num_parallel_workers=1)
        shapes = dict(zip(data.get_col_names(), data.output_shapes(), strict=True))
        count = data.get_dataset_size()
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"MindRecord '{path}'", f"cannot be read ({_reason(error)})", "a MindRecord file", "preprocess again"
        ) from error
    _check_columns(path, columns, shapes)
    has_labels = "labels" in columns and "labels" in shapes
    return RecordFiles((path,), (count,), (count,), shapes["input_ids"][0], has_labels)


def _reason(error: Exception) -> str:
    """The telling line of MindSpore's many."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" -\n")]
    return next((line for line in lines if line.startswith("[ERROR]")), lines[0] if lines else type(error).__name__)


def _check_columns(file: str, columns: Sequence[str], shapes: dict[str, Any]) -> None:
    known = KNOWN_COLUMNS + _IGNORED_COLUMNS
    for column in columns:
        if column not in known:
            raise unknown_name("input_columns", column, known)
    if "input_ids" not in shapes:
        found = ", ".join(sorted(shapes))
        raise InputError(f"MindRecord '{file}'", f"columns {found}", "a column 'input_ids'", "preprocess again")
