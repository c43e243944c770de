"""Records to MindRecord files, in one part or several, whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mindformers.tools.errors import InputError
from mindformers.tools.files import replaced_folder

# MindSpore's defaults make a file of ten records 48 MiB large. A header of 1 MiB still describes pages for some
# 25 GiB per part.
_HEADER_BYTES, _PAGE_BYTES = 1 << 20, 1 << 22
_ROWS_PER_WRITE = 1024


class MindRecordWriter:
    """Write records of ids and labels.

    Each part has a writer of its own and takes every n-th record: MindSpore's own partition gives the rest of
    a block to parts by chance, so that the same input would not give the same files twice.

    Args:
        folder: where the parts are written.
        name: name of the output; parts are called `<name>0`, `<name>1`, ... where there are several.
        num_parts: number of parts.
        record_length: N, tokens per record.
    """

    def __init__(self, folder: Path, name: str, num_parts: int, record_length: int) -> None:
        from mindspore.mindrecord import FileWriter

        width = len(str(num_parts - 1))
        names = [f"{name}{part:0{width}d}" for part in range(num_parts)] if num_parts > 1 else [name]
        self.num_records = 0
        self._blocks: list[list[dict[str, np.ndarray]]] = [[] for _ in names]
        self._block_rows = max(_ROWS_PER_WRITE // num_parts, 1)
        self._writers = [FileWriter(str(folder / part), shard_num=1) for part in names]
        column = {"type": "int32", "shape": [record_length]}
        for writer in self._writers:
            writer.set_header_size(_HEADER_BYTES)
            writer.set_page_size(max(_PAGE_BYTES, 1 << (16 * record_length).bit_length()))
            writer.add_schema({"input_ids": column, "labels": column}, "token ids and labels")

    def write(self, ids: np.ndarray, labels: np.ndarray) -> None:
        """Add one record, int32 [N] each."""
        part = self.num_records % len(self._writers)
        self._blocks[part].append({"input_ids": ids, "labels": labels})
        self.num_records += 1
        if len(self._blocks[part]) == self._block_rows:
            self._flush(part)

    def close(self) -> None:
        """Write what is left and the index files.

        Raises:
            InputError: there are fewer records than parts.
        """
        if self.num_records < len(self._writers):
            raise InputError(
                "file_partition", f"{len(self._writers)} parts for {self.num_records} records", "fewer parts", ""
            )
        for part, writer in enumerate(self._writers):
            self._flush(part)
            writer.commit()

    def _flush(self, part: int) -> None:
        if self._blocks[part]:
            self._writers[part].write_raw_data(self._blocks[part])
            self._blocks[part] = []


@contextmanager
def mindrecord_output(path: str | Path, record_length: int, num_parts: int = 1) -> Iterator[MindRecordWriter]:
    """A writer whose files appear under their name when the block ends well; else nothing is left of them.

    Args:
        path: the output, `*.mindrecord`. Files of an earlier run under this name, in however many parts, go.
        record_length: N, tokens per record.
        num_parts: number of files.

    Raises:
        InputError: the name does not end in `.mindrecord`, or there are fewer records than parts.
    """
    path = Path(path)
    if path.suffix != ".mindrecord":
        raise InputError("output_file", f"'{path}'", "a name that ends in .mindrecord", "")
    if num_parts < 1:
        raise InputError("file_partition", str(num_parts), "1 or more", "")
    with replaced_folder(path.parent) as folder:
        writer = MindRecordWriter(folder, path.name, num_parts, record_length)
        yield writer
        writer.close()
        written = {file.name for file in folder.iterdir()}
    _remove_stale(path, written)


def _remove_stale(path: Path, written: set[str]) -> None:
    own = re.compile(re.escape(path.name) + r"\d*(\.db)?")
    for file in path.parent.iterdir():
        if own.fullmatch(file.name) and file.name not in written:
            file.unlink()


def write_records(path: str | Path, rows: Any, num_parts: int = 1) -> int:
    """Write (ids, labels) pairs of int32 [N] arrays, all of one length. Returns the number of records.

    Raises:
        InputError: there are no rows, or fewer than parts.
    """
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        raise InputError(f"MindRecord '{path}'", "no records to write", "one or more", "check the input")
    with mindrecord_output(path, len(first[0]), num_parts) as writer:
        writer.write(*first)
        for ids, labels in rows:
            writer.write(ids, labels)
    return writer.num_records
