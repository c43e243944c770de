"""ChEBI-20: `CID<TAB>SMILES<TAB>description`, in both directions.

Its published files write the backslash of a SMILES (a bond direction) twice, as in `C/C=C\\\\C`. No SMILES has two
bonds in a row, so two are read as one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mindformers.dataset.example import GPT, HUMAN, BadRow, Example, Turn
from mindformers.dataset.instructions import CAPTION_INSTRUCTIONS, MOLGEN_INSTRUCTIONS
from mindformers.dataset.sources.base import Source, register_source
from mindformers.dataset.sources.find_molecules import tagged
from mindformers.dataset.sources.records import read_records
from mindformers.dataset.stable import chosen
from mindformers.tools.logging import get_logger

_LOGGER = get_logger(__name__)
_COLUMNS = {"SMILES": ("smiles",), "description": ("description",)}
_DOUBLED = "\\\\"


def read_pairs(path: Path) -> Iterator[tuple[int, str, str] | BadRow]:
    """Line, SMILES with single backslashes, and description of every row; says at the end how many had double ones."""
    num_doubled = 0
    for row in read_records(path, _COLUMNS):
        if isinstance(row, BadRow):
            yield row
            continue
        smiles = row[1]["SMILES"]
        num_doubled += _DOUBLED in smiles
        yield row[0], smiles.replace(_DOUBLED, "\\"), row[1]["description"]
    if num_doubled:
        _LOGGER.info("%s: the SMILES of %d rows had doubled backslashes, read as single ones", path, num_doubled)


class _ChebiSource(Source):
    checks_molecules = True

    def read(self, path: Path) -> Iterator[Example | BadRow]:
        for row in read_pairs(path):
            if isinstance(row, BadRow):
                yield row
            else:
                line, smiles, description = row
                yield Example(self.turns(smiles, description), file=str(path), line=line)

    @staticmethod
    def turns(smiles: str, description: str) -> tuple[Turn, ...]:
        """Question and answer; the phrase of the question depends on the molecule."""
        raise NotImplementedError


@register_source("chebi20")
class ChebiCaptionSource(_ChebiSource):
    """The description of a molecule."""

    @staticmethod
    def turns(smiles: str, description: str) -> tuple[Turn, ...]:
        question = chosen(CAPTION_INSTRUCTIONS, "chebi20", 0, smiles).format(smiles)
        return Turn(HUMAN, question), Turn(GPT, description)


@register_source("chebi20_molgen")
class ChebiMolgenSource(_ChebiSource):
    """The molecule of a description."""

    @staticmethod
    def turns(smiles: str, description: str) -> tuple[Turn, ...]:
        question = chosen(MOLGEN_INSTRUCTIONS, "chebi20", 0, smiles).replace("{}", description)
        return Turn(HUMAN, question), Turn(GPT, tagged(smiles))
