"""The molecules of an example, and whether RDKit can read them."""

from __future__ import annotations

from collections.abc import Iterator

from mindformers.dataset.example import BadRow, Example
from mindformers.modalities import MOLECULE, Span, split_spans


def spans_of(example: Example) -> Iterator[Span]:
    """The spans of every turn and its input, or of the raw text, in order. Raises InputError for a broken tag."""
    texts = [text for turn in example.turns for text in (turn.text, turn.input)] if example.turns else [example.text]
    for text in texts:
        yield from split_spans(text)


def molecules_of(example: Example) -> list[str]:
    """The SMILES in the tags of an example. Raises InputError for a broken tag."""
    return [span.sequence for span in spans_of(example) if span.modality is MOLECULE]


def without_unreadable_molecules(example: Example) -> Example | BadRow:
    """The example if RDKit reads each of its molecules, else a BadRow that names the first it does not.

    Raises:
        InputError: a broken tag or a sequence outside its alphabet.
    """
    for smiles in molecules_of(example):
        if not is_readable(smiles):
            return BadRow(example.file, example.line, f"RDKit cannot read the molecule {smiles}")
    return example


def is_readable(smiles: str) -> bool:
    """Whether RDKit makes a molecule of a SMILES, valences and rings included; it prints nothing."""
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        return Chem.MolFromSmiles(smiles) is not None
