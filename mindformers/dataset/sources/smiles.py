"""Molecules: one SMILES a line, alone or in a column."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mindformers.dataset.example import BadRow, Example
from mindformers.dataset.sources.base import register_source
from mindformers.dataset.sources.columns import read_column
from mindformers.dataset.sources.sequences import SequenceSource
from mindformers.modalities import MOLECULE

_HEADERS = ("smiles", "canonical_smiles", "molecule")


@register_source("smiles")
class SmilesSource(SequenceSource):
    """The first column, or the one that a header calls `SMILES` or `molecule`."""

    modality = MOLECULE
    may_cut = False
    checks_molecules = True

    def read(self, path: Path) -> Iterator[Example | BadRow]:
        for row in read_column(path, _HEADERS):
            if isinstance(row, BadRow):
                yield row
            else:
                yield from self.examples(row[1], path, row[0])
