"""Ring bonds that are open."""

from __future__ import annotations

from typing import NamedTuple

from mindformers.generation.constrain.characters import BIT, DIGITS

_PERCENT = BIT["%"]
RING_CHARACTERS: int = DIGITS | _PERCENT
"""What the number of a ring bond begins with."""
_DIGIT_BITS = tuple(BIT[str(digit)] for digit in range(10))
FIRST_WITH_PERCENT, NUM_RINGS, _MANY = 10, 100, 80


class RingBond(NamedTuple):
    """One end of a ring bond: its atom, and the bond character written there or none."""

    atom: int
    bond: str


class Rings:
    """Number -> open ring bond.

    Attributes:
        open: the ring bonds.
        partners: the atoms that ring bonds at the current atom lead to.
    """

    __slots__ = ("_taken", "open", "partners")

    def __init__(self) -> None:
        self.open: dict[int, RingBond] = {}
        self.partners: tuple[int, ...] = ()
        self._taken = 0

    def copy(self) -> Rings:
        """An independent copy."""
        twin = Rings.__new__(Rings)
        twin.open, twin.partners, twin._taken = self.open.copy(), self.partners, self._taken
        return twin

    def begin(self, number: int, atom: int, bond: str) -> None:
        """Open a ring bond."""
        self.open[number] = RingBond(atom, bond)
        if number < FIRST_WITH_PERCENT:
            self._taken |= _DIGIT_BITS[number]

    def end(self, number: int) -> None:
        """Close a ring bond at the current atom."""
        self.partners += (self.open.pop(number).atom,)
        if number < FIRST_WITH_PERCENT:
            self._taken &= ~_DIGIT_BITS[number]

    @property
    def are_many(self) -> bool:
        """Whether the numbers may run out; no further ring is begun then."""
        return len(self.open) >= _MANY

    @property
    def free(self) -> int:
        """The characters that open a new ring bond: digits that are not taken, and `%`."""
        return DIGITS & ~self._taken | _PERCENT

    def first_free(self) -> str:
        """The lowest number from 1 that is not taken, as it is written."""
        return written(next(number for number in range(1, NUM_RINGS) if number not in self.open))


def written(number: int) -> str:
    """A ring bond's number as it is written: `7`, `%12`."""
    return str(number) if number < FIRST_WITH_PERCENT else f"%{number}"


def character_bit(number: int) -> int:
    """The first character of a ring bond's number."""
    return _DIGIT_BITS[number] if number < FIRST_WITH_PERCENT else _PERCENT
