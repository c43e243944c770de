"""Text as it comes: tokens in, the stretch of text that is certain by now out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_UNFINISHED = "\ufffd"  # what an incomplete character of several bytes decodes to


class TextStream:
    """Turns the tokens of an answer into text, piece by piece; sequences appear plainly, as in the whole answer.

    Args:
        tokenizer: has `decode`.
        stop: texts that end the answer: neither they nor what may become one of them is shown.
    """

    def __init__(self, tokenizer: Any, stop: Sequence[str] = ()) -> None:
        self.tokenizer, self.stop = tokenizer, tuple(stop)
        self.ids: list[int] = []
        self._shown = 0

    def add(self, token: int) -> str:
        """Take a token in. Returns the new text, which may be empty while a character is incomplete."""
        self.ids.append(token)
        text = self.text()
        if text.endswith(_UNFINISHED):
            return ""
        return self._new(text[: len(text) - self._held_back(text)])

    def end(self) -> str:
        """What is left when no more tokens come."""
        return self._new(self.text())

    def text(self) -> str:
        """The whole text so far, before a stop text."""
        text = self.tokenizer.decode(self.ids, skip_special_tokens=True)
        return text[: min((place for one in self.stop if (place := text.find(one)) >= 0), default=len(text))]

    def _held_back(self, text: str) -> int:
        """Characters at the end with which a stop text begins."""
        longest = max(map(len, self.stop), default=0)
        beginnings = (count for count in range(min(longest, len(text)), 0, -1))
        return next((n for n in beginnings if any(one.startswith(text[-n:]) for one in self.stop)), 0)

    def _new(self, text: str) -> str:
        new, self._shown = text[self._shown :], max(self._shown, len(text))
        return new
