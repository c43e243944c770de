"""The lower-case atoms of a molecule: their bonds, and the places that they hold in aromatic segments."""

from __future__ import annotations

from typing import Self

from mindformers.generation.constrain.kinds import BINDING_METALS, MAX_DEGREE, Kind, can_be_relieved
from mindformers.generation.constrain.matching import Matching

NOBODY = -1
_MISSING = (2, 1, 0, 0)  # by the bonds that an atom has in its ring


class AromaticAtoms:
    """Atoms, numbered from 0 as they come; see `aromatic` for what segments and ports are.

    Attributes:
        in_ring: for each atom whether it is in a ring of aromatic bonds.
        ports: for each segment the atoms with an open ring bond, in the order of the path.
        suspended: segment -> the port that it will go on from.
        branches: the atoms that open branches return to, outermost first; -1 for one that is not aromatic.
        tip: the current atom, or -1 where it is not aromatic.
        matching: the atoms that lack a double bond, and their partners.
    """

    __slots__ = (
        "_bonds",
        "_degree",
        "_is_covered",
        "_is_final",
        "_kind",
        "_num_open",
        "_parent",
        "_position",
        "_ring_bonds",
        "_segment",
        "branches",
        "in_ring",
        "matching",
        "ports",
        "suspended",
        "tip",
    )

    def __init__(self) -> None:
        self._kind: list[Kind] = []
        self._bonds: list[int] = []
        self._degree: list[int] = []
        self._ring_bonds: list[int] = []  # of those, the aromatic ones; every atom ends with two or more
        self._num_open: list[int] = []  # open ring bonds whose order is not given yet
        self._parent: list[int] = []
        self._segment: list[int] = []
        self._position: list[int] = []  # in the segment, from 0
        self._is_covered: list[bool] = []  # whether the bond to the parent is in a ring of aromatic bonds
        self._is_final: list[bool] = []
        self.in_ring: list[bool] = []
        self.ports: list[tuple[int, ...]] = []
        self.suspended: dict[int, int] = {}
        self.matching = Matching()
        self.branches: list[int] = []
        self.tip = NOBODY

    def copy(self) -> Self:
        """An independent copy."""
        twin = type(self).__new__(type(self))
        twin._kind, twin._bonds, twin._degree = self._kind.copy(), self._bonds.copy(), self._degree.copy()
        twin._ring_bonds, twin._num_open = self._ring_bonds.copy(), self._num_open.copy()
        twin._parent, twin._segment, twin._position = self._parent.copy(), self._segment.copy(), self._position.copy()
        twin._is_covered, twin._is_final = self._is_covered.copy(), self._is_final.copy()
        twin.in_ring, twin.ports, twin.matching = self.in_ring.copy(), self.ports.copy(), self.matching.copy()
        twin.suspended, twin.branches, twin.tip = self.suspended.copy(), self.branches.copy(), self.tip
        return twin

    @property
    def is_at_rest(self) -> bool:
        """Whether no segment waits for anything: neither here, nor where a branch returns to, nor at a port."""
        return (
            self.tip == NOBODY
            and not self.suspended
            and not self.matching.exposed
            and max(self.branches, default=-1) < 0
        )

    def room(self, atom: int) -> int:
        """How many neighbours an atom may still get, those that it still must get among them."""
        return min(MAX_DEGREE - self._degree[atom], self._kind[atom].max_bonds - self._bonds[atom])

    def takes(self, atom: int, order: int, needed: int | None = None) -> bool:
        """Whether an atom has room for a bond of this order besides the two in its ring.

        Args:
            atom: the atom.
            order: of the bond.
            needed: how many bonds in the ring it still must get, where that is known better.
        """
        needed = self._missing(atom) if needed is None else needed
        return (
            self._degree[atom] + needed < MAX_DEGREE
            and self._bonds[atom] + needed + order <= self._kind[atom].max_bonds
        )

    def takes_more(self, atom: int, extra_order: int) -> bool:
        """Whether a bond that an atom has may be of a higher order."""
        return self._bonds[atom] + self._missing(atom) + extra_order <= self._kind[atom].max_bonds

    def is_final(self, atom: int) -> bool:
        """Whether the path has left an atom for good."""
        return self._is_final[atom]

    def is_exposed(self, atom: int) -> bool:
        """Whether an atom lacks a double bond and has no partner."""
        return atom in self.matching.exposed

    def binds_metals(self, atom: int) -> bool:
        """Whether an atom may have a bond to a metal."""
        return self._kind[atom].index in BINDING_METALS

    def is_steady(self, atom: int) -> bool:
        """Whether an atom lacks a double bond, or not, just as before when the path goes on behind it."""
        lacks, bonds = self._kind[atom].lacks, self._bonds[atom]
        return self._ring_bonds[atom] < 2 or lacks[bonds] == lacks[bonds + 1]

    def goes_on_with(self, atom: int, order: int) -> bool:
        """Whether an atom that is in no ring yet lacks a double bond, or not, just as before with a bond more."""
        lacks, missing = self._kind[atom].lacks, self._missing(atom)
        bonds = self._bonds[atom] + missing
        return missing > 0 and lacks[bonds] == lacks[bonds + order]

    def relief(self, atom: int) -> str:
        """What to write behind an atom, `=O` or `C`, for it to lack nothing; empty where neither helps."""
        missing = self._missing(atom)
        return can_be_relieved(self._kind[atom], self._bonds[atom] + missing, self._degree[atom] + missing)

    def own_ports(self, atom: int) -> tuple[int, ...]:
        """The ports of an atom's segment."""
        return self.ports[self._segment[atom]]

    def is_same_system(self, one: int, other: int) -> bool:
        """Whether a ring bond between two atoms closes a ring of aromatic bonds."""
        return self._segment[one] == self._segment[other] and not (self._is_final[one] or self._is_final[other])

    def is_suspended_at(self, atom: int) -> bool:
        """Whether an atom's segment waits to go on from this atom."""
        return self.suspended.get(self._segment[atom]) == atom

    def first_uncovered(self, atom: int) -> int:
        """The place, counted from the segment's start, of its first atom that is in no ring; -1 where there is none."""
        first = NOBODY
        while atom != NOBODY:
            if not self.in_ring[atom]:
                first = self._position[atom]
            atom = self._parent[atom]
        return first

    def _add(self, kind: Kind, order: int, parent: int, segment: int) -> int:
        is_first = parent == NOBODY
        self._kind.append(kind)
        self._bonds.append(order)
        self._degree.append(1 if order else 0)
        self._ring_bonds.append(0 if is_first else 1)
        self._num_open.append(0)
        self._parent.append(parent)
        self._segment.append(segment)
        self._position.append(0 if is_first else self._position[parent] + 1)
        self._is_covered.append(False)
        self._is_final.append(False)
        self.in_ring.append(False)
        return self.matching.add(kind.lacks[order + 2 if is_first else 2])

    def _missing(self, atom: int) -> int:
        """How many of its two bonds in the ring an atom still must get."""
        return _MISSING[self._ring_bonds[atom]]

    def _lacks(self, atom: int, extra_order: int = 0) -> bool:
        """Whether an atom lacks a double bond once it has its bonds in the ring."""
        return self._kind[atom].lacks[self._bonds[atom] + _MISSING[self._ring_bonds[atom]] + extra_order]

    def _bond(self, atom: int, order: int, neighbours: int = 1, in_ring: int = 0) -> None:
        before = self._lacks(atom)
        self._bonds[atom] += order
        self._degree[atom] += neighbours
        self._ring_bonds[atom] += in_ring
        after = self._lacks(atom)
        if before != after:
            self.matching.set_lacking(atom, after)

    def _is_doubled(self, atom: int) -> bool:
        """Whether an atom that lacks a double bond can have it as an open ring bond, closed by `=`."""
        return (
            self._num_open[atom] > 0
            and self._num_open[atom] > self.is_suspended_at(atom)
            and self.takes_more(atom, 1)
            and not self._lacks(atom, extra_order=1)
        )
