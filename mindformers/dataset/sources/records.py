"""Named columns of a table with a header, where a bad line is one bad row and not the end of the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mindformers.dataset.example import BadRow
from mindformers.dataset.sources.lines import inner_suffix, read_lines
from mindformers.dataset.sources.tables import TableRow, read_table
from mindformers.tools.errors import InputError

Record = tuple[int, dict[str, str]]


def read_records(path: Path, columns: Mapping[str, Sequence[str]]) -> Iterator[Record | BadRow]:
    """Line and values of every row.

    Args:
        path: a `.csv`, or any other file as tab-separated without quotes; possibly compressed.
        columns: for each wanted value the lower-case headers that may stand over it, the first found counts.

    Yields:
        (line, values without blanks around them), or a BadRow: a line that is no UTF-8, has another number of
        columns than the header, or an empty value. Blank lines at the end are no rows.

    Raises:
        InputError: the header lacks a column, or a quote of a `.csv` is not closed.
    """
    rows = _rows(path)
    header = next(rows)
    names = [] if isinstance(header, BadRow) else [name.strip().lower() for name in header.fields]
    places = {key: _place(path, names, wanted) for key, wanted in columns.items()}
    blank: list[int] = []
    for row in rows:
        if isinstance(row, TableRow) and not row.fields:
            blank.append(row.line)
            continue
        yield from (BadRow(str(path), line, "empty line") for line in blank)
        blank = []
        yield row if isinstance(row, BadRow) else _record(path, row, len(names), places)


def _record(path: Path, row: TableRow, width: int, places: dict[str, int]) -> Record | BadRow:
    if len(row.fields) != width:
        return BadRow(str(path), row.line, f"{len(row.fields)} columns, the header has {width}")
    values = {key: row.fields[place].strip() for key, place in places.items()}
    empty = next((key for key, value in values.items() if not value), None)
    return BadRow(str(path), row.line, f"'{empty}' is empty") if empty else (row.line, values)


def _rows(path: Path) -> Iterator[TableRow | BadRow]:
    if inner_suffix(path) == ".csv":
        yield from read_table(path)
        return
    for number, line in read_lines(path):
        if line is None:
            yield BadRow(str(path), number, "not UTF-8")
        else:
            yield TableRow(number, line.split("\t") if line.strip() else [])


def _place(path: Path, names: list[str], wanted: Sequence[str]) -> int:
    for name in wanted:
        if name in names:
            return names.index(name)
    found = ", ".join(names) or "nothing"
    raise InputError(f"input file '{path}' line 1", f"columns {found}", f"a column {' or '.join(wanted)}", "add it")
