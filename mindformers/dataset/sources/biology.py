"""Proteins and nucleic acids: FASTA, GenBank, or one sequence a line."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path

from mindformers.dataset.example import BadRow, Example
from mindformers.dataset.sources.base import register_source
from mindformers.dataset.sources.columns import read_column
from mindformers.dataset.sources.lines import open_bytes, read_lines
from mindformers.dataset.sources.sequences import SequenceSource
from mindformers.modalities import NUCLEOTIDE, PROTEIN
from mindformers.tools.errors import InputError


class BiologicalSource(SequenceSource):
    """Records of a FASTA or GenBank file, or lines; lower case, which marks repeats, is read as upper case."""

    def read(self, path: Path) -> Iterator[Example | BadRow]:
        first = next((line for _, line in read_lines(path) if line is None or line.strip()), None) or ""
        if not first.startswith((">", "LOCUS")):
            yield from self._read_lines(path)
            return
        for line, name, sequence in (_fasta if first.startswith(">") else _genbank)(path):
            yield from self.examples(self.clean(sequence), path, line, f"{name}: " if name else "")

    def _read_lines(self, path: Path) -> Iterator[Example | BadRow]:
        for row in read_column(path, ("sequence",)):
            if isinstance(row, BadRow):
                yield row
            else:
                yield from self.examples(self.clean(row[1]), path, row[0])

    @staticmethod
    def clean(sequence: str) -> str:
        """The sequence as the alphabet writes it."""
        return sequence.upper()


@register_source("nucleotide")
class NucleotideSource(BiologicalSource):
    """DNA or RNA."""

    modality = NUCLEOTIDE


@register_source("protein")
class ProteinSource(BiologicalSource):
    """Proteins; the `*` of a stop codon at the end is left out."""

    modality = PROTEIN

    @staticmethod
    def clean(sequence: str) -> str:
        return sequence.upper().removesuffix("*")


def _fasta(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line of the header, name and sequence of every record."""
    from Bio.SeqIO.FastaIO import SimpleFastaParser

    headers: deque[int] = deque()
    for title, sequence in SimpleFastaParser(_noting_headers(path, headers)):
        yield headers.popleft(), title.split(maxsplit=1)[0] if title.strip() else "", sequence


def _noting_headers(path: Path, headers: deque[int]) -> Iterator[str]:
    for number, line in read_lines(path):
        text = "\ufffd" if line is None else line
        if text.startswith(">"):
            headers.append(number)
        if headers:
            yield text + "\n"


def _genbank(path: Path) -> Iterator[tuple[int, str, str]]:
    """0 (Biopython does not tell the line), name and sequence of every record."""
    from Bio import SeqIO

    with open_bytes(path) as handle, TextIOWrapper(handle, encoding="utf-8", errors="replace") as text:
        try:
            for record in SeqIO.parse(text, "genbank"):
                yield 0, record.id, str(record.seq) if record.seq.defined else ""
        except (ValueError, EOFError, OSError) as error:
            raise InputError(
                f"input file '{path}'", f"broken GenBank: {error}", "GenBank records", "check it"
            ) from error
