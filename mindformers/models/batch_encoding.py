"""Several texts at once: what the tokenizers of all families share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mindformers.tools.errors import InputError


class BatchEncoding:
    """Makes a tokenizer callable. It must have `encode_at_most`, `decode`, `pad_token_id` and `padding_side`."""

    padding_side: str
    pad_token_id: int

    def encode_at_most(self, text: str, add_special_tokens: bool, length: int | None) -> list[int]:
        """Ids of a text, cut to `length` tokens; None for no limit."""
        raise NotImplementedError

    def decode(self, ids: Sequence[int], **options: bool) -> str:
        """The text of ids."""
        raise NotImplementedError

    def batch_decode(self, batch: Sequence[Sequence[int]], **options: bool) -> list[str]:
        """`decode` for each row."""
        return [self.decode(row, **options) for row in batch]

    def __call__(
        self,
        text: str | Sequence[str],
        padding: bool | str = False,
        max_length: int | None = None,
        truncation: bool = False,
        add_special_tokens: bool = True,
        return_tensors: str | None = None,
    ) -> dict[str, Any]:
        """Encode one text or several.

        Args:
            text: a text, or a list of them.
            padding: False, True (to the longest row) or `max_length`.
            max_length: tokens; needed by padding `max_length` and by truncation.
            truncation: cut rows at `max_length`.
            add_special_tokens: as in `encode`.
            return_tensors: None for lists, `np` for int32 arrays [B, S], `ms` for MindSpore tensors.

        Returns:
            `input_ids` and `attention_mask` (1 is a token, 0 is padding).

        Raises:
            InputError: `max_length` is missing, or rows of different length are asked for as one array.
        """
        single = isinstance(text, str)
        if max_length is None and (truncation or padding == "max_length"):
            raise InputError("max_length", "missing", "a number of tokens", "pass max_length")
        limit = max_length if truncation else None
        rows = [self.encode_at_most(one, add_special_tokens, limit) for one in ([text] if single else text)]
        width = max_length if padding == "max_length" else max(map(len, rows), default=0)
        masks = [[1] * len(row) for row in rows]
        if padding:
            rows = [self._pad(row, width, self.pad_token_id) for row in rows]
            masks = [self._pad(mask, width, 0) for mask in masks]
        batch = {"input_ids": rows, "attention_mask": masks}
        if return_tensors:
            return {key: _as_array(value, return_tensors) for key, value in batch.items()}
        return {key: value[0] for key, value in batch.items()} if single else batch

    def _pad(self, row: list[int], width: int, value: int) -> list[int]:
        padding = [value] * (width - len(row))
        return row + padding if self.padding_side == "right" else padding + row


def _as_array(rows: list[list[int]], kind: str) -> Any:
    if len({len(row) for row in rows}) > 1:
        raise InputError("padding", "rows of different length", "padding for return_tensors", "pass padding=True")
    array = np.asarray(rows, np.int32)
    if kind == "ms":
        from mindspore import Tensor

        return Tensor(array)
    return array
