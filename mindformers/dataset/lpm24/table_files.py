"""The table files of L+M-24 on Hugging Face and of our own layout: CSV, TSV, JSON list and Parquet.

The columns are `molecule` and `caption`; a table with one of them alone is an evaluation table.
"""

from __future__ import annotations

import csv
import io
import json
import lzma
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from mindformers.dataset.example import BadRow
from mindformers.dataset.lpm24.line_files import open_bytes
from mindformers.dataset.lpm24.rows import FIELDS, Row, row_of_fields
from mindformers.tools.errors import InputError

_LONGEST_FIELD = 1 << 24
_DAMAGED = (lzma.LZMAError, EOFError, UnicodeDecodeError)


def read_csv(path: Path) -> Iterator[Row | BadRow]:
    """Comma-separated rows with quotes, or, for a name in `.tsv`, tab-separated ones without, under a header."""
    is_tsv = ".tsv" in path.suffixes
    csv.field_size_limit(_LONGEST_FIELD)
    try:
        with open_bytes(path) as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
            quoting = csv.QUOTE_NONE if is_tsv else csv.QUOTE_MINIMAL
            yield from _rows_under_header(path, csv.reader(text, delimiter="\t" if is_tsv else ",", quoting=quoting))
    except (*_DAMAGED, csv.Error) as error:
        raise InputError(str(path), f"cannot be read ({error})", "a UTF-8 table", "check the file") from None


def _rows_under_header(path: Path, reader: Iterator[list[str]]) -> Iterator[Row | BadRow]:
    header = next(reader, [])
    check_columns(path, header)
    for cells in reader:
        line = reader.line_num
        if len(cells) == len(header):
            yield row_of_fields(path.name, line, dict(zip(header, cells, strict=True)))
        elif cells:
            yield BadRow(path.name, line, f"{len(cells)} cells under a header of {len(header)}")


def read_json_list(path: Path) -> Iterator[Row | BadRow]:
    """A JSON list of objects; the number of a row is its place in the list, from 1."""
    try:
        with open_bytes(path) as stream:
            rows = json.loads(stream.read().decode("utf-8-sig"))
    except (*_DAMAGED, ValueError, RecursionError) as error:
        raise InputError(str(path), f"is not JSON ({error})", "a list of objects", "check the file") from None
    for number, value in enumerate(rows, 1):
        yield row_of_fields(path.name, number, value)


def read_parquet(path: Path) -> Iterator[Row | BadRow]:
    """A Parquet table; the number of a row is its place in the table, from 1."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        next_step = "convert the table to CSV or install a pyarrow that works with this NumPy"
        raise InputError(str(path), f"pyarrow cannot be loaded ({error})", "pyarrow", next_step) from None
    try:
        yield from _rows_of_parquet(path, parquet.ParquetFile(path))
    except (pyarrow.ArrowException, OSError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(str(path), f"cannot be read ({reason})", "a Parquet table", "fetch it again") from None


def _rows_of_parquet(path: Path, table: Any) -> Iterator[Row | BadRow]:
    columns = table.schema_arrow.names
    check_columns(path, columns)
    wanted = [name for name in FIELDS if name in columns]
    batches = (batch.to_pylist() for batch in table.iter_batches(batch_size=4096, columns=wanted))
    for number, value in enumerate(chain.from_iterable(batches), 1):
        yield row_of_fields(path.name, number, value)


def check_columns(path: Path, columns: Sequence[str]) -> None:
    """Raise InputError where a table has neither of the columns that rows are made of."""
    if "molecule" not in columns and "caption" not in columns:
        got = ", ".join(columns) or "no header"
        raise InputError(str(path), f"columns are {got}", "'molecule' and/or 'caption'", "rename the columns")
