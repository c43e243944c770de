"""A fixed number of sequences that are decoded together, each in a slot of the cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mindspore import Tensor

from mindformers.generation.steps import DecodeStep, PrefillStep, RearrangeStep
from mindformers.kernels.direct import direct_decode

_SMALLEST_BUCKET = 16


def bucket(length: int, limit: int) -> int:
    """The length that a prompt is padded to: 16, 24, 32, 48, 64, 96, ... tokens, so that few graphs serve all."""
    size = _SMALLEST_BUCKET
    while size < length:
        size = size * 3 // 2 if size & (size - 1) == 0 else size * 4 // 3
    return min(size, limit)


class CachedSlots:
    """Slots with a cache: a prompt is taken in once, then one token at a time.

    Args:
        net: has `prefill`, `decode`, `decode_weights` and `new_caches`.
        num_slots: B.
        length: L, tokens that a slot can hold.
    """

    def __init__(self, net: Any, num_slots: int, length: int) -> None:
        self.net, self.num_slots, self.length = net, num_slots, length
        self.caches = net.new_caches(num_slots, length)
        self._prefill = PrefillStep(net, self.caches)
        self._native = direct_decode(net.decode_weights(), [(cache.keys, cache.values) for cache in self.caches])
        self._decode = DecodeStep(net, self.caches)
        self._rearrange = RearrangeStep(self.caches)

    def fill(self, slot: int, prompt: Sequence[int]) -> np.ndarray:
        """Take a prompt into a slot. Returns: logits float32 [V] behind it."""
        ids = _padded([prompt], bucket(len(prompt), self.length), self.net.config.pad_token_id)
        return self._prefill(Tensor(ids), _whole(len(prompt)), _whole(slot)).asnumpy()[0]

    def step(self, tokens: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Take one token of every slot in; tokens and positions int32 [B]. Returns: logits float32 [B, V].

        Nothing is expected of a slot that is not in use; its position is 0.
        """
        if self._native is None:
            return self._decode(Tensor(tokens), Tensor(positions)).asnumpy()
        idle = np.int32(-1)  # costs nothing there
        return self._native(tokens, np.where(positions == 0, idle, positions))

    def rearrange(self, sources: Sequence[int]) -> None:
        """Give slot b the contents of slot sources[b]."""
        self._rearrange(Tensor(np.asarray(sources, np.int32)))


class UncachedSlots:
    """Slots that keep their text and compute all of it again for every token: slow, and the same logits."""

    def __init__(self, net: Any, num_slots: int, length: int) -> None:
        self.net, self.num_slots, self.length = net, num_slots, length
        self._texts: list[list[int]] = [[] for _ in range(num_slots)]
        self._whole = PrefillStep(net, None)

    def fill(self, slot: int, prompt: Sequence[int]) -> np.ndarray:
        """As `CachedSlots.fill`."""
        self._texts[slot] = list(prompt)
        return self._logits([self._texts[slot]])[0]

    def step(self, tokens: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """As `CachedSlots.step`."""
        for text, token, position in zip(self._texts, tokens, positions, strict=True):
            if position:
                text[position:] = [int(token)]
        return self._logits(self._texts)

    def rearrange(self, sources: Sequence[int]) -> None:
        """As `CachedSlots.rearrange`."""
        self._texts = [list(self._texts[source]) for source in sources]

    def _logits(self, texts: Sequence[Sequence[int]]) -> np.ndarray:
        texts = [text or [self.net.config.bos_token_id] for text in texts]
        width = bucket(max(map(len, texts)), self.length)
        lengths = Tensor(np.asarray([len(text) for text in texts], np.int32))
        return self._whole(Tensor(_padded(texts, width, self.net.config.pad_token_id)), lengths, _whole(0)).asnumpy()


def _padded(rows: Sequence[Sequence[int]], width: int, pad_token_id: int) -> np.ndarray:
    ids = np.full((len(rows), width), pad_token_id, np.int32)
    for row, tokens in enumerate(rows):
        ids[row, : len(tokens)] = tokens
    return ids


def _whole(value: int) -> Tensor:
    return Tensor(np.asarray([value], np.int32))
