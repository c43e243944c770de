"""Sets of allowed tokens as arrays, made once and kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

EVERYTHING = -1
"""The set of all tokens."""
_KEPT = 256
"""Sets of which the arrays are kept; a mask of LLaMA's vocabulary is 32 KB."""


class TokenMasks:
    """Arrays for sets of the few tokens that a constraint can ever allow.

    Args:
        vocab_size: V.
        ids: those tokens; bit i of a set stands for the i-th.

    Attributes:
        columns: the ids in ascending order, read-only int32.
        bits: for each of `columns` its bit.
    """

    def __init__(self, vocab_size: int, ids: Sequence[int]) -> None:
        self.vocab_size = vocab_size
        self.index_of = {token: index for index, token in enumerate(ids)}
        self._all = np.asarray(ids, np.int64)
        self.columns = np.sort(self._all).astype(np.int32)
        self.columns.flags.writeable = False
        self.bits = [1 << self.index_of[token] for token in self.columns.tolist()]
        self._ids: OrderedDict[int, np.ndarray] = OrderedDict()
        self._masks: OrderedDict[int, np.ndarray] = OrderedDict()

    def ids(self, allowed: int) -> np.ndarray:
        """The ids of a set, read-only int64."""
        found = self._ids.get(allowed)
        if found is None:
            bits = np.frombuffer(allowed.to_bytes(len(self._all) // 8 + 1, "little"), np.uint8)
            found = self._all[np.flatnonzero(np.unpackbits(bits, bitorder="little")[: len(self._all)])]
            _keep(self._ids, allowed, found)
        return found

    def mask(self, allowed: int) -> np.ndarray:
        """A set as read-only bool array [V]."""
        found = self._masks.get(allowed)
        if found is None:
            found = np.zeros(self.vocab_size, bool)
            found[self.ids(allowed)] = True
            _keep(self._masks, allowed, found)
        return found


def _keep(kept: OrderedDict[int, np.ndarray], key: int, array: np.ndarray) -> None:
    array.flags.writeable = False
    kept[key] = array
    if len(kept) > _KEPT:
        kept.popitem(last=False)
