"""GenBank files, record by record: a broken one costs itself and not those behind it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

from mindformers.dataset.example import BadRow
from mindformers.dataset.sources.lines import read_lines

NamedSequence = tuple[int, str, str]


def read_genbank(path: Path, wants_protein: bool) -> Iterator[NamedSequence | BadRow]:
    """Line of the LOCUS (from 1), name and sequence of what the records hold.

    Args:
        path: the file, possibly compressed.
        wants_protein: of a nucleotide record, give the translations of its coding regions instead of its sequence.

    Yields:
        Sequences; a BadRow for a record that breaks off, that Biopython cannot read, or that holds none of the wanted
        kind.
    """
    for line, text in _records(path):
        record = _parsed(text)
        if isinstance(record, str):
            yield BadRow(str(path), line, record)
            continue
        is_protein = record.annotations.get("molecule_type") == "protein"
        if wants_protein and not is_protein:
            yield from _translations(path, line, record)
        elif is_protein and not wants_protein:
            yield BadRow(str(path), line, f"{record.id}: a protein, expected nucleotides")
        else:
            yield line, record.id, str(record.seq) if record.seq.defined else ""


def _records(path: Path) -> Iterator[tuple[int, str]]:
    """First line and text of every record, up to its `//` or to the next LOCUS."""
    start, lines = 0, []
    for number, line in read_lines(path):
        text = "\ufffd" if line is None else line
        if text.startswith("LOCUS"):
            if lines:
                yield start, "\n".join(lines)
            start, lines = number, []
        if start:
            lines.append(text)
        if text.strip() == "//" and lines:
            yield start, "\n".join(lines) + "\n"
            start, lines = 0, []
    if any(map(str.strip, lines)):
        yield start, "\n".join(lines)


def _parsed(text: str) -> Any:
    """A SeqRecord, or why there is none."""
    from Bio import BiopythonParserWarning, SeqIO

    if not text.endswith("//\n"):
        return "the record breaks off before its //"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BiopythonParserWarning)
            return SeqIO.read(StringIO(text), "genbank")
    except Exception as error:  # its parser lets errors of many kinds through, AttributeError among them
        return f"broken GenBank: {' '.join(str(error).split()) or type(error).__name__}"


def _translations(path: Path, line: int, record: Any) -> Iterator[NamedSequence | BadRow]:
    found = [feature for feature in record.features if "translation" in feature.qualifiers]
    if not found:
        yield BadRow(str(path), line, f"{record.id}: nucleotides without a translation, expected a protein")
    for feature in found:
        names = feature.qualifiers.get("protein_id") or feature.qualifiers.get("locus_tag") or [record.id]
        yield line, names[0], "".join(feature.qualifiers["translation"][0].split())
