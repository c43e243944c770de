"""A matching that grows: which neighbours share the double bonds of an aromatic system.

Lower-case atoms are valid when every atom that lacks a double bond can be paired with a neighbour (a perfect matching;
to draw one is to *kekulise*). The pairs found so far are kept, and an atom that is left over is paired by shifting
double bonds along a path until another atom is left over that can do without, or pairs up:

    left over *        * = * - * = o        becomes        * = *   * = o - o     with the last atom left over instead

Source: C. Berge, "Two theorems in graph theory", PNAS 43 (1957): a matching grows along such paths and no others.
"""

from __future__ import annotations

from collections.abc import Callable

_MAX_STEPS = 400
_NOBODY = -1


class Matching:
    """Pairs of atoms. Atoms are numbers from 0, in the order of `add`.

    Attributes:
        mate: for each atom its partner, or -1.
        edges: for each atom the neighbours that it can share a double bond with.
        exposed: atoms that lack a double bond and have no partner.
    """

    __slots__ = ("_steps", "edges", "exposed", "mate")

    def __init__(self) -> None:
        self.mate: list[int] = []
        self.edges: list[tuple[int, ...]] = []
        self.exposed: set[int] = set()
        self._steps = 0

    def copy(self) -> Matching:
        """An independent copy."""
        twin = Matching.__new__(Matching)
        twin.mate, twin.edges, twin.exposed = self.mate.copy(), self.edges.copy(), self.exposed.copy()
        twin._steps = 0
        return twin

    def add(self, is_lacking: bool) -> int:
        """A new atom without neighbours."""
        atom = len(self.mate)
        self.mate.append(_NOBODY)
        self.edges.append(())
        if is_lacking:
            self.exposed.add(atom)
        return atom

    def link(self, one: int, other: int) -> None:
        """Let two atoms share a double bond, and do so where both lack one."""
        self.edges[one] += (other,)
        self.edges[other] += (one,)
        if one in self.exposed and other in self.exposed:
            self._pair(one, other)

    def unlink(self, one: int, other: int) -> None:
        """Two atoms can no longer share a double bond."""
        self.edges[one] = tuple(atom for atom in self.edges[one] if atom != other)
        self.edges[other] = tuple(atom for atom in self.edges[other] if atom != one)
        if self.mate[one] == other:
            self.mate[one] = self.mate[other] = _NOBODY
            self.exposed |= {one, other}

    def set_lacking(self, atom: int, is_lacking: bool) -> None:
        """An atom starts or ceases to lack a double bond."""
        if is_lacking:
            self.exposed.add(atom)
            return
        self.exposed.discard(atom)
        partner = self.mate[atom]
        if partner != _NOBODY:
            self.mate[atom] = self.mate[partner] = _NOBODY
            self.exposed.add(partner)

    def settle(self, can_wait: Callable[[int], bool]) -> bool:
        """Pair every exposed atom that cannot wait.

        Args:
            can_wait: whether an atom may stay exposed for now.

        Returns:
            False where that is impossible; the matching is then of no use any more.
        """
        for atom in tuple(self.exposed):
            if atom in self.exposed and not can_wait(atom):
                self._steps = 0
                if not self._shift(atom, {atom}, can_wait):
                    return False
        return True

    def _shift(self, atom: int, path: set[int], can_wait: Callable[[int], bool]) -> bool:
        """Pair `atom`, which has no partner; `path` holds the atoms on the way here."""
        self._steps += 1
        if self._steps > _MAX_STEPS:
            return False  # stricter than need be, for huge systems only
        for other in self.edges[atom]:
            if other in path:
                continue
            if other in self.exposed:
                self._pair(atom, other)
                return True
            left = self.mate[other]
            if left == _NOBODY or left in path:
                continue
            self.mate[left] = _NOBODY
            self.exposed.add(left)
            if can_wait(left) or self._shift(left, path | {other, left}, can_wait):
                self._pair(atom, other)
                return True
            self.exposed.discard(left)
            self.mate[left] = other
        return False

    def _pair(self, one: int, other: int) -> None:
        self.mate[one], self.mate[other] = other, one
        self.exposed.discard(one)
        self.exposed.discard(other)
