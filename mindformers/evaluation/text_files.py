"""Text files as a user has them: plain or `.xz`, UTF-8, one record a line, columns separated by tabs, no quoting."""

from __future__ import annotations

import lzma
from pathlib import Path

from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file


def read_lines(path: str | Path, what: str) -> list[str]:
    """The lines of a text file, without their ends.

    Only `\\n` and `\\r\\n` end a line, so that odd characters inside a field never shift the rows. A byte order mark is
    dropped.

    Args:
        path: the file; a name ending in `.xz` is decompressed.
        what: the argument that named the file, for messages.

    Returns:
        One string per line; a final line end adds no empty line.

    Raises:
        InputError: the file is missing, empty, damaged or not UTF-8 (with the line that is not).
    """
    raw = _read_bytes(existing_file(path, what), what).removeprefix(b"\xef\xbb\xbf")
    lines = raw.removesuffix(b"\n").split(b"\n")
    return [_decode(line, path, number) for number, line in enumerate(lines, start=1)]


def read_table(path: str | Path, what: str) -> tuple[list[str], list[list[str]]]:
    """The header and the rows of a tab-separated file.

    Args:
        path: the file, plain or `.xz`.
        what: the argument that named the file, for messages.

    Returns:
        The column names, and the fields of each further line; every row has as many fields as the header.

    Raises:
        InputError: as `read_lines`, a row has too few or too many fields, or there is no row.
    """
    header, *rows = (line.split("\t") for line in read_lines(path, what))
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise InputError(
                f"{path} line {number}",
                f"{len(row)} tab-separated fields",
                f"{len(header)} ({', '.join(header)})",
                "write tabs and line ends inside a text as \\t and \\n",
            )
    if not rows:
        raise InputError(f"{path}", "a header and no rows", "at least one row", "check how the file was made")
    return header, rows


def _read_bytes(path: Path, what: str) -> bytes:
    if path.suffix != ".xz":
        return path.read_bytes()
    try:
        return lzma.decompress(path.read_bytes())
    except lzma.LZMAError as error:
        raise InputError(what, f"'{path}' cannot be decompressed ({error})", "an xz file", "copy it again") from error


def _decode(line: bytes, path: str | Path, number: int) -> str:
    try:
        return line.removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        got = f"byte {error.start + 1} is not UTF-8"
        raise InputError(f"{path} line {number}", got, "UTF-8 text", "convert the file") from error
