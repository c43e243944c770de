"""Prompts to a batch of ids, as MindFormers' processors do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mindformers.models.batch_encoding import BatchEncoding


class TextProcessor:
    """Wraps a tokenizer.

    Args:
        tokenizer: the tokenizer.
        return_tensors: `ms`, `np` or None for lists.
    """

    def __init__(self, tokenizer: BatchEncoding, return_tensors: str | None = "ms") -> None:
        self.tokenizer, self.return_tensors = tokenizer, return_tensors

    def __call__(self, text_input: str | Sequence[str], max_length: int | None = None) -> dict[str, Any]:
        """`input_ids` and `attention_mask` int32 [B, S], padded to the longest prompt."""
        texts = [text_input] if isinstance(text_input, str) else list(text_input)
        return self.tokenizer(
            texts,
            padding=True,
            max_length=max_length,
            truncation=max_length is not None,
            return_tensors=self.return_tensors,
        )
