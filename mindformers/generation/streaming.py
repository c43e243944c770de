"""Text as it comes: tokens in, the stretch of text that is certain by now out."""

from __future__ import annotations

from typing import Any

_UNFINISHED = "\ufffd"  # what an incomplete character of several bytes decodes to


class TextStream:
    """Turns the tokens of an answer into text, piece by piece; sequences appear plainly, as in the whole answer.

    Args:
        tokenizer: has `decode`.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.ids: list[int] = []
        self._shown = 0

    def add(self, token: int) -> str:
        """Take a token in. Returns the new text, which may be empty while a character is incomplete."""
        self.ids.append(token)
        text = self.text()
        if text.endswith(_UNFINISHED):
            return ""
        return self._new(text)

    def end(self) -> str:
        """What is left when no more tokens come."""
        return self._new(self.text())

    def text(self) -> str:
        """The whole text so far."""
        return self.tokenizer.decode(self.ids, skip_special_tokens=True)

    def _new(self, text: str) -> str:
        new, self._shown = text[self._shown :], max(self._shown, len(text))
        return new
