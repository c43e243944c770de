"""How much longer the way to a molecule's end gets with one character more, without looking for that way."""

from __future__ import annotations

from functools import cache

from mindformers.generation.constrain.characters import BIT, ORDERS, PLAIN, ROOTS, bits
from mindformers.generation.constrain.closing import WAITS_FOR_ATOM, ending, least_characters
from mindformers.generation.constrain.molecule import Molecule
from mindformers.generation.constrain.writing import Place

MOST_ADDED = 16
"""By how many characters at the most the way to the end gets longer with one character more."""
# The same exactly, where the current atom is not aromatic: a branch needs an atom and its end, a bond or fragment an
# atom, a bracket a symbol and its end, a ring bond three characters, or five and its number: those at the most.
_ADDED = {"(": 2, ".": 1, "[": 2, "%": 7, **dict.fromkeys("-=#/\\", 1), **dict.fromkeys("0123456789", 3), ")": -1}
# Behind an atom: those that end a segment or not in the same way, and those that all leave as many digits free.
_PLAIN, _NEW_DIGITS = PLAIN[0], bits("123456789")
_ATOM_OR_BRANCH = PLAIN[0] | ROOTS[0] | bits("([")


def most_characters(molecule: Molecule) -> int:
    """A quick upper bound of the length of `ending`."""
    return 20 + 6 * len(molecule.rings.open) + 12 * (len(molecule.stack) + len(molecule.aromatics.suspended))


def added_by(molecule: Molecule, character: str) -> int | None:
    """By how many characters `ending` gets longer with an allowed one, by `%` at the most; None: it must be tried."""
    if not molecule.is_plain:
        return None
    place = molecule.place
    if place == Place.BRACKET:
        return molecule.added_in_bracket(character)
    if place in (Place.PERCENT, Place.TENS):
        return None
    is_waiting = place in WAITS_FOR_ATOM
    if BIT[character] & ROOTS[0]:
        number = molecule.rings.first_free()
        return _added_by_segment(character, molecule.order) + 2 * (len(number) - 1) - is_waiting
    if character.isdigit() and (ring := molecule.rings.open.get(int(character))) is not None:
        return None if molecule.aromatic(ring.atom) >= 0 else -3 - is_waiting
    return _ADDED.get(character, 0) - is_waiting


@cache
def _added_by_segment(character: str, order: int) -> int:
    """The length of the chain that makes one aromatic atom a ring, where the ring bond's number is a digit."""
    molecule = Molecule()
    bond = next(bond for bond, its_order in ORDERS.items() if its_order == max(order, 1))
    for written_before in f"C{bond}{character}" if order else character:
        molecule.advance(written_before)
    return len(ending(molecule))


def least_behind(molecule: Molecule, character: str) -> int:
    """A quick lower bound of the length of `ending` with an allowed character more; 0 where there is none."""
    is_at_atom = molecule.place in (Place.ATOM, Place.CLOSED, Place.OPENED)
    if not is_at_atom or not BIT[character] & _ATOM_OR_BRANCH or molecule.must_open:
        return 0
    return least_characters(molecule) + (2 if character in "([" else 0)


def alike(molecule: Molecule, character: str) -> str:
    """One of the allowed characters that need as much to the end as an allowed one does: the same for all of them."""
    place, bit = molecule.place, BIT[character]
    if place in (Place.ATOM, Place.CLOSED):
        if bit & _PLAIN:
            return "C"
        if bit & _NEW_DIGITS & molecule.rings.free:
            return molecule.rings.first_free()
    elif place in (Place.PERCENT, Place.TENS):
        return molecule.first_new_digit(character)
    return "/" if character == "\\" else character
