"""Molecules: a grammar says what may follow, and a way to the end is always kept within the budget."""

from __future__ import annotations

from typing import Any

from mindformers.generation.constrain.base import Constraint, ConstraintState
from mindformers.generation.constrain.characters import BIT, DIGITS, END, PLAIN, characters_of
from mindformers.generation.constrain.closing import MOST_ADDED, ending, ending_behind, most_added, most_characters
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

    __slots__ = ("_ending", "_endings", "_longest", "_molecule", "_shortest")

    def __init__(self, constraint: SmilesConstraint, budget: int) -> None:
        super().__init__(constraint, budget)
        self._molecule = Molecule()
        self._ending: str | None = None  # a way to the end that fits into the budget, where one is known
        self._shortest: str | None = None  # the shortest one, where it is known
        self._longest: int | None = None  # an upper bound of its length, where one is known
        self._endings: dict[str, str] = {}  # the shortest way behind a character that has been tried

    def _allowed_characters(self, among: int) -> int:
        allowed = self._molecule.allowed(among)
        return allowed if not allowed or self._is_ample() else self._fitting(allowed)

    def _is_ample(self) -> bool:
        """Whether there is room for any character and the way to the end behind it."""
        longest = most_characters(self._molecule) if self._longest is None else self._longest
        if self.budget_left <= longest + MOST_ADDED:
            longest = self._longest = len(self._find_ending())
        return self.budget_left > longest + MOST_ADDED

    def _find_ending(self) -> str:
        if self._shortest is None:
            self._shortest = ending(self._molecule)
        if self._ending is None or len(self._shortest) <= self.budget_left:
            self._ending = self._shortest
        return self._shortest

    def _fitting(self, allowed: int) -> int:
        """Of the allowed characters those behind which there is a way to the end, and the end."""
        fitting = allowed & END
        if self._ending:
            fitting |= allowed & BIT[self._ending[0]]
        candidates = allowed & ~fitting
        for alike in (self._new_digits(candidates), candidates & PLAIN[0] if self._is_behind_atom() else 0):
            first = alike & -alike
            candidates &= ~alike
            if first and self._fits(characters_of(first)):
                fitting |= alike
        for character in characters_of(candidates):
            if self._fits(character):
                fitting |= BIT[character]
        return fitting

    def _is_behind_atom(self) -> bool:
        return self._molecule.place in (Place.ATOM, Place.CLOSED)

    def _new_digits(self, candidates: int) -> int:
        """The digits that would open a ring bond: they all need the same to the end."""
        return candidates & self._molecule.rings.free & DIGITS if self._is_behind_atom() else 0

    def _fits(self, character: str) -> bool:
        added = most_added(self._molecule, character)
        if added is not None:
            return len(self._find_ending()) + added < self.budget_left
        if character not in self._endings:
            self._endings[character] = ending_behind(self._molecule, character)
        return len(self._endings[character]) < self.budget_left

    def _advance(self, index: int) -> None:
        character = _ALPHABET[index]
        known = self._ending
        self._ending = known[1:] if known and known[0] == character else None
        self._shortest = self._endings.get(character)
        if self._shortest is not None:
            self._longest = len(self._shortest)
        elif self._longest is not None:
            added = most_added(self._molecule, character)
            self._longest += MOST_ADDED if added is None else added
        if self._endings:
            self._endings = {}
        self._molecule.advance(character)

    def _copy_to(self, twin: Any) -> None:
        twin._molecule, twin._ending, twin._longest = self._molecule.copy(), self._ending, self._longest
        twin._shortest, twin._endings = self._shortest, self._endings.copy()
