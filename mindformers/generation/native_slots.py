"""Slots whose steps are native: a prompt is taken in in pieces beside the others' steps, nothing is compiled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mindformers.generation.requests import Piece
from mindformers.kernels.decode import NO_OUTPUT, NativeDecoder
from mindformers.kernels.decode_draft import RoundedWeights

# Enough for the products to run at full speed; running texts wait this much longer for their next token.
_PROMPT_TOKENS = 64
# Tokens of a call: behind it Python sees that it has been interrupted.
_MOST_TOKENS = 512


class NativeSlots:
    """As `CachedSlots`, and pieces of any length go in together.

    Args:
        decoder: holds the caches.
    """

    most_prompt_tokens = _PROMPT_TOKENS

    def __init__(self, decoder: NativeDecoder) -> None:
        self.decoder, self.num_slots, self.length = decoder, decoder.num_slots, decoder.length

    def take(self, pieces: Sequence[Piece], columns: np.ndarray | None = None) -> np.ndarray:
        """Take pieces in.

        Args:
            pieces: at most one for a slot.
            columns: int32 [K], the ids whose logits are wanted; None for all V.

        Returns:
            float32 [P, K], the logits behind each piece.
        """
        rows = np.concatenate([_rows_of(piece) for piece in pieces])
        found = []
        for here in np.split(rows, range(_MOST_TOKENS, len(rows), _MOST_TOKENS)):
            ends = here[:, 3] != NO_OUTPUT
            here[ends, 3] = np.arange(ends.sum())
            found.append(self.decoder.step(here, int(ends.sum()), columns))
        return found[0] if len(found) == 1 else np.concatenate(found)

    def take_drafts(self, pieces: Sequence[Piece], columns: np.ndarray | None = None) -> list[np.ndarray]:
        """Take pieces in that are guessed behind their first token.

        Args:
            pieces: at most one for a slot, some tokens each.
            columns: as `take`.

        Returns:
            Of each piece float32 [tokens, K], the logits behind every token. Where one is not what the logits before
            it choose, the next piece of this slot begins at its position.
        """
        rows = np.concatenate([_rows_of(piece) for piece in pieces])
        rows[:, 3] = np.arange(len(rows))
        logits = self.decoder.step(rows, len(rows), columns)
        return np.split(logits, np.cumsum([len(piece.tokens) for piece in pieces])[:-1])

    def guess(self, pieces: Sequence[Piece], columns: np.ndarray | None, rounded: RoundedWeights) -> np.ndarray:
        """As `take`, nearly: with rounded weights, of pieces that `take_drafts` takes in again."""
        rows = np.concatenate([_rows_of(piece) for piece in pieces])
        ends = rows[:, 3] != NO_OUTPUT
        rows[ends, 3] = np.arange(len(pieces))
        return self.decoder.step(rows, len(pieces), columns, rounded)

    def continue_greedily(
        self, pieces: Sequence[Piece], counts: Sequence[int], num_steps: int, end_token_id: int, stop_at_end: bool
    ) -> list[list[int]]:
        """Take single tokens in, then the most likely ones behind them, and so on.

        Args:
            pieces: of one token each.
            counts: tokens that each may be followed by.
            num_steps: n, tokens in this call at the most.
            end_token_id: the token behind which a text ends; -1 for none.
            stop_at_end: stop all with the first text that ends.

        Returns:
            The tokens behind each piece, the end token included.
        """
        rows = np.asarray([(piece.slot, piece.tokens[0], piece.position, NO_OUTPUT) for piece in pieces], np.int32)
        chosen = self.decoder.continue_greedily(rows, np.asarray(counts), num_steps, end_token_id, stop_at_end)
        return [row[row >= 0].tolist() for row in chosen]

    def rearrange(self, sources: Sequence[int], length: int) -> None:
        """Give slot b the first `length` positions of slot sources[b]."""
        self.decoder.rearrange(sources, length)


def _rows_of(piece: Piece) -> np.ndarray:
    """One for each token; the last one's logits are asked for."""
    count = len(piece.tokens)
    rows = np.full((count, 4), (piece.slot, 0, 0, NO_OUTPUT), np.int32)
    rows[:, 1], rows[:, 2] = piece.tokens, np.arange(piece.position, piece.position + count)
    rows[-1, 3] = 0
    return rows
