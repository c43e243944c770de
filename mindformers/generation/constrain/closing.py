"""The way to end a molecule, from wherever its writing stands.

The bracket or bond at hand gets its atom; aromatic segments get a chain that closes their rings, and `=O` or `C` where
an atom lacks a double bond that it cannot have; branches are closed; and every ring bond that is still open ends at a
carbon of its own: `C1CC` becomes `C1CC.C1`, which is the same as `C1CCC1`.

Only the aromatic atoms are written in earnest, for nothing else can be in the way of an end.
"""

from __future__ import annotations

from mindformers.generation.constrain.aromatic import Aromatics
from mindformers.generation.constrain.aromatic_atoms import NOBODY
from mindformers.generation.constrain.characters import BIT
from mindformers.generation.constrain.kinds import KINDS, Kind
from mindformers.generation.constrain.molecule import Molecule
from mindformers.generation.constrain.rings import FIRST_WITH_PERCENT, RingBond, written
from mindformers.generation.constrain.writing import Place

TURNS = ".%="
"""The first characters of an ending behind which `ending` finds another way than what was to follow."""
UNLIMITED = 1 << 30
_CHAIN: dict[str, Kind] = {symbol: KINDS[symbol, 0, 0] for symbol in "co"}
_RELIEF = {"C": 1, "=O": 2}
WAITS_FOR_ATOM = (Place.START, Place.BOND, Place.OPENED)
"""Where an atom has to be next."""


def ending(molecule: Molecule) -> str:
    """The characters that end a molecule: one way of many, and a short one. The molecule itself is not changed."""
    token = _next_token(molecule)
    is_own = token is None
    if token is None:
        molecule = molecule.copy()
        token = _finish_token(molecule)
    text = _Ending(molecule, UNLIMITED, is_own).text()
    assert text is not None
    return token + text


def ending_behind(molecule: Molecule, character: str, limit: int = UNLIMITED) -> str | None:
    """The same with one allowed character more; None where it is soon seen to have `limit` or more."""
    longer = molecule.copy()
    longer.advance(character)
    token = _next_token(longer)
    if token is None:
        token = _finish_token(longer)
    text = _Ending(longer, limit - len(token), is_own=True).text()
    return None if text is None else token + text


def least_characters(molecule: Molecule) -> int:
    """A quick lower bound of the length of `ending` from behind an atom or a branch, or from behind one atom more."""
    return len(molecule.stack) + _least_of_rings(molecule, molecule.rings.open, molecule.aromatics)


def _least_of_rings(molecule: Molecule, rings: dict[int, RingBond], aromatics: Aromatics) -> int:
    """A number each, and two characters more where the ring bond cannot be closed by a chain."""
    least = 0
    for number, ring in rings.items():
        atom = molecule.aromatic(ring.atom)
        can_be_aromatic = atom >= 0 and not ring.bond and not aromatics.is_final(atom)
        least += (1 if number < FIRST_WITH_PERCENT else 3) + (0 if can_be_aromatic else 2)
    return least


def _next_token(molecule: Molecule) -> str | None:
    """What brings the writing behind an atom or a branch, where the aromatic atoms have nothing to do with it."""
    place = molecule.place
    if place in (Place.ATOM, Place.CLOSED):
        return None if molecule.must_open else ""
    if not molecule.is_plain:
        return None
    if place in WAITS_FOR_ATOM:
        return "C"
    if place == Place.BRACKET:
        text = molecule.shortest_bracket()
        return text if molecule.is_plain_bracket(text) else None
    return None


def _finish_token(molecule: Molecule) -> str:
    """Write the same, whatever it is."""
    text = ""
    if molecule.place == Place.BRACKET:
        text = _write(molecule, molecule.shortest_bracket())
    elif molecule.place in WAITS_FOR_ATOM:
        text = _write(molecule, _first(molecule, "C", "c", "=O", *"0123456789%"))
    while molecule.place in (Place.PERCENT, Place.TENS):
        text += _write(molecule, _first(molecule, *"0123456789"))
    if molecule.must_open:
        text += _write(molecule, molecule.rings.first_free())
    return text


def _first(molecule: Molecule, *texts: str) -> str:
    return next(text for text in texts if molecule.allowed(BIT[text[0]]))


def _write(molecule: Molecule, text: str) -> str:
    for character in text:
        molecule.advance(character)
    return text


class _Ending:
    """Writes the end of a molecule from behind an atom or a branch on, as far as aromatic atoms have to do with it.

    Args:
        molecule: what stands there.
        limit: characters that are too many.
        is_own: whether the molecule's aromatic atoms and ring bonds may be changed.
    """

    def __init__(self, molecule: Molecule, limit: int, is_own: bool) -> None:
        self._molecule, self._limit, self._is_own = molecule, limit, is_own
        self._aromatics, self._rings = molecule.aromatics, molecule.rings.open
        self._num_branches = len(molecule.stack)
        self._barred: tuple[int, ...] = ()  # aromatic atoms that a ring bond at the tip must not lead to
        self._can_ring = molecule.place == Place.ATOM
        self._text = ""

    def text(self) -> str | None:
        """Write to the end, and return what was written; None as soon as it is seen to be too long."""
        if not self._aromatics.is_at_rest:
            if not self._is_own:
                self._aromatics, self._rings = self._aromatics.copy(), self._rings.copy()
            self._barred = self._molecule.bound_atoms()
            if not self._finish_aromatics():
                return None
        # From here on nothing depends on what is written, so that it need not be tried.
        rings = [f".C{written(number)}" for number in self._rings]
        return "".join([self._text, ")" * self._num_branches, *rings])

    def _finish_aromatics(self) -> bool:
        while not self._aromatics.is_at_rest:
            if not self._finish_segment():
                return False
            if self._num_branches:
                self._close_branch()
            elif self._rings:
                self._close_a_ring()
            else:
                break
        return True

    def _is_too_long(self) -> bool:
        least = len(self._text) + self._num_branches
        if least + 5 * len(self._rings) < self._limit:
            return False
        return least + _least_of_rings(self._molecule, self._rings, self._aromatics) >= self._limit

    def _close_branch(self) -> None:
        self._end_segment()
        self._aromatics.tip = self._aromatics.branches.pop()
        self._num_branches -= 1
        self._can_ring = False
        self._text += ")"

    def _end_segment(self) -> None:
        if self._aromatics.tip != NOBODY:
            is_right = self._aromatics.leave(self._aromatics.tip, 0)
            assert is_right, "an end that is not allowed"

    def _close_a_ring(self) -> None:
        """In a fragment of its own: first those that suspended segments wait at, and their chains."""
        self._end_segment()
        aromatics = self._aromatics
        for number, ring in self._rings.items() if aromatics.suspended else ():
            port = self._port_of(ring)
            if port >= 0 and aromatics.is_suspended_at(port):
                return self._resume(number, port)
        number, ring = next(iter(self._rings.items()))
        del self._rings[number]
        atom = self._molecule.aromatic(ring.atom)
        is_double = aromatics.is_exposed(atom)
        if self._port_of(ring) >= 0:
            is_right = aromatics.drop_port(atom, int(is_double))
            assert is_right, "a ring bond that is not allowed"
        self._text += f".C{'=' * is_double}{written(number)}"

    def _resume(self, number: int, port: int) -> None:
        aromatics = self._aromatics
        is_right = aromatics.resume(aromatics.begin(_CHAIN["c"], 0), port)
        assert is_right, "a ring bond that is not allowed"
        del self._rings[number]
        self._barred, self._can_ring = (port,), True
        self._text += f".c{written(number)}"

    def _port_of(self, ring: RingBond) -> int:
        """The aromatic atom of a ring bond that may be aromatic, or a negative number."""
        return NOBODY if ring.bond else self._molecule.aromatic(ring.atom)

    def _finish_segment(self) -> bool:
        """Make the current atom's aromatic segment whole, where it has one and the atom can take more atoms.

        Returns:
            False where what has been written is too long.
        """
        while (tip := self._aromatics.tip) != NOBODY and self._aromatics.room(tip):
            if self._is_too_long():
                return False
            aromatics = self._aromatics
            if aromatics.first_uncovered(tip) == NOBODY and not aromatics.needs_chain(tip):
                if aromatics.is_exposed(tip):
                    self._relieve(tip)
                return True
            self._lengthen(tip)
        return not self._is_too_long()

    def _relieve(self, tip: int) -> None:
        text = self._aromatics.relief(tip)
        if text:
            is_right = self._aromatics.leave(tip, _RELIEF[text])
            assert is_right, "an atom that is not allowed"
            self._text += text

    def _lengthen(self, tip: int) -> None:
        """Write a ring bond to a port, or the atom that will have one."""
        aromatics = self._aromatics
        ports = aromatics.own_ports(tip)
        waiting = [port for port in ports if port != tip and aromatics.is_exposed(port)]
        if self._close_ring(tip, waiting if aromatics.is_exposed(tip) else [] if waiting else list(ports[:1])):
            return
        if aromatics.is_exposed(tip) or waiting or not aromatics.is_steady(tip):
            self._extend("c")
        else:
            self._extend("cc" if ports[0] == tip else "o")

    def _extend(self, atoms: str) -> None:
        for symbol in atoms:
            self._barred = (self._aromatics.tip,)
            is_right = self._aromatics.extend(self._aromatics.tip, _CHAIN[symbol])
            assert is_right, "an atom that is not allowed"
        self._can_ring = True
        self._text += atoms

    def _close_ring(self, tip: int, ports: list[int]) -> bool:
        """Close a ring bond from the tip to one of some ports, where there is one."""
        if not ports or not self._can_ring:
            return False
        for number, ring in self._rings.items():
            port = self._port_of(ring)
            if port not in ports or port == tip or port in self._barred:
                continue
            trial = self._aromatics.copy()
            if trial.close_ring(tip, port):
                self._aromatics = trial
                del self._rings[number]
                self._barred += (port,)
                self._text += written(number)
                return True
        return False
