"""The tables of atoms against RDKit, and brackets by hand."""

from __future__ import annotations

import pytest

from mindformers.generation.constrain.bracket import START, allowed_characters, classes_with_bonds, shortest_end
from mindformers.generation.constrain.elements import ANY, ATOMIC_NUMBERS, CHARGES, max_valence
from mindformers.generation.constrain.kinds import KINDS, MAX_DEGREE, can_be_relieved
from tests.generation.constrain.molecules import parses


def bracket_text(symbol: str, hydrogens: int, charge: int) -> str:
    return f"[{symbol}{'H' * hydrogens}{f'{charge:+d}' if charge else ''}]"


@pytest.mark.parametrize("charge", CHARGES)
def test_no_atom_may_have_more_bonds_than_rdkit_allows(charge: int) -> None:
    for symbol in ATOMIC_NUMBERS:
        most = max_valence(symbol, charge)
        if most < 0:
            continue
        for bonds in {0, most}:
            atom = bracket_text(symbol, 0, charge)
            assert parses("C" + atom + "(C)" * (bonds - 1) if bonds else atom), (atom, bonds)


@pytest.mark.parametrize("charge", [-1, 0, 1])
def test_common_elements_may_have_all_the_bonds_that_rdkit_allows(charge: int) -> None:
    for symbol in ("B", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Se", "Br", "I"):
        most = max_valence(symbol, charge)
        assert most < ANY
        assert not parses("C" + bracket_text(symbol, 0, charge) + "(C)" * most), (symbol, charge)


SIDES = {"": 2, "(C)": 3, "(=C)": 4}
"""What stands behind an aromatic atom -> its bonds then."""


@pytest.mark.parametrize(("symbol", "hydrogens", "charge"), list(KINDS))
def test_aromatic_atoms_lack_a_double_bond_as_in_rdkit(symbol: str, hydrogens: int, charge: int) -> None:
    """In a ring with so many c that all are paired just if the table is right."""
    kind = KINDS[symbol, hydrogens, charge]
    atom = bracket_text(symbol, hydrogens, charge)
    for side, bonds in SIDES.items():
        if bonds <= kind.max_bonds:
            right, wrong = ("ccccc1", "cccc1") if kind.lacks[bonds] else ("cccc1", "ccccc1")
            assert parses(f"{atom}1{side}{right}")
            assert not parses(f"{atom}1{side}{wrong}")


def test_relief_leaves_nothing_lacking() -> None:
    carbon, nitrogen = KINDS["c", 0, 0], KINDS["n", 0, 0]
    assert can_be_relieved(carbon, 2, 2) == "=O"
    assert can_be_relieved(nitrogen, 2, 2) == "C"
    assert can_be_relieved(carbon, 3, MAX_DEGREE) == ""


def characters_behind(text: str, permitted: int = -1) -> str:
    node = START
    for character in text:
        node = node.moves[character]
    return allowed_characters(node, permitted)


@pytest.mark.parametrize(
    ("text", "allowed", "refused"),
    [
        ("", "1CNFs", "0H]@+" + "-"),
        ("1", "023CN", "]"),
        ("123", "CNO", "0123"),
        ("C", "laH@+-]", "C1("),
        ("C@", "@H]", "1"),
        ("C@@", "H]", "@"),
        ("CH", "234+-]", "@H1"),
        ("N+", "+23]", "-1H@"),
        ("N+2", "]", "+3"),
        ("s", "eiH+]", "C"),
        ("Z", "rn", "]H"),
        ("H", "gofs]", "@"),
    ],
)
def test_brackets_by_hand(text: str, allowed: str, refused: str) -> None:
    characters = characters_behind(text)
    if not text:
        allowed, refused = allowed + "H", refused.replace("H", "")
    assert set(allowed) <= set(characters)
    assert not set(refused) & set(characters)


def test_a_bracket_gets_an_atom_with_the_bonds_it_needs() -> None:
    triple = classes_with_bonds(3)
    assert "]" not in characters_behind("O", triple)
    assert "]" in characters_behind("N", triple)
    assert "]" in characters_behind("O+", triple)
    assert shortest_end(START, triple) == "C]"
