"""Molecules to test with, and the reader that has the last word."""

from __future__ import annotations

from pathlib import Path

from rdkit import Chem, rdBase

from mindformers.generation.constrain.characters import BIT, END
from mindformers.generation.constrain.molecule import Molecule

REAL = Path(__file__).with_name("real_molecules.txt").read_text(encoding="utf-8").split()


def parses(smiles: str) -> bool:
    """Whether RDKit reads and sanitises a SMILES string."""
    with rdBase.BlockLogs():
        return bool(smiles) and Chem.MolFromSmiles(smiles) is not None


def written(smiles: str) -> Molecule:
    """The state behind a string of which every character is allowed."""
    molecule = Molecule()
    for character in smiles:
        assert molecule.allowed() & BIT[character], f"{character} is refused in {smiles}"
        molecule.advance(character)
    return molecule


def characters_of(mask: int) -> str:
    """The characters of a set, in the alphabet's order, without the end."""
    return "".join(character for character, bit in BIT.items() if mask & bit)


def refusal(smiles: str) -> int | None:
    """The place of the first character that is refused, the length if it is the end, or None."""
    molecule = Molecule()
    for place, character in enumerate(smiles):
        if not molecule.allowed() & BIT.get(character, 0):
            return place
        molecule.advance(character)
    return None if molecule.allowed() & END else len(smiles)
