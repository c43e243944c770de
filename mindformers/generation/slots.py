"""A fixed number of texts that are continued together, each in a slot."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from mindspore import Tensor

from mindformers.generation.native_slots import NativeSlots
from mindformers.generation.requests import Piece
from mindformers.generation.steps import DecodeStep, PrefillStep, RearrangeStep
from mindformers.kernels.decode import native_decoder

_SMALLEST_BUCKET = 16


def new_slots(net: Any, num_slots: int, length: int, num_ids: int, use_cache: bool = True) -> Slots:
    """Slots for B texts of up to L tokens, of the fastest kind there is for this network.

    Args:
        net: has `prefill`, `decode`, `new_caches` and `decode_weights`.
        num_slots, length: B and L.
        num_ids: V, ids that may be chosen; the network's rows behind them get no logits.
        use_cache: False computes every step from the whole text again.
    """
    if not use_cache:
        return UncachedSlots(net, num_slots, length, num_ids)
    decoder = native_decoder(net.decode_weights(), num_slots, length, num_ids)
    return CachedSlots(net, num_slots, length, num_ids) if decoder is None else NativeSlots(decoder)


def bucket(length: int, limit: int) -> int:
    """The length that a text is padded to: 16, 24, 32, 48, 64, 96, ... tokens, so that few graphs serve all."""
    size = _SMALLEST_BUCKET
    while size < length:
        size = size * 3 // 2 if size & (size - 1) == 0 else size * 4 // 3
    return min(size, limit)


class CachedSlots:
    """Slots with a cache, in graphs: a prompt is taken in whole, then one token at a time.

    Args:
        net: has `prefill`, `decode` and `new_caches`.
        num_slots: B.
        length: L, tokens that a slot can hold.
        num_ids: V, ids that may be chosen.
    """

    most_prompt_tokens = sys.maxsize

    def __init__(self, net: Any, num_slots: int, length: int, num_ids: int) -> None:
        self.net, self.num_slots, self.length, self.num_ids = net, num_slots, length, num_ids
        self.caches = net.new_caches(num_slots, length)
        self._prefill, self._decode = PrefillStep(net, self.caches), DecodeStep(net, self.caches)
        self._rearrange = RearrangeStep(self.caches)

    def take(self, pieces: Sequence[Piece], columns: np.ndarray | None = None) -> np.ndarray:
        """Take pieces in: whole prompts, and single tokens behind them.

        Args:
            pieces: at most one for a slot.
            columns: int32 [K], the ids whose logits are wanted; None for all V.

        Returns:
            float32 [P, K], the logits behind each piece.
        """
        logits = np.empty((len(pieces), self.net.config.vocab_size), np.float32)
        numbers = [number for number, piece in enumerate(pieces) if piece.position > 0]
        # Before the prompts: a step writes something into position 0 of every slot that it does not continue.
        if numbers:
            logits[numbers] = self._step([pieces[number] for number in numbers])
        for number, piece in enumerate(pieces):
            if piece.position == 0:
                logits[number] = self._fill(piece)
        return logits[:, : self.num_ids] if columns is None else logits[:, columns]

    def rearrange(self, sources: Sequence[int], length: int) -> None:
        """Give slot b the first `length` positions of slot sources[b]."""
        self._rearrange(Tensor(np.asarray(sources, np.int32)))

    def _fill(self, prompt: Piece) -> np.ndarray:
        ids = _padded([prompt.tokens], bucket(len(prompt.tokens), self.length), self.net.config.pad_token_id)
        return self._prefill(Tensor(ids), _whole(len(prompt.tokens)), _whole(prompt.slot)).asnumpy()[0]

    def _step(self, pieces: Sequence[Piece]) -> np.ndarray:
        tokens, positions = np.zeros(self.num_slots, np.int32), np.zeros(self.num_slots, np.int32)
        slots = [piece.slot for piece in pieces]
        tokens[slots] = [piece.tokens[0] for piece in pieces]
        positions[slots] = [piece.position for piece in pieces]
        return self._decode(Tensor(tokens), Tensor(positions)).asnumpy()[slots]


class UncachedSlots:
    """Slots that keep their text and compute all of it again for every token: slow, and the same logits."""

    most_prompt_tokens = sys.maxsize

    def __init__(self, net: Any, num_slots: int, length: int, num_ids: int) -> None:
        self.net, self.num_slots, self.length, self.num_ids = net, num_slots, length, num_ids
        self._texts: list[list[int]] = [[] for _ in range(num_slots)]
        self._whole = PrefillStep(net, None)

    def take(self, pieces: Sequence[Piece], columns: np.ndarray | None = None) -> np.ndarray:
        """As `CachedSlots.take`."""
        for piece in pieces:
            self._texts[piece.slot][piece.position :] = piece.tokens
        texts = [text or [self.net.config.bos_token_id] for text in self._texts]
        width = bucket(max(map(len, texts)), self.length)
        lengths = Tensor(np.asarray([len(text) for text in texts], np.int32))
        ids = Tensor(_padded(texts, width, self.net.config.pad_token_id))
        logits = self._whole(ids, lengths, _whole(0)).asnumpy()[[piece.slot for piece in pieces]]
        return logits[:, : self.num_ids] if columns is None else logits[:, columns]

    def rearrange(self, sources: Sequence[int], length: int) -> None:
        """As `CachedSlots.rearrange`."""
        self._texts = [self._texts[source][:length] for source in sources]


Slots = NativeSlots | CachedSlots | UncachedSlots


def _padded(rows: Sequence[Sequence[int]], width: int, pad_token_id: int) -> np.ndarray:
    ids = np.full((len(rows), width), pad_token_id, np.int32)
    for row, tokens in enumerate(rows):
        ids[row, : len(tokens)] = tokens
    return ids


def _whole(value: int) -> Tensor:
    return Tensor(np.asarray([value], np.int32))
