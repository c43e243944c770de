"""Proteins and nucleic acids: FASTA, GenBank, or one sequence a line."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from mindformers.dataset.example import BadRow, Example
from mindformers.dataset.sources.base import register_source
from mindformers.dataset.sources.columns import read_column
from mindformers.dataset.sources.genbank import NamedSequence, read_genbank
from mindformers.dataset.sources.lines import read_lines
from mindformers.dataset.sources.sequences import SequenceSource
from mindformers.modalities import NUCLEOTIDE, PROTEIN


class BiologicalSource(SequenceSource):
    """Records of a FASTA or GenBank file, or lines; lower case, which marks repeats, is read as upper case."""

    options = ("window", "stride")

    def read(self, path: Path) -> Iterator[Example | BadRow]:
        mark = _first_mark(path)
        if not mark:
            yield from self._read_lines(path)
            return
        for row in _named_fasta(path) if mark == ">" else read_genbank(path, self.modality is PROTEIN):
            if isinstance(row, BadRow):
                yield row
            else:
                line, name, sequence = row
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
    options = (*BiologicalSource.options, "reverse_complement")

    @staticmethod
    def mirrored(sequence: str) -> str:
        from Bio.Seq import reverse_complement, reverse_complement_rna

        is_rna = "U" in sequence and "T" not in sequence
        return reverse_complement_rna(sequence) if is_rna else reverse_complement(sequence)


@register_source("protein")
class ProteinSource(BiologicalSource):
    """Proteins, of a GenBank file of nucleotides its translations; the `*` of a stop codon at the end is left out."""

    modality = PROTEIN

    @staticmethod
    def clean(sequence: str) -> str:
        return sequence.upper().removesuffix("*")


def is_fasta(path: Path) -> bool:
    """Whether the first line that is not blank is a header of FASTA."""
    return _first_mark(path) == ">"


def read_fasta(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line of the header (from 1), header without its `>`, and sequence of every record."""
    from Bio.SeqIO.FastaIO import SimpleFastaParser

    headers: deque[int] = deque()
    for title, sequence in SimpleFastaParser(_noting_headers(path, headers)):
        yield headers.popleft(), title.strip(), sequence


def _named_fasta(path: Path) -> Iterator[NamedSequence]:
    for line, title, sequence in read_fasta(path):
        yield line, title.split(maxsplit=1)[0] if title else "", sequence


def _first_mark(path: Path) -> str:
    first = next((line for _, line in read_lines(path) if line is None or line.strip()), None) or ""
    return next((mark for mark in (">", "LOCUS") if first.startswith(mark)), "")


def _noting_headers(path: Path, headers: deque[int]) -> Iterator[str]:
    for number, line in read_lines(path):
        text = "\ufffd" if line is None else line
        if text.startswith(">"):
            headers.append(number)
        if headers:
            yield text + "\n"
