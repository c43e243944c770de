"""The same as `closing` and `smiles`, written down plainly: every character of an ending is written into the molecule,
and every candidate is tried. Slow, and what the fast forms are compared with."""

from __future__ import annotations

from mindformers.generation.constrain.aromatic_atoms import NOBODY
from mindformers.generation.constrain.characters import BIT, END
from mindformers.generation.constrain.growth import added_by
from mindformers.generation.constrain.molecule import Molecule
from mindformers.generation.constrain.rings import written
from mindformers.generation.constrain.writing import Place
from tests.generation.constrain.molecules import characters_of


def slow_ending(molecule: Molecule, characters: str = "") -> str:
    """The ending behind some more characters."""
    longer = molecule.copy()
    for character in characters:
        longer.advance(character)
    return _Ending(longer).text()


class SlowState:
    """One molecule and its budget."""

    def __init__(self, budget: int) -> None:
        self.molecule, self.budget_left = Molecule(), budget
        self._way: str | None = None

    def allowed_set(self) -> int:
        """Characters behind which the ending fits, and the first one of the last ending that did, and the end."""
        shortest = slow_ending(self.molecule)
        if self._way is None or len(shortest) <= self.budget_left:
            self._way = shortest
        allowed = self.molecule.allowed()
        fitting = allowed & END
        for character in characters_of(allowed):
            needed = len(slow_ending(self.molecule, character))
            if character == "%" and self.molecule.is_plain:  # it is taken to open a ring bond
                needed = len(shortest) + (added_by(self.molecule, "%") or 0)
            if character == self._way[:1] or needed < self.budget_left:
                fitting |= BIT[character]
        return fitting

    def advance(self, character: str) -> None:
        """Take an allowed character."""
        self._way = self._way[1:] if self._way and self._way[0] == character else None
        self.molecule.advance(character)
        self.budget_left -= 1


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
                if not ring.bond and molecule.aromatic(ring.atom) in ports and molecule._can_close(ring, ""):
                    return written(number)
        return ""
