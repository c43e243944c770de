"""Molecules with their captions, from the tables of predictions and from the published forms of L+M-24."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from mindformers.dataset.example import BadRow
from mindformers.dataset.lpm24.captions import caption_of
from mindformers.dataset.lpm24.rows import Row
from mindformers.dataset.lpm24.sources import find_sources
from mindformers.evaluation.text_files import read_lines, read_table
from mindformers.tools.errors import InputError
from mindformers.tools.logging import get_logger

logger = get_logger(__name__)
_MOLECULE = "SMILES"
_CAPTIONS = ("ground truth", "description", "caption")


class Captioned(NamedTuple):
    """A molecule and what is said of it; empty where that is not known."""

    smiles: str
    caption: str


def read_captioned(path: str | Path, what: str, seed: int = 0) -> list[Captioned]:
    """The molecules of a file with their captions.

    Args:
        path: a tab-separated table with a column `SMILES` and one of `ground truth`, `description`, `caption`
            (ChEBI-20's files, tables of predictions), or any published form of L+M-24: property sets become captions by
            the templates.
        what: the argument that named the file, for messages.
        seed: deals the wordings of such captions.

    Returns:
        In the order of the file. Bad rows of L+M-24 are counted in a warning.

    Raises:
        InputError: the file cannot be read, or holds no molecule.
    """
    if ".tsv" in Path(path).suffixes or (".txt" in Path(path).suffixes and _has_header(path, what)):
        return _from_table(path, what)
    rows, bad = [], []
    for file, reader in _published_files(path, what):
        for row in reader(file):
            (bad if isinstance(row, BadRow) else rows).append(row)
    if bad:
        logger.warning("%s: %d bad rows are left out, the first: %s", path, len(bad), bad[0])
    found = [Captioned(row.molecule, _caption(row, seed)) for row in rows if row.molecule]
    if not found:
        raise InputError(f"{what} '{path}'", "no molecule", "molecules with captions", "check the file")
    return found


def _published_files(path: str | Path, what: str) -> list[Any]:
    try:
        return find_sources(path)
    except InputError as error:
        raise InputError(what, error.got, error.expected, error.next_step) from error


def _caption(row: Row, seed: int) -> str:
    return row.caption or (caption_of(row.properties, row.molecule, seed) if row.properties else "")


def _has_header(path: str | Path, what: str) -> bool:
    return _MOLECULE in read_lines(path, what)[0].split("\t")


def _from_table(path: str | Path, what: str) -> list[Captioned]:
    header, rows = read_table(path, what)
    if _MOLECULE not in header:
        shown = ", ".join(header)[:120]
        raise InputError(f"{path} line 1", f"columns {shown}", f"a column {_MOLECULE}", "rename the columns")
    molecule = header.index(_MOLECULE)
    caption = next((header.index(name) for name in _CAPTIONS if name in header), None)
    return [Captioned(row[molecule], "" if caption is None else row[caption]) for row in rows]
