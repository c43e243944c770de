"""JSON files as rows with the line each begins on: one list, or one value a line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from mindformers.dataset.example import BadRow
from mindformers.dataset.sources.lines import read_lines, read_text
from mindformers.tools.errors import InputError

_BLANK = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


class JsonRow(NamedTuple):
    """A value and the line (from 1) on which it begins."""

    line: int
    value: Any


def json_rows(path: str | Path) -> Iterator[JsonRow | BadRow]:
    """The rows of a JSON list or of a file with one JSON value a line, whichever it is.

    Args:
        path: the file, possibly compressed.

    Yields:
        Rows; a BadRow for a line that is no JSON. Lines are read one by one, a list is read whole.

    Raises:
        InputError: a list that is broken anywhere (file, line and column are named), or no rows at all.
    """
    lines = read_lines(path)
    for first in lines:
        if first[1] is None or first[1].strip():
            break
    else:
        raise InputError(f"input file '{path}'", "is empty", "JSON", "check how the file was made")
    if first[1] is not None and first[1].lstrip().startswith("["):
        return _list_items(path)
    return _line_values(path, chain([first], lines))


def _line_values(path: str | Path, lines: Iterator[tuple[int, str | None]]) -> Iterator[JsonRow | BadRow]:
    blank: list[int] = []
    for number, line in lines:
        if line is not None and not line.strip():
            blank.append(number)  # blank lines at the end of a file are no rows
            continue
        for empty in blank:
            yield BadRow(str(path), empty, "empty line")
        blank = []
        if line is None:
            yield BadRow(str(path), number, "not UTF-8")
            continue
        try:
            yield JsonRow(number, json.loads(line))
        except (ValueError, RecursionError) as error:
            yield BadRow(str(path), number, f"broken JSON: {_where(error)}")


def _list_items(path: str | Path) -> Iterator[JsonRow | BadRow]:
    text = read_text(path)
    position = _skip(text, text.index("[") + 1)
    line, counted = 1, 0
    is_first = True
    while text[position : position + 1] != "]":
        if not is_first:
            position = _skip(text, _expect(path, text, position, ","))
        is_first = False
        line, counted = line + text.count("\n", counted, position), position
        try:
            value, position = _DECODER.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            raise _broken(path, text, getattr(error, "pos", position), str(getattr(error, "msg", error))) from error
        yield JsonRow(line, value)
        position = _skip(text, position)
    position = _skip(text, position + 1)
    if position < len(text):
        raise _broken(path, text, position, "text behind the list")


def _expect(path: str | Path, text: str, position: int, mark: str) -> int:
    if not text.startswith(mark, position):
        raise _broken(path, text, position, f"'{mark}' or ']' is missing")
    return position + 1


def _skip(text: str, position: int) -> int:
    return _BLANK.match(text, position).end()


def _where(error: Exception) -> str:
    column = getattr(error, "colno", None)
    return f"{getattr(error, 'msg', 'nested too deeply')}" + (f" at column {column}" if column else "")


def _broken(path: str | Path, text: str, position: int, reason: str) -> InputError:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    return InputError(
        f"input file '{path}' line {line} column {column}", f"broken JSON: {reason}", "a JSON list", "correct the file"
    )
