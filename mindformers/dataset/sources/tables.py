"""Tables with a header: tab-separated (no quoting, as molecule files have it) or comma-separated (quoted as usual)."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mindformers.dataset.sources.lines import inner_suffix, read_lines
from mindformers.tools.errors import InputError


class TableRow(NamedTuple):
    """Fields of a row, and the line (from 1) on which it ends."""

    line: int
    fields: list[str]


def read_table(path: str | Path) -> Iterator[TableRow]:
    """The rows of a `.csv`, or of any other file as tab-separated, the header first; blank lines have no fields.

    Raises:
        InputError: the file is missing or empty, a line is no UTF-8, or a quote is not closed.
    """
    lines = _text_lines(path)
    if inner_suffix(path) != ".csv":
        for number, line in lines:
            yield TableRow(number, line.split("\t") if line.strip() else [])
        return
    reader = csv.reader((line + "\n" for _, line in lines), strict=True)
    try:
        for fields in reader:
            yield TableRow(reader.line_num, fields if any(map(str.strip, fields)) else [])
    except csv.Error as error:
        raise InputError(
            f"input file '{path}' line {reader.line_num}", f"broken CSV: {error}", "quotes in pairs", "correct the file"
        ) from error


def _text_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    for number, line in read_lines(path):
        if line is None:
            raise InputError(f"input file '{path}' line {number}", "not UTF-8", "UTF-8 text", "convert the file")
        yield number, line
