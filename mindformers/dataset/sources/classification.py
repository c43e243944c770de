"""Sets of sequences with a label or a description, as instructions: core promoters, and what a protein is or does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from mindformers.dataset.example import GPT, HUMAN, BadRow, Example, LeftOut, Turn
from mindformers.dataset.instructions import (
    PROMOTER_INSTRUCTIONS,
    PROTEIN_CLASS_INSTRUCTIONS,
    PROTEIN_FUNCTION_INSTRUCTIONS,
)
from mindformers.dataset.sources.base import Source, register_source
from mindformers.dataset.sources.biology import is_fasta, read_fasta
from mindformers.dataset.sources.json_source import RowError
from mindformers.dataset.sources.records import read_records
from mindformers.dataset.stable import chosen
from mindformers.modalities import NUCLEOTIDE, PROTEIN, Modality

_SEQUENCE = ("sequence", "seq", "protein_sequence")
_ANSWERS = {"1": "Yes", "0": "No", "yes": "Yes", "no": "No", "true": "Yes", "false": "No"}
# What UniProt writes behind the name: `OS=Homo sapiens OX=9606 GN=CD6 PE=4 SV=1`, UniRef: `n=2 Tax=... RepID=...`.
_FIELDS = re.compile(r"\s+(?:OS|OX|GN|PE|SV|n|Tax|TaxID|RepID|Split)=.*$")
_REMARKS = re.compile(r"\s*\((?:Fragment|Fragments|Precursor)\)")
_SAYS_NOTHING = re.compile(
    r"(?:putative |predicted |probable |conserved |hypothetical )*(?:uncharacteri[sz]ed|hypothetical|predicted|unknown|"
    r"unnamed)? ?(?:protein|protein product|gene protein|unknown)?",
    re.IGNORECASE,
)


class _TellsNothing(RowError):
    """A description without content."""


class _LabelledSource(Source):
    """A table of sequences with something to tell about each.

    Attributes:
        columns: headers of what is told, in the order in which they are looked for.
    """

    modality: Modality
    instructions: tuple[str, ...]
    columns: tuple[str, ...]

    def read(self, path: Path) -> Iterator[Example | BadRow]:
        for row in self.rows(path):
            if isinstance(row, BadRow):
                yield row
                continue
            line, written, told = row
            try:
                turns = self._turns(self._checked(self.sequence(written)), self.answer(told))
            except _TellsNothing as error:
                yield LeftOut(str(path), line, str(error))
            except RowError as error:
                yield BadRow(str(path), line, str(error))
            else:
                yield Example(turns, file=str(path), line=line)

    def rows(self, path: Path) -> Iterator[tuple[int, str, str] | BadRow]:
        """Line, sequence and what is told of it."""
        for row in read_records(path, {"sequence": _SEQUENCE, self.columns[0]: self.columns}):
            yield row if isinstance(row, BadRow) else (row[0], row[1]["sequence"], row[1][self.columns[0]])

    def sequence(self, written: str) -> str:
        """The sequence as the alphabet writes it. Raises RowError with the reason where it is none."""
        return written.upper()

    def answer(self, told: str) -> str:
        """The answer to learn. Raises RowError with the reason where there is none."""
        return told

    def _checked(self, sequence: str) -> str:
        wrong = next((i for i, one in enumerate(sequence) if one not in self.modality.alphabet), None)
        if wrong is not None:
            raise RowError(f"character {wrong + 1}, {sequence[wrong]!r}, is not in the {self.modality.name} alphabet")
        return sequence

    def _turns(self, sequence: str, answer: str) -> tuple[Turn, ...]:
        phrase = chosen(self.instructions, "sequence", 0, sequence)
        tag = self.modality.tag_for(sequence)
        return Turn(HUMAN, phrase.format(f"<{tag}>{sequence}</{tag}>")), Turn(GPT, answer)


@register_source("promoter")
class PromoterSource(_LabelledSource):
    """`sequence<TAB>label`, 1 for a promoter; the sequence plain or, as DNABERT has it, in overlapping k-mers."""

    modality = NUCLEOTIDE
    instructions = PROMOTER_INSTRUCTIONS
    columns = ("label", "labels", "class")

    def sequence(self, written: str) -> str:
        words = written.upper().split()
        is_overlapping = all(a[1:] == b[:-1] and len(a) == len(b) for a, b in pairwise(words))
        if not is_overlapping:
            raise RowError("the k-mers of the sequence do not overlap by all but one character")
        return words[0] + "".join(word[-1] for word in words[1:])

    def answer(self, told: str) -> str:
        if told.lower() not in _ANSWERS:
            raise RowError(f"label '{told}', expected 1 or 0")
        return _ANSWERS[told.lower()]


class _ProteinSource(_LabelledSource):
    modality = PROTEIN

    def sequence(self, written: str) -> str:
        return written.upper().removesuffix("*")


@register_source("protein_function")
class ProteinFunctionSource(_ProteinSource):
    """What a protein is: UniProt's FASTA by the name in its header, or a table with a column that tells it.

    A name that tells nothing, such as `Uncharacterized protein`, is left out and reported.
    """

    instructions = PROTEIN_FUNCTION_INSTRUCTIONS
    columns = ("function", "function [cc]", "description", "protein names")

    def rows(self, path: Path) -> Iterator[tuple[int, str, str] | BadRow]:
        if not is_fasta(path):
            yield from super().rows(path)
            return
        for line, title, sequence in read_fasta(path):
            words = title.split(maxsplit=1)
            name = _FIELDS.sub("", f" {words[1]}").strip() if len(words) > 1 else ""
            yield (line, sequence, name) if sequence else BadRow(str(path), line, "empty sequence")

    def answer(self, told: str) -> str:
        name = _REMARKS.sub("", told).strip()
        if _SAYS_NOTHING.fullmatch(name):
            raise _TellsNothing(f"its description '{told}' tells nothing")
        return name


@register_source("protein_class")
class ProteinClassSource(_ProteinSource):
    """The class, family or EC number of a protein, from a table."""

    instructions = PROTEIN_CLASS_INSTRUCTIONS
    columns = ("class", "label", "labels", "protein families", "family", "ec number")
