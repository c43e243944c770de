"""Proteins and nucleic acids: any sequence of their letters, of one at least."""

from __future__ import annotations

from typing import Any

from mindformers.generation.constrain.base import Constraint, ConstraintState
from mindformers.modalities import Modality


class AlphabetConstraint(Constraint):
    """Letters of a modality.

    Args:
        modality: the modality.
        letters: those of its alphabet that may come.
        tokenizer: see `Constraint`.
    """

    def __init__(self, modality: Modality, letters: str, tokenizer: Any) -> None:
        super().__init__(modality, tokenizer)
        self.letters = sum(1 << modality.alphabet.index(letter) for letter in letters)

    def _start(self, budget: int) -> ConstraintState:
        return AlphabetState(self, budget)


class AlphabetState(ConstraintState):
    """One sequence of letters."""

    __slots__ = ("_num_letters",)
    _constraint: AlphabetConstraint

    def __init__(self, constraint: AlphabetConstraint, budget: int) -> None:
        super().__init__(constraint, budget)
        self._num_letters = 0

    def _likely(self, among: int) -> int:
        letters = self._constraint.letters if self.budget_left > 0 else 0
        return letters | self._constraint.end if self._num_letters else letters

    def _advance(self, index: int) -> None:
        self._num_letters += 1

    def _copy_to(self, twin: Any) -> None:
        twin._num_letters = self._num_letters
