"""Texts that end an answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class StopTexts:
    """Looks for stop texts in an answer.

    Args:
        texts: any of them ends the answer.
        tokenizer: turns ids into text.
    """

    def __init__(self, texts: Sequence[str], tokenizer: Any) -> None:
        self.texts, self.tokenizer = texts, tokenizer

    def cut(self, ids: list[int]) -> list[int] | None:
        """The longest beginning of an answer whose text has no stop text; None where the whole has none."""
        if not self._stops(ids):
            return None
        kept = len(ids)
        while self._stops(ids[:kept]):
            kept -= 1
        first = min(place for text in self.texts if (place := self._text(ids).find(text)) >= 0)
        while kept and len(self._text(ids[:kept])) > first:
            kept -= 1
        return ids[:kept]

    def _stops(self, ids: list[int]) -> bool:
        text = self._text(ids)
        return any(stop in text for stop in self.texts)

    def _text(self, ids: list[int]) -> str:
        return self.tokenizer.decode(ids, skip_special_tokens=True)
