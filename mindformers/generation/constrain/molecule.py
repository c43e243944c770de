"""A SMILES string while it is being written: what may follow.

Source: the OpenSMILES specification. Stricter than RDKit's reader: no ring bonds behind a branch, no empty branches, no
wildcards, and a ring bond's order is the same at both ends or given at one. A string of which every character was
allowed, and the end too, is one that RDKit reads and sanitises.
"""

from __future__ import annotations

from mindformers.generation.constrain import bracket
from mindformers.generation.constrain.aromatic_atoms import NOBODY
from mindformers.generation.constrain.bracket import METAL_CLASSES
from mindformers.generation.constrain.characters import (
    BIT,
    BRACKET_CLASSES,
    END,
    LACKING,
    LACKING_CLASSES,
    METAL_ROOT_CLASSES,
    METAL_ROOTS,
    ORDERS,
    PLAIN,
    PLAIN_CLASSES,
    ROOT_CLASSES,
    ROOTS,
    SATED,
    SATED_CLASSES,
    allowed_in_bracket,
    bits,
)
from mindformers.generation.constrain.masks import EVERYTHING
from mindformers.generation.constrain.rings import RING_CHARACTERS, RingBond, character_bit
from mindformers.generation.constrain.writing import DIRECTIONS, Place, Writing

START, ATOM, CLOSED, OPENED, BOND, BRACKET, PERCENT, TENS = Place
_BRACKET_BIT, _OPEN_BIT, _CLOSE_BIT, _DOT_BIT = (BIT[character] for character in "[().")
_BOND_BITS = {order: bits("".join(b for b, o in ORDERS.items() if b and o == order)) for order in (1, 2, 3)}
_BRACKET_OR_BRANCH = _BRACKET_BIT | _OPEN_BIT
_ATOMS = PLAIN[0] | ROOTS[0] | _BRACKET_BIT
_ENDS = _CLOSE_BIT | _DOT_BIT | END
# The characters for which it must be known what can follow an aromatic atom.
_LEAVING, _LACKING, _SATED = _ATOMS, LACKING | _BRACKET_BIT, SATED | _BRACKET_BIT
_BEHIND_ATOMS = (ATOM, CLOSED)
# What may follow an atom that is not aromatic, by the bonds that it may still have.
_AFTER = [0]
_AFTER.append(PLAIN[1] | ROOTS[1] | _BRACKET_OR_BRANCH | _BOND_BITS[1])
_AFTER.append(_AFTER[1] | _BOND_BITS[2])
_AFTER.append(_AFTER[2] | _BOND_BITS[3])


class Molecule(Writing):
    """See the module."""

    __slots__ = ()

    def allowed(self, among: int = EVERYTHING) -> int:
        """The set of characters that may follow, and the end; only those `among` a set are looked at."""
        place = self.place
        if place in _BEHIND_ATOMS:
            if self.must_open:
                return (self.rings.free | self._ring_bonds("", among)) & among
            behind = self._behind_aromatic(among) if self._current() >= 0 else self._behind_plain(among)
            return (behind | self._ends() if among & _ENDS else behind) & among
        return self._allowed_elsewhere(place, among) & among

    def _allowed_elsewhere(self, place: Place, among: int) -> int:
        if place == BRACKET:
            return allowed_in_bracket(self._node, self._permitted)
        if place == PERCENT:
            return self._first_digits()
        if place == TENS:
            return self._second_digits(self._number)
        if place == BOND:
            rings = self._ring_bonds(self._bond, among) if self._is_behind_atom else 0
            return self._atoms(self._bond, among)[0] | rings
        if place != OPENED:
            return self._atoms("", among)[0]
        atoms = self._atoms_for(among)
        return atoms | self._bonds(atoms, among)

    @property
    def is_complete(self) -> bool:
        """Whether the molecule may end here."""
        return bool(self.allowed() & END)

    @property
    def is_plain(self) -> bool:
        """Whether the current atom is not aromatic, or there is none."""
        return self.atom == NOBODY or self._current() < 0

    @property
    def order(self) -> int:
        """The order of a bond to the next atom, 0 where there is none."""
        return 0 if self.atom == NOBODY else ORDERS[self._bond]

    def bound_atoms(self) -> tuple[int, ...]:
        """The aromatic atoms before the current atom or at its ring bonds: no other ring bond may lead to them."""
        others = (self._parent[self.atom], *self.rings.partners) if self.atom != NOBODY else ()
        return tuple(self.aromatic(other) for other in others if other != NOBODY)

    def first_new_digit(self, digit: str) -> str:
        """Behind a `%`: the first digit that leads to a number not taken, where the given one, an allowed one, does."""
        if not self._is_new(int(digit)):
            return digit
        return next(
            other for other in ("0123456789" if self.place == TENS else "123456789") if self._is_new(int(other))
        )

    def _is_new(self, digit: int) -> bool:
        if self.place == TENS:
            return 10 * self._number + digit not in self.rings.open
        return all(number not in self.rings.open for number in range(10 * digit, 10 * digit + 10))

    def added_in_bracket(self, character: str) -> int | None:
        """By how many characters a bracket's shortest end gets longer; None where its atom may be aromatic."""
        if character == "]":
            return -1 if self._node.symbol[:1].isupper() else None
        following = self._node.moves[character]
        ends = [bracket.shortest_end(node, self._permitted) for node in (self._node, following)]
        if following.symbol[:1].islower() or any(end[:1].islower() for end in ends):
            return None
        return len(ends[1]) - len(ends[0])

    def is_plain_bracket(self, end: str) -> bool:
        """Whether the bracket that is being written becomes an atom that is not aromatic, with this end."""
        return (self._node.symbol or end)[:1].isupper()

    def shortest_bracket(self) -> str:
        """The shortest end of the bracket that is being written."""
        return bracket.shortest_end(self._node, self._permitted)

    def _behind_plain(self, among: int) -> int:
        mask = _AFTER[min(self._room[self.atom], 3)]
        if self.atom in self._metals:
            mask &= ~ROOTS[1] | METAL_ROOTS
        if self.place == ATOM:
            mask |= self._second | self._ring_bonds("", among)
        return mask & ~ROOTS[1] if self.rings.are_many else mask

    def _behind_aromatic(self, among: int) -> int:
        atoms = self._atoms_for(among) if among & (_ATOMS | _BOND_BITS[1]) else 0
        mask = atoms | self._bonds(atoms, among)
        if self.place == ATOM:
            mask |= self._ring_bonds("", among)
        return mask | _OPEN_BIT if among & _OPEN_BIT and self._can_branch() else mask

    def _atoms_for(self, among: int) -> int:
        """The atoms that may follow without a bond, as far as it takes to know which of the characters may."""
        if among & _BOND_BITS[1]:
            atoms = self._atoms("", among | PLAIN[1])[0]
            if atoms & PLAIN[1]:
                return atoms
            among = EVERYTHING
        return self._atoms("", among)[0]

    def _can_branch(self) -> bool:
        atom = self._current()
        ask = self.trials
        return (
            (bool(self.aromatics.own_ports(atom)) and ask.can_extend(atom, True, in_branch=True))
            or ask.can_leave(atom, 1, in_branch=True)
            or ask.can_leave(atom, 2, in_branch=True)
        )

    def _bonds(self, atoms: int, among: int) -> int:
        """The bonds that may stand here, given the atoms that may stand here without one."""
        mask = 0
        if not among & _BOND_BITS[1]:
            pass
        elif atoms & PLAIN[1] or (self.place == ATOM and self._ring_bonds("-")):
            mask = _BOND_BITS[1]
        elif atoms:
            mask = _BOND_BITS[1] & ~BIT["-"]
        for bond in "=#":
            if among & BIT[bond] and (self._atoms(bond)[0] or (self.place == ATOM and self._ring_bonds(bond))):
                mask |= BIT[bond]
        return mask

    def _ends(self) -> int:
        atom = self._current()
        if atom >= 0 and not self.trials.can_leave(atom, 0, in_branch=False):
            return 0
        if self.stack:
            return _CLOSE_BIT
        return _DOT_BIT if self.rings.open else _DOT_BIT | END

    def _atoms(self, bond: str, among: int = EVERYTHING) -> tuple[int, int]:
        """The first characters of atoms that may follow behind a bond, and the classes of those in brackets."""
        order = ORDERS[bond] if self.atom != NOBODY else 0
        atom = self._current() if self.atom != NOBODY else NOBODY
        if atom >= 0:
            return self._atoms_behind_aromatic(atom, bond, order, among)
        if self.atom != NOBODY and self._room[self.atom] < order:
            return 0, 0
        if self.rings.are_many:
            return PLAIN[order] | _BRACKET_BIT, PLAIN_CLASSES[order]
        roots, root_classes = ROOTS[order], ROOT_CLASSES[order]
        if self.atom in self._metals:
            roots, root_classes = roots & METAL_ROOTS, root_classes & METAL_ROOT_CLASSES
        return PLAIN[order] | roots | _BRACKET_BIT, PLAIN_CLASSES[order] | root_classes

    def _atoms_behind_aromatic(self, atom: int, bond: str, order: int, among: int) -> tuple[int, int]:
        characters = classes = 0
        can_leave = bool(among & _LEAVING) and self.trials.can_leave(atom, order, self._in_branch)
        if can_leave:
            characters, classes = PLAIN[order], PLAIN_CLASSES[order]
            if not self.aromatics.binds_metals(atom):
                classes &= ~METAL_CLASSES
        if (bond == "" or bond in DIRECTIONS) and self.aromatics.own_ports(atom):
            if among & _LACKING and self.trials.can_extend(atom, True, self._in_branch):
                characters, classes = characters | LACKING, classes | LACKING_CLASSES
            if among & _SATED and self.trials.can_extend(atom, False, self._in_branch):
                characters, classes = characters | SATED, classes | SATED_CLASSES
        elif can_leave and not self.rings.are_many:
            characters, classes = characters | ROOTS[order], classes | ROOT_CLASSES[order]
        return (characters | _BRACKET_BIT, classes) if classes & BRACKET_CLASSES else (characters, classes)

    def _ring_bonds(self, bond: str, among: int = EVERYTHING) -> int:
        """The first characters of ring bonds that may follow behind a bond character, or without one."""
        if not among & RING_CHARACTERS:
            return 0
        free = self.rings.free
        mask = free if among & free and not self.must_open and self._can_open(bond) else 0
        for number, ring in self.rings.open.items():
            bit = character_bit(number)
            if among & bit & ~mask and self._can_close(ring, bond):
                mask |= bit
        return mask

    def _can_open(self, bond: str) -> bool:
        atom, order = self._current(), ORDERS[bond]
        if self.rings.are_many:
            return False
        if atom < 0:
            return self._room[self.atom] >= order
        if bond in DIRECTIONS or order == 3:
            return False
        return self.trials.can_substitute(atom, order) if bond else self.trials.can_open(atom)

    def _can_close(self, ring: RingBond, bond: str) -> bool:
        here, other = self.atom, ring.atom
        if other == here or other == self._parent[here] or other in self.rings.partners:
            return False
        if self.must_open:
            two = self.aromatic(other)
            return two >= 0 and not ring.bond and self.trials.can_resume(self._current(), two)
        if bond and ring.bond and ORDERS[bond] != ORDERS[ring.bond]:
            return False
        order = ORDERS[bond or ring.bond]
        extra = order - ORDERS[ring.bond]
        one, two = self._current(), self.aromatic(other)
        if (one < 0 and self._room[here] < order) or (two < 0 and self._room[other] < extra):
            return False
        if one >= 0 and (bond in DIRECTIONS or order == 3 or (other in self._metals and not self._binds(one))):
            return False
        if two >= 0 and here in self._metals and not self._binds(two):
            return False
        if two < 0 or ring.bond:
            return one < 0 or self.trials.can_substitute(one, order)
        if one >= 0 and not bond and self.aromatics.is_same_system(one, two):
            return self.trials.can_close(one, two)
        return self.trials.can_drop(one, two, extra, order)

    def _binds(self, atom: int) -> bool:
        return self.aromatics.binds_metals(atom)

    def _first_digits(self) -> int:
        tens = "123456789"
        if len(self.rings.open) < 10 and (self.must_open or self._can_open(self._bond)):
            return bits(tens)
        return bits("".join(digit for digit in tens if self._second_digits(int(digit))))

    def _second_digits(self, tens: int) -> int:
        mask = 0
        can_open = self.must_open or self._can_open(self._bond)
        for digit in range(10):
            ring = self.rings.open.get(10 * tens + digit)
            is_right = can_open if ring is None else self._can_close(ring, self._bond)
            if is_right:
                mask |= BIT[str(digit)]
        return mask
