"""Text files, plain or compressed, as numbered lines."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file

_OPENERS = {".xz": lzma.open, ".gz": gzip.open}


def open_bytes(path: str | Path) -> IO[bytes]:
    """Open a file for reading bytes; `.xz` and `.gz` are unpacked on the way. Raises InputError where it is missing."""
    path = existing_file(path, "input file")
    return _OPENERS.get(path.suffix.lower(), open)(path, "rb")


def read_lines(path: str | Path) -> Iterator[tuple[int, str | None]]:
    """Number (from 1) and text of every line, without its line break; None where it is no UTF-8.

    Raises:
        InputError: the file is missing, empty or a broken archive.
    """
    number = 0
    try:
        with open_bytes(path) as handle:
            for number, raw in enumerate(handle, 1):
                yield number, _decode(raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw)
    except (lzma.LZMAError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise InputError(
            f"input file '{path}'", f"breaks off behind line {number} ({error})", "a whole archive", "fetch it again"
        ) from error


def read_text(path: str | Path) -> str:
    """The whole file as text, line breaks as `\\n`. Raises InputError where a line is no UTF-8."""
    lines = []
    for number, line in read_lines(path):
        if line is None:
            raise InputError(f"input file '{path}' line {number}", "not UTF-8", "UTF-8 text", "convert the file")
        lines.append(line)
    return "\n".join(lines)


def inner_suffix(path: str | Path) -> str:
    """The suffix of a file's name, lower-case, that of its archive left aside: `a.csv.xz` -> `.csv`."""
    path = Path(path)
    if path.suffix.lower() in _OPENERS:
        path = path.with_suffix("")
    return path.suffix.lower()


def _decode(raw: bytes) -> str | None:
    try:
        return raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        return None
