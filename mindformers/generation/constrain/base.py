"""What a constraint is: the tokens that may come next, one state per sequence."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import numpy as np

from mindformers.generation.constrain.masks import EVERYTHING, TokenMasks
from mindformers.modalities import Modality
from mindformers.tools.errors import InputError

MIN_BUDGET = 1
"""Tokens that the shortest answer needs: one atom, residue or base. The end-of-sequence token is not counted."""
_BLANK = " "
# Tokens of which a constraint is asked together, the likely ones first: mostly one of the first few may come.
_ASKED_AT_ONCE = (2, 6, None)


class Constraint(ABC):
    """What all sequences of one kind share.

    Args:
        modality: whose tokens the answer is made of.
        tokenizer: a `LlamaTokenizer` that has them.

    Raises:
        InputError: the tokenizer has no tokens for the modality.
    """

    def __init__(self, modality: Modality, tokenizer: Any) -> None:
        ids = tokenizer.modality_vocabulary.ids.get(modality.name)
        if ids is None:
            raise InputError(
                "constrain",
                f"the tokenizer has no tokens for {modality.name}",
                f"a tokenizer with the modality {modality.name}",
                "see its `modalities`",
            )
        blank = tokenizer.encode(_BLANK, add_special_tokens=False, is_continuation=True)
        self.masks = TokenMasks(
            vocab_size=len(tokenizer),
            ids=[*ids.values(), tokenizer.eos_token_id, *(blank if len(blank) == 1 else ())],
        )
        self.end = 1 << len(ids)
        self.blank = self.end << 1 if len(blank) == 1 else 0

    def start(self, budget: int) -> ConstraintState:
        """The state of a new sequence.

        Args:
            budget: tokens that it may have at the most, without the end-of-sequence token; at least `MIN_BUDGET`.

        Raises:
            InputError: a smaller budget.
        """
        if budget < MIN_BUDGET:
            raise InputError("max_new_tokens", str(budget), f"{MIN_BUDGET} or more with --constrain", "raise it")
        return self._start(budget)

    @abstractmethod
    def _start(self, budget: int) -> ConstraintState:
        """The state of a new sequence, the budget being enough."""


class ConstraintState(ABC):
    """One sequence: optionally a blank, then the modality's tokens, then the end-of-sequence token.

    Attributes:
        budget_left: tokens that the sequence may still have, without the end-of-sequence token.
        is_ended: whether the end-of-sequence token has come.
    """

    __slots__ = ("_allowed", "_constraint", "_is_empty", "budget_left", "is_ended")

    def __init__(self, constraint: Constraint, budget: int) -> None:
        self._constraint = constraint
        self._is_empty = True
        self._allowed: int | None = None
        self.budget_left = budget
        self.is_ended = False

    def allowed(self, budget_left: int | None = None) -> np.ndarray:
        """Which tokens may come next.

        Args:
            budget_left: tokens that may still come, this one included and the end-of-sequence token not counted; by
                default what is left of the budget that the state was started with. Less than that only.

        Returns:
            Read-only bool array [V], 1 where a token is allowed; at least one is.
        """
        return self._constraint.masks.mask(self.allowed_set(budget_left))

    def allowed_ids(self, budget_left: int | None = None) -> np.ndarray:
        """The same as a short int64 array of token ids, in no order."""
        return self._constraint.masks.ids(self.allowed_set(budget_left))

    def allowed_set(self, budget_left: int | None = None) -> int:
        """The same as a set of characters: bit i for character i of the alphabet, then the end, then the blank."""
        self._limit(budget_left)
        if self._allowed is None:
            allowed = likely = self._find_likely(EVERYTHING)
            while likely:
                bit = likely & -likely
                likely ^= bit
                if not self._is_permitted(bit):
                    allowed ^= bit
            self._allowed = allowed
        return self._allowed

    @property
    def columns(self) -> np.ndarray:
        """The tokens that can ever be allowed, ascending, read-only int32 [K]."""
        return self._constraint.masks.columns

    def permitted(self, places: Iterable[int], budget_left: int | None = None) -> Iterator[int]:
        """Those places in `columns` whose tokens may come next, in their order; few take a part of the work of all."""
        self._limit(budget_left)
        bits, rest = self._constraint.masks.bits, iter(places)
        if self._allowed is not None:
            allowed = self._allowed
            yield from (place for place in rest if allowed & bits[place])
        for count in _ASKED_AT_ONCE:
            group = list(islice(rest, count))
            among = 0
            for place in group:
                among |= bits[place]
            likely = self._find_likely(among) if group else 0
            for place in group:
                if likely & bits[place] and self._is_permitted(bits[place]):
                    yield place

    def _limit(self, budget_left: int | None) -> None:
        if budget_left is not None and budget_left < self.budget_left:
            self.budget_left, self._allowed = budget_left, None

    def advance(self, token_id: int) -> None:
        """Take the token that was chosen, an allowed one."""
        index = self._constraint.masks.index_of[token_id]
        self._allowed = None
        if index < self._constraint.end.bit_length() - 1:
            self._advance(index)
            self._is_empty = False
        elif 1 << index == self._constraint.end:
            self.is_ended = True
            return
        else:
            self._is_empty = False
        self.budget_left -= 1

    @property
    def is_complete(self) -> bool:
        """Whether the sequence may end here."""
        return self.is_ended or bool(self.allowed_set() & self._constraint.end)

    def copy(self) -> ConstraintState:
        """An independent copy, as for a beam that divides."""
        twin = type(self).__new__(type(self))
        twin._constraint, twin._is_empty, twin._allowed = self._constraint, self._is_empty, self._allowed
        twin.budget_left, twin.is_ended = self.budget_left, self.is_ended
        self._copy_to(twin)
        return twin

    def _find_likely(self, among: int) -> int:
        if self.is_ended:
            return self._constraint.end
        likely = self._likely(among)
        if self._is_empty and self.budget_left > MIN_BUDGET:
            likely |= self._constraint.blank
        return likely

    def _is_permitted(self, bit: int) -> bool:
        return self.is_ended or bit == self._constraint.blank or self._is_possible(bit)

    @abstractmethod
    def _likely(self, among: int) -> int:
        """The characters that may come next as far as `_is_possible` says so, and the end; only those `among` a set."""

    def _is_possible(self, bit: int) -> bool:
        """Whether one of the likely characters may come next."""
        return True

    @abstractmethod
    def _advance(self, index: int) -> None:
        """Take the character with this index."""

    @abstractmethod
    def _copy_to(self, twin: Any) -> None:
        """Copy what a subclass holds."""
