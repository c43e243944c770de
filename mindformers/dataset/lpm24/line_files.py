"""The line files of L+M-24, plain or `.xz`: property sets, molecules alone, descriptions alone, JSON lines."""

from __future__ import annotations

import ast
import json
import lzma
import warnings
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO

from mindformers.dataset.example import BadRow
from mindformers.dataset.lpm24.rows import Row, one_line, row_of_fields
from mindformers.tools.errors import InputError


def open_bytes(path: Path) -> IO[bytes]:
    """The file's content as bytes, decompressed where its name ends in `.xz`."""
    return lzma.open(path, "rb") if path.suffix == ".xz" else path.open("rb")


def decoded_lines(path: Path) -> Iterator[tuple[int, str | None]]:
    """Lines with their number from 1, without line end; None for a line that is not UTF-8.

    Raises:
        InputError: the file is damaged or ends early.
    """
    try:
        with open_bytes(path) as stream:
            for number, line in enumerate(stream, 1):
                yield number, _decoded(line)
    except (lzma.LZMAError, EOFError) as error:
        raise InputError(str(path), f"cannot be decompressed ({error})", "a whole .xz file", "fetch it again") from None


def _decoded(line: bytes) -> str | None:
    try:
        return line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        return None


def read_property_lines(path: Path) -> Iterator[Row | BadRow]:
    """`SMILES<TAB>{'property', ...}` a line, as in `train_props.txt`."""
    for number, line in decoded_lines(path):
        if line is None:
            yield BadRow(path.name, number, "not UTF-8 text")
            continue
        molecule, tab, literal = line.partition("\t")
        if not tab or not molecule.strip():
            yield BadRow(path.name, number, "expected SMILES<TAB>{'property', ...}")
            continue
        properties = parse_property_set(literal)
        if isinstance(properties, str):
            yield BadRow(path.name, number, properties)
        else:
            yield Row(path.name, number, molecule.strip(), properties=properties)


@lru_cache(maxsize=16384)
def parse_property_set(literal: str) -> tuple[str, ...] | str:
    """The names of a Python set literal, sorted, or, as a string, why it is none.

    Nothing is evaluated: only a literal set of non-empty strings passes.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            value = ast.literal_eval(literal.strip())
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return "the property set is not a Python set literal"
    if not isinstance(value, set):
        return f"expected a set of property names, got a {type(value).__name__}"
    if not all(isinstance(name, str) and name.strip() for name in value):
        return "a property name is empty or not a string"
    if not value:
        return "the property set is empty"
    return tuple(sorted(one_line(name) for name in value))


def read_molecule_lines(path: Path) -> Iterator[Row | BadRow]:
    """A SMILES a line, as in `eval-text.txt`."""
    for number, line in decoded_lines(path):
        molecule = (line or "").strip()
        yield Row(path.name, number, molecule) if molecule else BadRow(path.name, number, _no_text(line, "SMILES"))


def read_description_lines(path: Path) -> Iterator[Row | BadRow]:
    """A description a line, as in `eval-molgen.txt`."""
    for number, line in decoded_lines(path):
        caption = one_line(line or "")
        if caption:
            yield Row(path.name, number, caption=caption)
        else:
            yield BadRow(path.name, number, _no_text(line, "description"))


def _no_text(line: str | None, wanted: str) -> str:
    return "not UTF-8 text" if line is None else f"empty line, expected a {wanted}"


def read_json_lines(path: Path) -> Iterator[Row | BadRow]:
    """A JSON object a line with `molecule` and/or `caption`; blank lines are passed over."""
    for number, line in decoded_lines(path):
        if line is None:
            yield BadRow(path.name, number, "not UTF-8 text")
        elif line.strip():
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield BadRow(path.name, number, f"not JSON ({error})")
            else:
                yield row_of_fields(path.name, number, value)
