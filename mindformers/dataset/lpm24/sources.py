"""Finds the published files in a folder and reads each by its form."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from mindformers.dataset.example import BadRow
from mindformers.dataset.lpm24 import line_files, table_files
from mindformers.dataset.lpm24.rows import FIELDS, Row
from mindformers.tools.errors import InputError
from mindformers.tools.files import existing_file
from mindformers.tools.logging import get_logger

Reader = Callable[[Path], Iterator[Row | BadRow]]

_LOGGER = get_logger(__name__)
_FORMS = "train_props.txt, eval-text.txt, eval-molgen.txt, or .csv/.tsv/.json/.jsonl/.parquet with molecule and caption"
_BY_NAME: tuple[tuple[str, Reader], ...] = (
    ("train_props", line_files.read_property_lines),
    ("eval-text", line_files.read_molecule_lines),
    ("eval-molgen", line_files.read_description_lines),
)
_BY_SUFFIX: dict[str, Reader] = {
    ".csv": table_files.read_csv,
    ".tsv": table_files.read_csv,
    ".jsonl": line_files.read_json_lines,
    ".parquet": table_files.read_parquet,
}


def find_sources(source: str | Path) -> list[tuple[Path, Reader]]:
    """The files to read, sorted by name, each with its reader.

    Args:
        source: one file, or a folder that holds some of the published files (also in its subfolder `data`). Other
            files of a folder are named in a warning.

    Raises:
        InputError: nothing there, an empty file, or no file of a published form.
    """
    source = Path(source)
    if not source.is_dir():
        reader = _reader_of(existing_file(source, "--source"))
        if reader is None:
            raise InputError("--source", f"'{source}' has no published form", _FORMS, "rename or convert the file")
        return [(source, reader)]
    found = [(path, _reader_of(path)) for path in _files_in(source)]
    ignored = [path.name for path, reader in found if reader is None]
    if ignored:
        _LOGGER.warning("ignored in %s, not of a published form: %s", source, ", ".join(ignored))
    usable = [(path, reader) for path, reader in found if reader is not None]
    if not usable:
        raise InputError("--source", f"'{source}' holds no published file", _FORMS, "check the folder")
    return usable


def _files_in(folder: Path) -> list[Path]:
    paths = [*folder.iterdir(), *(folder / "data").glob("*")]
    return sorted(path for path in paths if path.is_file() and path.stat().st_size and not path.name.startswith("."))


def _reader_of(path: Path) -> Reader | None:
    plain = Path(path.stem if path.suffix == ".xz" else path.name)
    if plain.suffix == ".json":
        return _reader_of_json(path)
    if plain.suffix == ".parquet" and path.suffix == ".xz":
        return None
    if plain.suffix != ".txt":
        return _BY_SUFFIX.get(plain.suffix)
    return next((reader for start, reader in _BY_NAME if plain.name.startswith(start)), None)


def _reader_of_json(path: Path) -> Reader | None:
    """A `.json` file is a list of rows or, as written by some tools, a row a line; conversations are neither."""
    if "_qa_conversation" in path.name:
        return None
    lines = (line for _, line in line_files.decoded_lines(path) if line and line.strip())
    first = "".join(islice(lines, 1)).strip()
    if first.startswith("["):
        return table_files.read_json_list
    try:
        value = json.loads(first)
    except ValueError:
        return None
    return line_files.read_json_lines if isinstance(value, dict) and not value.keys().isdisjoint(FIELDS) else None
