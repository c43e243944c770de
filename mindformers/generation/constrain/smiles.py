"""Molecules: a grammar says what may follow, and a way to the end is always kept within the budget."""

from __future__ import annotations

from typing import Any

from mindformers.generation.constrain.base import Constraint, ConstraintState
from mindformers.generation.constrain.characters import BIT, DIGITS, END, PLAIN, characters_of
from mindformers.generation.constrain.closing import MOST_ADDED, ending, most_added, most_characters
from mindformers.generation.constrain.molecule import Molecule
from mindformers.generation.constrain.writing import Place
from mindformers.modalities import MOLECULE

_ALPHABET = MOLECULE.alphabet


class SmilesConstraint(Constraint):
    """Valid molecules, see `molecule`.

    Args:
        tokenizer: see `Constraint`.
    """

    def __init__(self, tokenizer: Any) -> None:
        super().__init__(MOLECULE, tokenizer)

    def _start(self, budget: int) -> ConstraintState:
        return SmilesState(self, budget)


class SmilesState(ConstraintState):
    """One molecule.

    While the budget is ample the grammar alone decides. Where it gets tight, every candidate is tried: it is allowed
    if the shortest known way to the molecule's end fits into what is left behind it. The last such way is remembered,
    so that there is always one.
    """

    __slots__ = ("_ending", "_longest", "_molecule")

    def __init__(self, constraint: SmilesConstraint, budget: int) -> None:
        super().__init__(constraint, budget)
        self._molecule = Molecule()
        self._ending: str | None = None  # a way to the end that fits into the budget, where one is known
        self._longest: int | None = None  # an upper bound of the length of `ending`, where one is known

    def _allowed_characters(self) -> int:
        molecule = self._molecule
        allowed = molecule.allowed()
        longest = most_characters(molecule) if self._longest is None else self._longest
        if self.budget_left > longest + MOST_ADDED:
            return allowed
        shortest = ending(molecule)
        if self._ending is None or len(shortest) <= self.budget_left:
            self._ending = shortest
        self._longest = len(shortest)
        if self.budget_left > len(shortest) + MOST_ADDED:
            return allowed
        return self._fitting(allowed, len(shortest))

    def _fitting(self, allowed: int, length: int) -> int:
        """Of the allowed characters those behind which there is a way to the end, and the end; `length` is today's."""
        fitting = allowed & END
        if self._ending:
            fitting |= BIT[self._ending[0]]
        candidates = allowed & ~fitting
        for alike in (self._new_digits(candidates), candidates & PLAIN[0] if self._is_behind_atom() else 0):
            first = alike & -alike
            candidates &= ~alike
            if first and self._fits(characters_of(first), length):
                fitting |= alike
        for character in characters_of(candidates):
            if self._fits(character, length):
                fitting |= BIT[character]
        return fitting

    def _is_behind_atom(self) -> bool:
        return self._molecule.place in (Place.ATOM, Place.CLOSED)

    def _new_digits(self, candidates: int) -> int:
        """The digits that would open a ring bond: they all need the same to the end."""
        return candidates & self._molecule.rings.free & DIGITS if self._is_behind_atom() else 0

    def _fits(self, character: str, length: int) -> bool:
        added = most_added(self._molecule, character)
        if added is not None:
            return length + added < self.budget_left
        molecule = self._molecule.copy()
        molecule.advance(character)
        return len(ending(molecule)) < self.budget_left

    def _advance(self, index: int) -> None:
        character = _ALPHABET[index]
        known = self._ending
        self._ending = known[1:] if known and known[0] == character else None
        if self._longest is not None:
            added = most_added(self._molecule, character)
            self._longest += MOST_ADDED if added is None else added
        self._molecule.advance(character)

    def _copy_to(self, twin: Any) -> None:
        twin._molecule, twin._ending, twin._longest = self._molecule.copy(), self._ending, self._longest
