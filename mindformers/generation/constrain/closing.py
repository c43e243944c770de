"""The way to end a molecule, from wherever its writing stands.

The bracket or bond at hand gets its atom; aromatic segments get a chain that closes their rings, and `=O` or `C` where
an atom lacks a double bond that it cannot have; branches are closed; and every ring bond that is still open ends at a
carbon of its own: `C1CC` becomes `C1CC.C1`, which is the same as `C1CCC1`.
"""

from __future__ import annotations

from mindformers.generation.constrain.aromatic_atoms import NOBODY
from mindformers.generation.constrain.characters import BIT, ROOTS
from mindformers.generation.constrain.molecule import Molecule
from mindformers.generation.constrain.rings import written
from mindformers.generation.constrain.writing import Place

MOST_ADDED = 16
"""By how many characters at the most the way to the end gets longer with one character more."""
# The same for single characters where the current atom is not aromatic: a branch needs an atom and its end, a bond or
# fragment an atom, a bracket a symbol and its end, a ring bond three characters, or five and its number.
_ADDED = {"(": 2, ".": 1, "[": 2, "%": 7, **dict.fromkeys("-=#/\\", 1), **dict.fromkeys("0123456789", 3), ")": -1}
_WAITS_FOR_ATOM = (Place.START, Place.BOND, Place.OPENED)


def most_characters(molecule: Molecule) -> int:
    """A quick upper bound of the length of `ending`."""
    return 20 + 6 * len(molecule.rings.open) + 12 * (len(molecule.stack) + len(molecule.aromatics.suspended))


def most_added(molecule: Molecule, character: str) -> int | None:
    """By how many characters at the most `ending` gets longer with an allowed one; None where it must be tried."""
    if not molecule.is_plain:
        return None
    if molecule.place == Place.BRACKET:
        return molecule.added_in_bracket(character)
    is_ring = character.isdigit() and int(character) in molecule.rings.open
    if is_ring or molecule.place in (Place.PERCENT, Place.TENS) or BIT[character] & ROOTS[0]:
        return None
    return _ADDED.get(character, 0) - (molecule.place in _WAITS_FOR_ATOM)


def ending(molecule: Molecule) -> str:
    """The characters that end a molecule: one way of many, and a short one. The molecule itself is not changed."""
    return _Ending(molecule.copy()).text()


def ending_behind(molecule: Molecule, character: str) -> str:
    """The same for the molecule with one allowed character more."""
    longer = molecule.copy()
    longer.advance(character)
    return _Ending(longer).text()


class _Ending:
    """Writes the end of a molecule into it, every character of it an allowed one."""

    def __init__(self, molecule: Molecule) -> None:
        self._molecule = molecule
        self._written: list[str] = []

    def text(self) -> str:
        """Write to the end, and return what was written."""
        molecule = self._molecule
        self._finish_token()
        while not molecule.aromatics.is_at_rest:
            self._finish_segment()
            if molecule.stack:
                self._write(")")
            elif molecule.rings.open:
                self._close_a_ring()
            else:
                break
        # From here on nothing depends on what is written, so that it need not be tried.
        rings = [f".C{written(number)}" for number in molecule.rings.open]
        return "".join([*self._written, ")" * len(molecule.stack), *rings])

    def _close_a_ring(self) -> None:
        """In a fragment of its own: first those that suspended segments wait at, and their chains."""
        molecule, rings = self._molecule, self._molecule.rings.open
        for number, ring in rings.items() if molecule.aromatics.suspended else ():
            atom = molecule.aromatic(ring.atom)
            if atom >= 0 and not ring.bond and molecule.aromatics.is_suspended_at(atom):
                return self._write(f".c{written(number)}")
        self._write(".C")
        number, ring = next(iter(rings.items()))
        if molecule.aromatics.is_exposed(molecule.aromatic(ring.atom)):
            self._write("=")
        self._write(written(number))

    def _write(self, text: str) -> None:
        for character in text:
            self._molecule.advance(character)
        self._written.append(text)

    def _finish_token(self) -> None:
        """Up to a place behind an atom or a branch."""
        molecule = self._molecule
        if molecule.place == Place.BRACKET:
            self._write(molecule.shortest_bracket())
        elif molecule.place in (Place.START, Place.BOND, Place.OPENED):
            self._write(self._first("C", "c", "=O", *"0123456789%"))
        while molecule.place in (Place.PERCENT, Place.TENS):
            self._write(self._first(*"0123456789"))
        if molecule.must_open:
            self._write(molecule.rings.first_free())

    def _first(self, *texts: str) -> str:
        allowed = self._molecule.allowed()
        return next(text for text in texts if BIT[text[0]] & allowed)

    def _finish_segment(self) -> None:
        """Make the current atom's aromatic segment whole, where it has one and the atom can take more atoms."""
        aromatics = self._molecule.aromatics
        while (tip := aromatics.tip) != NOBODY and aromatics.room(tip):
            if aromatics.first_uncovered(tip) == NOBODY and not aromatics.needs_chain(tip):
                if aromatics.is_exposed(tip):
                    self._write(aromatics.relief(tip))
                return
            self._write(self._next_in_chain(tip))

    def _next_in_chain(self, tip: int) -> str:
        """A ring bond to a port, or the atom that will have one."""
        aromatics = self._molecule.aromatics
        ports = aromatics.own_ports(tip)
        waiting = [port for port in ports if port != tip and aromatics.is_exposed(port)]
        number = self._ring_to(tip, waiting if aromatics.is_exposed(tip) else [] if waiting else list(ports[:1]))
        if number:
            return number
        if aromatics.is_exposed(tip) or waiting or not aromatics.is_steady(tip):
            return "c"
        return "cc" if ports[0] == tip else "o"

    def _ring_to(self, tip: int, ports: list[int]) -> str:
        """The number of a ring bond that the tip can close to one of some ports; empty where there is none."""
        molecule = self._molecule
        if ports and molecule.place == Place.ATOM:
            for number, ring in molecule.rings.open.items():
                if not ring.bond and molecule.aromatic(ring.atom) in ports and molecule.can_close(number):
                    return written(number)
        return ""
