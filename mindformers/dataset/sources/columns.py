"""One column of a file of lines: the only one, the first, or the one that a header names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mindformers.dataset.example import BadRow
from mindformers.dataset.sources.lines import inner_suffix, read_lines
from mindformers.dataset.sources.tables import TableRow, read_table


def read_column(path: Path, headers: Sequence[str]) -> Iterator[tuple[int, str] | BadRow]:
    """Line number and value of every row.

    Args:
        path: a `.csv`, or lines cut at tabs where they have any, else at blanks.
        headers: lower-case names by which a first line is known to be a header; the earliest in this list counts.

    Yields:
        (line, value), or a BadRow for a line without one. Blank lines at the end are no rows; bytes that are no
        UTF-8 come as U+FFFD, which no alphabet has.
    """
    column = 0
    blank: list[int] = []
    for number, row in enumerate(_rows(path)):
        names = [field.strip().lower() for field in row.fields]
        if number == 0 and not set(headers).isdisjoint(names):
            column = next(names.index(name) for name in headers if name in names)
        elif not row.fields:
            blank.append(row.line)
        else:
            yield from (BadRow(str(path), line, "empty line") for line in blank)
            blank = []
            if len(row.fields) <= column or not row.fields[column].strip():
                yield BadRow(str(path), row.line, f"column {column + 1} is empty")
            else:
                yield row.line, row.fields[column].strip()


def _rows(path: Path) -> Iterator[TableRow]:
    if inner_suffix(path) == ".csv":
        yield from read_table(path)
        return
    for number, line in read_lines(path):
        text = "\ufffd" if line is None else line
        yield TableRow(number, text.split("\t") if "\t" in text.strip() else text.split())
