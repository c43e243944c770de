"""Atoms written in lower case: which of them take part in a double bond of their ring once it is drawn with such bonds.

An aromatic bond counts one here, a double bond that leaves the ring two. What an atom lacks to its next allowed valence
is a double bond in the ring, or hydrogen:

    c  in benzene, 2 bonds + H    lacks a double bond    n  in pyridine, 2 bonds     lacks one
    c  in quinone, c(=O), 4       lacks nothing          n  in N-methylpyrrole, 3    lacks nothing

Source: the OpenSMILES specification, section "Aromaticity"; the valences are RDKit's, see `elements`.
"""

from __future__ import annotations

from typing import NamedTuple

MAX_DEGREE = 3


class Kind(NamedTuple):
    """A sort of aromatic atom.

    Args:
        index: its place in `KINDS`.
        lacks: by the number of its bonds (0 to 8), whether it needs a double bond in its ring.
        max_bonds: bonds that it may have, without its hydrogens.
    """

    index: int
    lacks: tuple[bool, ...]
    max_bonds: int


# Element -> charge -> valences of an aromatic atom. A carbocation has three bonds and an empty orbital.
_VALENCES: dict[str, dict[int, tuple[int, ...]]] = {
    "c": {0: (4,), 1: (3,), -1: (3,)},
    "n": {0: (3,), 1: (4,), -1: (2,)},
    "o": {0: (2,), 1: (3,)},
    "s": {0: (2, 4), 1: (3,)},
    "se": {0: (2, 4), 1: (3,)},
    "te": {0: (2, 4), 1: (3,)},
    "p": {0: (3, 5), 1: (4,)},
    "as": {0: (3, 5)},
    "b": {0: (3,), -1: (4,)},
    "si": {0: (4,)},
}
_HYDROGENS = (0, 1)


def _lacks(valences: tuple[int, ...], hydrogens: int, bonds: int) -> bool:
    total = max(bonds, 2) + hydrogens  # every aromatic atom ends with two bonds or more in its ring
    return min((v for v in valences if v >= total), default=total) > total


def _table() -> dict[tuple[str, int, int], Kind]:
    kinds: dict[tuple[str, int, int], Kind] = {}
    for symbol, charges in _VALENCES.items():
        for charge, valences in charges.items():
            for hydrogens in _HYDROGENS:
                if valences[-1] - hydrogens >= 2:
                    lacks = tuple(_lacks(valences, hydrogens, bonds) for bonds in range(9))
                    kinds[symbol, hydrogens, charge] = Kind(len(kinds), lacks, valences[-1] - hydrogens)
    return kinds


KINDS: dict[tuple[str, int, int], Kind] = _table()
"""(symbol, hydrogens in the bracket, charge) -> kind."""


BINDING_METALS: frozenset[int] = frozenset(KINDS[symbol, 0, 0].index for symbol in "cn")
"""Kinds that may have a bond to a metal: no such bond can be taken for a dative one, see `elements.NON_METALS`."""


def can_be_relieved(kind: Kind, bonds: int, degree: int) -> str:
    """What to write behind an atom so that it lacks nothing: `=O`, `C`, or nothing where neither helps."""
    if degree < MAX_DEGREE:
        for order, text in ((1, "C"), (2, "=O")):
            if bonds + order <= kind.max_bonds and not kind.lacks[bonds + order]:
                return text
    return ""
