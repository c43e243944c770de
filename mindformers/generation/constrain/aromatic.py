"""Aromatic systems while they are being written, and whether they can still be ended as valid ones.

A valid system has every lower-case atom in a ring of aromatic bonds, and a kekulisation (see `matching`). Atoms are
held in *segments*: stretches of the path from the molecule's first atom to the current one, joined by aromatic bonds.

    O=C(c1cc2c(c1)OCO2)N        segment: c1 c c2 c, and c1 in a branch, which closes the ring
        |    |                  ports: the atoms with an open ring bond, here of rings 1 and 2
        |    a later port
        the first port

What may be written never leads into a dead end, because from every state that is let through
- atoms that are in no ring yet stand behind a port, and the segment's *tip* can take another atom, so that a chain of
  `c` and `o` from the tip to that port closes a ring around them;
- an exposed atom (it lacks a double bond and has no partner) is one that can still be helped: a port, by an atom of the
  chain that closes its ring bond, or by closing it with `=`; the tip, by the chain; a place to which an open branch
  returns, by `=O` or a bond more.
Segments are final once the path has left them for good; then they must be whole. A segment that is left at a port is
*suspended*: it goes on where that port's ring bond is closed by a new aromatic atom, as in c12CCCc1cccc2.

Stricter than need be: an aromatic system that the path comes back to in other ways is refused, unless it was whole
before; so are ring bonds that are opened in a branch to be closed as aromatic behind it.
"""

from __future__ import annotations

from mindformers.generation.constrain.aromatic_atoms import NOBODY, AromaticAtoms
from mindformers.generation.constrain.kinds import KINDS, Kind

_CARBON = KINDS["c", 0, 0]


class Aromatics(AromaticAtoms):
    """The aromatic atoms of a molecule and what can happen to them.

    Operations return False where they cannot be; the object is then of no use any more, so try them on a copy.
    """

    __slots__ = ()

    def begin(self, kind: Kind, order: int) -> int:
        """An atom that starts a segment; `order` is that of its bond to what stands before, 0 for none."""
        atom = self._add(kind, order, NOBODY, len(self.ports))
        self.ports.append(())
        self.tip = atom
        return atom

    def extend(self, atom: int, kind: Kind) -> bool:
        """A next atom of the same segment behind `atom`; it becomes the tip."""
        self._bond(atom, 1, in_ring=1)
        following = self._add(kind, 1, atom, self._segment[atom])
        self.matching.link(atom, following)
        self.tip = following
        return self.matching.settle(self._can_wait)

    def open_ring(self, atom: int) -> bool:
        """An open ring bond at the tip, of any order. Where a segment starts it is one of the two in the ring."""
        self._bond(atom, 1, in_ring=int(self._parent[atom] == NOBODY))
        self._num_open[atom] += 1
        self.ports[self._segment[atom]] += (atom,)
        return self._can_stay(atom)

    def substitute(self, atom: int, order: int) -> bool:
        """A ring bond at the tip that is not aromatic."""
        self._bond(atom, order)
        return self._can_stay(atom)

    def close_ring(self, atom: int, port: int) -> bool:
        """A ring bond from the tip to a port of its own segment."""
        self._bond(atom, 1, in_ring=1)
        self._remove_port(port)
        self.matching.link(atom, port)
        passed = atom
        while passed != port:
            self.in_ring[passed] = self._is_covered[passed] = True
            passed = self._parent[passed]
        self.in_ring[port] = True
        return self._can_stay(atom)

    def resume(self, atom: int, port: int) -> bool:
        """A ring bond from an atom that has just begun a segment to the port that a suspended one waits at."""
        self._parent[atom], self._segment[atom] = port, self._segment[port]
        self._position[atom] = self._position[port] + 1
        self._bond(atom, 1, in_ring=1)
        del self.suspended[self._segment[port]]
        self._remove_port(port)
        self.matching.link(atom, port)
        return self._can_stay(atom)

    def drop_port(self, atom: int, extra_order: int) -> bool:
        """An atom's open ring bond is closed as one that is not aromatic, of order 1 + `extra_order`."""
        if self.is_suspended_at(atom):
            return False
        was_in_ring = self._parent[atom] == NOBODY and not self._is_final[atom]
        self._bond(atom, extra_order, neighbours=0, in_ring=-int(was_in_ring))
        segment = self._segment[atom]
        tip = self._tip_of(segment)
        if self._is_final[atom]:
            self._num_open[atom] -= 1
        else:
            self._remove_port(atom)
            ports = self.ports[segment]
            self._cut(tip, NOBODY, self._position[ports[0]] if ports else len(self._kind))
        return self.matching.settle(self._can_wait) and (tip == NOBODY or self._is_possible(tip))

    def leave(self, atom: int, order: int) -> bool:
        """The path leaves the segment at its tip, by a bond (0: by the end of a branch or of the molecule)."""
        if order and self._is_suspendable(atom):
            return self._suspend(atom, order)
        if order:
            self._bond(atom, order)
        segment = self._segment[atom]
        branch = self._branch_in(segment)
        self._cut(atom, branch, len(self._kind))
        while atom != branch:
            if not self.in_ring[atom]:
                return False
            self._is_final[atom] = True
            atom = self._parent[atom]
        if self.ports[segment]:
            self.ports[segment] = tuple(port for port in self.ports[segment] if not self._is_final[port])
        self.tip = NOBODY
        return self.matching.settle(self._can_wait) and (branch == NOBODY or self._is_possible(branch))

    def branch_off(self, atom: int, order: int) -> bool:
        """A branch of atoms that are not of the segment begins; `atom` is the last of `branches`."""
        self._bond(atom, order)
        self.tip = NOBODY
        return self.matching.settle(self._can_wait) and self._is_possible(atom)

    def takes_outside(self, atom: int, order: int) -> bool:
        """Whether the path may leave the segment at its tip by a bond of this order, as far as the tip has room."""
        if self.takes(atom, order):
            return True
        is_inner = self._parent[atom] != NOBODY  # whether its port is not among the bonds in the ring yet
        return is_inner and self._is_suspendable(atom) and self.takes(atom, order, max(self._missing(atom) - 1, 0))

    def is_left(self, atom: int) -> bool:
        """Whether the path has left all of an atom's segment for good."""
        return self._tip_of(self._segment[atom]) == NOBODY

    def needs_chain(self, tip: int) -> bool:
        """Whether a segment has exposed atoms, or double bonds in no ring, that only a chain from its tip can help."""
        segment, mate = self._segment[tip], self.matching.mate
        for atom in self.matching.exposed:
            if self._segment[atom] == segment and not self._is_relieved(atom):
                return True
        while (parent := self._parent[tip]) != NOBODY:
            if mate[tip] == parent and not self._is_covered[tip]:
                return True
            tip = parent
        return False

    def _is_suspendable(self, tip: int) -> bool:
        """Whether a segment is left to be gone on with from a port: it is not whole, and no branch returns to it."""
        return (
            tip in self.own_ports(tip)
            and self._branch_in(self._segment[tip]) == NOBODY
            and self.first_uncovered(tip) != NOBODY
        )

    def _suspend(self, tip: int, order: int) -> bool:
        self._bond(tip, order, in_ring=int(self._parent[tip] != NOBODY))
        self.suspended[self._segment[tip]] = tip
        self.tip = NOBODY
        return self.matching.settle(self._can_wait) and self._is_possible(tip)

    def _remove_port(self, port: int) -> None:
        self._num_open[port] -= 1
        ports = list(self.ports[self._segment[port]])
        ports.remove(port)
        self.ports[self._segment[port]] = tuple(ports)

    def _cut(self, atom: int, end: int, position: int) -> None:
        """Bonds of the path from `atom` up to `end` that no ring can hold any more: those up to a position."""
        while atom != end:
            parent = self._parent[atom]
            if parent != NOBODY and not self._is_covered[atom] and self._position[atom] <= position:
                self.matching.unlink(atom, parent)
            atom = parent

    def _can_stay(self, tip: int) -> bool:
        """Whether the molecule can go on behind new ring bonds of the tip."""
        if self.room(tip):
            return self.matching.settle(self._can_wait) and (self.is_steady(tip) or self._is_possible(tip))
        return self.copy().leave(tip, 0)

    def _is_possible(self, tip: int) -> bool:
        """Whether what a segment needs can be had by a chain from an atom, or else whether it is whole without it."""
        first = self.first_uncovered(tip)
        if first == NOBODY and not self.needs_chain(tip):
            return True
        ports = self._ports_of_chain(tip)
        if ports and not 0 <= first < self._position[ports[0]]:
            return self.is_suspended_at(tip) or self.is_steady(tip) or self.copy().extend(tip, _CARBON)
        if self.is_suspended_at(tip):
            return False
        trial = self.copy()
        if trial.branches and trial.branches[-1] == tip:
            trial.branches.pop()
        return trial.leave(tip, 0)

    def _ports_of_chain(self, tip: int) -> tuple[int, ...]:
        """The ports that a chain from a segment's tip can close; none where no chain can begin there."""
        ports = self.own_ports(tip)
        if self.is_suspended_at(tip):
            place = ports.index(tip)
            return ports[:place] + ports[place + 1 :]
        return ports if self.room(tip) > 0 else ()

    def _is_relieved(self, atom: int) -> bool:
        """Whether an exposed atom will be helped by a bond more that is not in the ring."""
        if self._is_doubled(atom):
            return True
        return (atom == self._tip_of(self._segment[atom]) or atom in self.branches) and bool(self.relief(atom))

    def _branch_in(self, segment: int) -> int:
        """The atom that the innermost open branch returns to, where it is one of this segment."""
        branch = self.branches[-1] if self.branches else NOBODY
        return branch if branch != NOBODY and self._segment[branch] == segment else NOBODY

    def _tip_of(self, segment: int) -> int:
        """Where a segment goes on: at the current atom, where a branch returns to, or at a port that it waits at."""
        for atom in (self.tip, *reversed(self.branches)):
            if atom != NOBODY and self._segment[atom] == segment and not self._is_final[atom]:
                return atom
        return self.suspended.get(segment, NOBODY)

    def _can_wait(self, atom: int) -> bool:
        """Whether an exposed atom can still be helped."""
        if self._is_final[atom]:
            return self._is_doubled(atom)
        tip = self._tip_of(self._segment[atom])
        if tip != NOBODY and (atom == tip or atom in self.own_ports(atom)) and self._ports_of_chain(tip):
            return True
        return self._is_doubled(atom) or ((atom == tip or atom in self.branches) and bool(self.relief(atom)))
