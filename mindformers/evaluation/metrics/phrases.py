"""Many phrases looked for in many texts: a phrase is found where its tokens stand in a row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Tokens = tuple[str, ...]


class PhraseFinder:
    """Finds which of its phrases a text holds, with one dictionary look-up per place and possible length.

    Args:
        phrases: the tokens of each phrase, each not empty; equal ones share a number.
    """

    def __init__(self, phrases: Iterable[Sequence[str]]) -> None:
        self._numbers: dict[Tokens, int] = {}
        lengths: dict[str, set[int]] = {}
        for phrase in map(tuple, phrases):
            self._numbers.setdefault(phrase, len(self._numbers))
            lengths.setdefault(phrase[0], set()).add(len(phrase))
        self._lengths = {first: sorted(found) for first, found in lengths.items()}
        self._known: dict[Tokens, frozenset[int]] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, phrase: Sequence[str]) -> int:
        """The number of one of the phrases."""
        return self._numbers[tuple(phrase)]

    def found_in(self, tokens: Sequence[str]) -> frozenset[int]:
        """The numbers of the phrases that a text holds; equal texts are searched once."""
        tokens = tuple(tokens)
        if tokens not in self._known:
            self._known[tokens] = frozenset(self._search(tokens))
        return self._known[tokens]

    def _search(self, tokens: Tokens) -> Iterable[int]:
        for start, first in enumerate(tokens):
            for length in self._lengths.get(first, ()):
                number = self._numbers.get(tokens[start : start + length])
                if number is not None:
                    yield number
