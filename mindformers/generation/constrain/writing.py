"""A SMILES string while it is being written: its atoms, branches and ring bonds so far."""

from __future__ import annotations

from enum import IntEnum
from typing import Self

from mindformers.generation.constrain import bracket
from mindformers.generation.constrain.aromatic import Aromatics
from mindformers.generation.constrain.aromatic_atoms import NOBODY
from mindformers.generation.constrain.bracket import BracketNode, Metal, Spec
from mindformers.generation.constrain.characters import BIT, DIGITS, ORDERS, ORGANIC, TWO_LETTERS
from mindformers.generation.constrain.kinds import Kind
from mindformers.generation.constrain.rings import RingBond, Rings
from mindformers.generation.constrain.trials import Trials


class Place(IntEnum):
    """Where the writing stands."""

    START = 0  # before the first atom of the molecule or of a fragment
    ATOM = 1  # behind an atom or its ring bonds
    CLOSED = 2  # behind the end of a branch
    OPENED = 3  # behind the start of a branch
    BOND = 4  # behind a bond
    BRACKET = 5  # in a bracket
    PERCENT = 6  # behind the %
    TENS = 7  # behind the % and its first digit


START, ATOM, CLOSED, OPENED, BOND, BRACKET, PERCENT, TENS = Place

_SECOND_BITS = {first: BIT[second] for second, first in TWO_LETTERS.items()}
DIRECTIONS = ("/", "\\")


class Writing:
    """What has been written; `advance` is to be given allowed characters only.

    Attributes:
        place: where the writing stands.
        atom: the current atom, or -1.
        stack: the atoms that open branches return to.
        rings: ring bonds that are open.
        aromatics: the aromatic atoms.
        must_open: whether a ring bond has to be next, since an aromatic segment has just begun.
    """

    __slots__ = (
        "_bond",
        "_in_branch",
        "_is_behind_atom",
        "_metals",
        "_node",
        "_number",
        "_parent",
        "_permitted",
        "_room",
        "_second",
        "aromatics",
        "atom",
        "must_open",
        "place",
        "rings",
        "stack",
        "trials",
    )

    def __init__(self) -> None:
        self.place = START
        self.atom = NOBODY
        self.stack: list[int] = []
        self.rings = Rings()
        self.aromatics = Aromatics()
        self.trials = Trials(self.aromatics)
        self.must_open = False
        self._parent: list[int] = []
        self._room: list[int] = []  # bonds that an atom may still have; of an aromatic one -1 - its number among them
        self._metals: tuple[int, ...] = ()
        self._bond = ""  # the bond character in front of the next atom or ring bond
        self._in_branch = False  # between the start of a branch and its first atom
        self._is_behind_atom = False  # whether the bond character stands directly behind an atom
        self._second = 0  # the bit of the letter that makes the last atom a two-letter one
        self._node: BracketNode = bracket.START
        self._permitted = 0  # the classes of atoms that the bracket may end as
        self._number = 0  # the first digit behind a %

    def copy(self) -> Self:
        """An independent copy."""
        twin = type(self).__new__(type(self))
        twin.place, twin.atom, twin.must_open = self.place, self.atom, self.must_open
        twin.stack, twin.rings, twin.aromatics = self.stack.copy(), self.rings.copy(), self.aromatics.copy()
        twin.trials = Trials(twin.aromatics)
        twin._parent, twin._room, twin._metals = self._parent.copy(), self._room.copy(), self._metals
        twin._bond, twin._in_branch, twin._is_behind_atom = self._bond, self._in_branch, self._is_behind_atom
        twin._second, twin._node, twin._permitted = self._second, self._node, self._permitted
        twin._number = self._number
        return twin

    def aromatic(self, atom: int) -> int:
        """An atom's number among the aromatic ones, or -1."""
        return -1 - self._room[atom]

    def _current(self) -> int:
        return -1 - self._room[self.atom]

    def advance(self, character: str) -> None:
        """Write an allowed character."""
        if self.place == BRACKET:
            self._in_bracket(character)
        elif BIT[character] & DIGITS:
            self._digit(int(character))
        elif character in ORGANIC:
            self._put(ORGANIC[character], _SECOND_BITS.get(character, 0))
        else:
            _WRITE[character](self, character)
        self.trials.forget()

    def _in_bracket(self, character: str) -> None:
        if character != "]":
            self._node = self._node.moves[character]
            return
        spec = self._node.spec
        assert spec is not None
        self._put(spec, 0)

    def _begin_bracket(self, _: str) -> None:
        self._permitted = self._atoms(self._bond)[1]
        self._node, self.place = bracket.START, BRACKET

    def _put(self, spec: Spec, second: int) -> None:
        """A next atom."""
        here, order, bond = self.atom, ORDERS[self._bond], self._bond
        self.atom = len(self._room)
        self._parent.append(here)
        if here == NOBODY:
            order = 0
        is_same_system = self._join(here, bond, order, spec)
        if isinstance(spec, Kind):
            number = self.aromatics.tip if is_same_system else self.aromatics.begin(spec, order)
            self._room.append(-1 - number)
            self.must_open = not is_same_system
        else:
            self._room.append(spec - order)
            if isinstance(spec, Metal):
                self._metals += (self.atom,)
        self.place, self._bond, self._in_branch, self.rings.partners = ATOM, "", False, ()
        self._second = second if order <= 1 else 0

    def _join(self, here: int, bond: str, order: int, spec: Spec) -> bool:
        """Bind the next atom to the atom `here`; whether it goes on with that one's aromatic segment."""
        if here == NOBODY:
            return False
        atom, aromatics = self.aromatic(here), self.aromatics
        if atom < 0:
            self._room[here] -= order
            return False
        can_be_same = isinstance(spec, Kind) and (not bond or bond in DIRECTIONS)
        if can_be_same and aromatics.own_ports(atom):
            is_right = aromatics.extend(atom, spec)
        elif self._in_branch:
            is_right, can_be_same = aromatics.branch_off(atom, order), False
        else:
            is_right, can_be_same = aromatics.leave(atom, order), False
        assert is_right, "an atom that is not allowed"
        return can_be_same

    def _second_letter(self, letter: str) -> None:
        order = ORGANIC[TWO_LETTERS[letter]] - self._room[self.atom]
        self._room[self.atom], self._second = ORGANIC["F"] - order, 0

    def _write_bond(self, character: str) -> None:
        self._is_behind_atom = self.place == ATOM
        self._bond, self.place = character, BOND

    def _open_branch(self, _: str) -> None:
        self.stack.append(self.atom)
        self.aromatics.branches.append(max(self._current(), NOBODY))
        self.place, self._in_branch = OPENED, True

    def _close_branch(self, _: str) -> None:
        self._end_segment()
        self.atom = self.stack.pop()
        self.aromatics.branches.pop()
        self.aromatics.tip = max(self._current(), NOBODY)
        self.place = CLOSED

    def _end_fragment(self, _: str) -> None:
        self._end_segment()
        self.atom, self.place = NOBODY, START

    def _end_segment(self) -> None:
        atom = self._current()
        if atom >= 0:
            is_right = self.aromatics.leave(atom, 0)
            assert is_right, "an end that is not allowed"

    def _percent(self, _: str) -> None:
        self._is_behind_atom = False
        self.place = PERCENT

    def _digit(self, digit: int) -> None:
        if self.place == PERCENT:
            self._number, self.place = digit, TENS
        else:
            self._ring_bond(10 * self._number + digit if self.place == TENS else digit)

    def _ring_bond(self, number: int) -> None:
        ring = self.rings.open.get(number)
        if ring is None:
            self._open_ring(number)
        else:
            self._close_ring(ring, number)
        self.place, self._bond, self._second, self.must_open = ATOM, "", 0, False

    def _open_ring(self, number: int) -> None:
        atom, order = self._current(), ORDERS[self._bond]
        if atom < 0:
            self._room[self.atom] -= order
        else:
            act = self.aromatics.substitute(atom, order) if self._bond else self.aromatics.open_ring(atom)
            assert act, "a ring bond that is not allowed"
        self.rings.begin(number, self.atom, self._bond)

    def _close_ring(self, ring: RingBond, number: int) -> None:
        order = ORDERS[self._bond or ring.bond]
        extra = order - ORDERS[ring.bond]
        one, two = self._current(), self.aromatic(ring.atom)
        self.rings.end(number)
        if one < 0:
            self._room[self.atom] -= order
        if two < 0:
            self._room[ring.atom] -= extra
        is_right = True
        if self.must_open:
            is_right = self.aromatics.resume(one, two)
        elif one >= 0 and two >= 0 and not (self._bond or ring.bond) and self.aromatics.is_same_system(one, two):
            is_right = self.aromatics.close_ring(one, two)
        else:
            if two >= 0 and not ring.bond:
                is_right = self.aromatics.drop_port(two, extra)
            if one >= 0:
                is_right = is_right and self.aromatics.substitute(one, order)
        assert is_right, "a ring bond that is not allowed"

    def _atoms(self, bond: str) -> tuple[int, int]:
        """The first characters of atoms that may follow behind a bond, and the classes of those in brackets."""
        raise NotImplementedError


_WRITE = {
    "[": Writing._begin_bracket,
    "(": Writing._open_branch,
    ")": Writing._close_branch,
    ".": Writing._end_fragment,
    "%": Writing._percent,
    **dict.fromkeys((bond for bond in ORDERS if bond), Writing._write_bond),
    **dict.fromkeys(TWO_LETTERS, Writing._second_letter),
}
