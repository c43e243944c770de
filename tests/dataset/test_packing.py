"""Examples to records."""

from __future__ import annotations

from array import array
from itertools import pairwise

import numpy as np
from mindspore import Tensor

from mindformers.dataset.encode import Encoded
from mindformers.dataset.packing import Packer, document_spans
from mindformers.modules.documents import Documents

PAD, IGNORE = 0, -100


def _records(lengths: list[int], is_packing: bool, may_split: bool) -> list[list[int]]:
    packer = Packer(6, PAD, is_packing)
    records = []
    for number, length in enumerate(lengths, 1):
        ids = array("i", [number] * length)
        records += list(packer.add(Encoded(ids, ids, length, may_split)))
    records += list(packer.flush())
    for ids, labels in records:
        assert ids.shape == labels.shape == (6,)
        assert ((labels == IGNORE) == (ids == PAD)).all() and (labels[ids != PAD] == ids[ids != PAD]).all()
    return [ids.tolist() for ids, _ in records]


def test_one_example_a_record() -> None:
    assert _records([2, 6, 1], False, False) == [[1, 1, 0, 0, 0, 0], [2] * 6, [3, 0, 0, 0, 0, 0]]


def test_a_long_text_fills_several_records_of_its_own() -> None:
    assert _records([8, 1], False, True) == [[1] * 6, [1, 1, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0]]


def test_packed_examples_stay_whole() -> None:
    assert _records([2, 3, 2, 4], True, False) == [[1, 1, 2, 2, 2, 0], [3, 3, 4, 4, 4, 4]]


def test_packed_text_goes_on_in_the_next_record() -> None:
    assert _records([4, 4, 6], True, True) == [[1, 1, 1, 1, 2, 2], [2, 2, 3, 3, 3, 3], [3, 3, 0, 0, 0, 0]]


def test_nothing_gives_no_record() -> None:
    assert _records([], True, True) == []


def test_documents_begin_at_bos_or_behind_an_end() -> None:
    ids = np.array([5, 2, 1, 6, 2, 7, 2, 1, 8])
    assert document_spans(ids, 1) == [(0, 2), (2, 7), (7, 9)]
    assert document_spans(ids, 1, 2) == [(0, 2), (2, 5), (5, 7), (7, 9)]
    assert document_spans(ids[2:5], 1) == [(0, 3)] and document_spans(ids[:0], 1) == []


def test_spans_are_the_documents_of_the_network() -> None:
    ids = np.random.default_rng(0).integers(0, 5, 60).astype(np.int32)
    for end in (None, 2):
        numbers = Documents(1, end)(Tensor(ids[None])).asnumpy()[0]
        edges = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), 60]
        assert document_spans(ids, 1, end) == list(pairwise(edges))
