"""Encoded examples to records of one length.

not packed    BOS doc1 EOS 0 0 0 | BOS doc2 EOS 0 0 0 0 | ...
packed        BOS doc1 EOS BOS doc2 EOS 0 | BOS doc3 ...        a conversation or molecule stays in one record
              BOS text EOS BOS te | xt EOS BOS text EOS ...      raw text goes on in the next record
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from mindformers.dataset.encode import Encoded, pad_record

Record = tuple[np.ndarray, np.ndarray]


class Packer:
    """Fill records in the order of the examples.

    Args:
        length: N, tokens per record.
        pad_token_id: the id of padding.
        is_packing: whether several examples share a record.
    """

    def __init__(self, length: int, pad_token_id: int, is_packing: bool) -> None:
        self.length, self.pad_token_id, self.is_packing = length, pad_token_id, is_packing
        self._ids, self._labels = array("i"), array("i")

    def add(self, example: Encoded) -> Iterator[Record]:
        """Take an example in; yields the records that are full now, int32 ids and labels [N] each."""
        if not self.is_packing or (not example.may_split and len(self._ids) + len(example.ids) > self.length):
            yield from self.flush()
        self._ids += example.ids
        self._labels += example.labels
        while len(self._ids) >= self.length:
            yield self._take()
        if not self.is_packing:
            yield from self.flush()

    def flush(self) -> Iterator[Record]:
        """The record that is not full yet, padded."""
        while self._ids:
            yield self._take()

    def _take(self) -> Record:
        record = pad_record(self._ids[: self.length], self._labels[: self.length], self.length, self.pad_token_id)
        del self._ids[: self.length], self._labels[: self.length]
        return record


def document_spans(ids: np.ndarray, bos_token_id: int, end_token_id: int | None = None) -> list[tuple[int, int]]:
    """First and last + 1 place of every document of a record, as `mindformers.modules.documents` finds them.

    Args:
        ids: int [S], without padding.
        bos_token_id: the token that begins a document.
        end_token_id: a token that ends one; None where BOS is enough.
    """
    begins = ids == bos_token_id
    begins[1:] |= ids[:-1] == end_token_id
    begins[:1] = True
    edges = [*np.flatnonzero(begins).tolist(), len(ids)]
    return list(pairwise(edges))
