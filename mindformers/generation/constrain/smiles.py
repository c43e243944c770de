"""Molecules: a grammar says what may follow, and a way to the end is always kept within the budget."""

from __future__ import annotations

from typing import Any

from mindformers.generation.constrain.base import Constraint, ConstraintState
from mindformers.generation.constrain.characters import BIT, END
from mindformers.generation.constrain.closing import TURNS, ending, ending_behind
from mindformers.generation.constrain.growth import MOST_ADDED, added_by, alike, least_behind, most_characters
from mindformers.generation.constrain.molecule import Molecule
from mindformers.modalities import MOLECULE

_ALPHABET = MOLECULE.alphabet
_CHARACTERS = {bit: character for character, bit in BIT.items()}


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
    if the shortest known way to the molecule's end fits into what is left behind it. Where some candidate is refused,
    the last such way is remembered, so that there is always one.
    """

    __slots__ = ("_length", "_molecule", "_most", "_shortest", "_tried", "_way")

    def __init__(self, constraint: SmilesConstraint, budget: int) -> None:
        super().__init__(constraint, budget)
        self._molecule = Molecule()
        self._way: str | None = None  # a way to the end that fits into the budget, where one is known
        self._shortest: str | None = None  # the shortest one, where it is known
        self._length: int | None = None  # its length, where that is known
        self._most: int | None = None  # an upper bound of its length, where one is known
        self._tried: dict[str, str | None] = {}  # the shortest way behind a character; None: it is too long

    def _likely(self, among: int) -> int:
        return self._molecule.allowed(among)

    def _is_possible(self, bit: int) -> bool:
        return bit == END or self._is_ample() or self._fits(_CHARACTERS[bit]) or bit == self._first_of_way()

    def _is_ample(self) -> bool:
        """Whether it is known that there is room for any character and the way to the end behind it."""
        most = most_characters(self._molecule) if self._most is None else self._most
        return self.budget_left > most + MOST_ADDED

    def _fits(self, character: str) -> bool:
        """Whether the shortest way to the end behind a character is short enough, as far as it is known."""
        if self._shortest and self._shortest[0] == character and len(self._shortest) <= self.budget_left:
            self._way = self._shortest
            return True
        added = added_by(self._molecule, character)
        if added is not None:
            return self._find_length() + added < self.budget_left
        character = alike(self._molecule, character)
        if character not in self._tried:
            is_long = least_behind(self._molecule, character) >= self.budget_left
            found = None if is_long else ending_behind(self._molecule, character, self.budget_left)
            self._tried[character] = found
        found = self._tried[character]
        return found is not None and len(found) < self.budget_left

    def _first_of_way(self) -> int:
        shortest = self._find_shortest()
        if self._way is None or len(shortest) <= self.budget_left:
            self._way = shortest
        return BIT[self._way[0]] if self._way else 0

    def _find_shortest(self) -> str:
        if self._shortest is None:
            self._shortest = ending(self._molecule)
            self._length = self._most = len(self._shortest)
        return self._shortest

    def _find_length(self) -> int:
        return len(self._find_shortest()) if self._length is None else self._length

    def _advance(self, index: int) -> None:
        character = _ALPHABET[index]
        self._way = self._way[1:] if self._way and self._way[0] == character else None
        self._shortest = self._shortest_behind(character)
        if self._shortest is not None:
            self._length = self._most = len(self._shortest)
        elif self._most is not None:
            added = added_by(self._molecule, character)
            is_exact = added is not None and self._length is not None and character != "%"
            self._length = self._length + added if is_exact else None
            self._most += MOST_ADDED if added is None else added
        if self._tried:
            self._tried = {}
        self._molecule.advance(character)

    def _shortest_behind(self, character: str) -> str | None:
        known = self._shortest
        if known and known[0] == character and character not in TURNS:
            return known[1:]
        return self._tried.get(character)

    def _copy_to(self, twin: Any) -> None:
        twin._molecule, twin._way, twin._shortest = self._molecule.copy(), self._way, self._shortest
        twin._length, twin._most, twin._tried = self._length, self._most, self._tried.copy()
