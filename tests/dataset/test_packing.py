"""Examples to records."""

from __future__ import annotations

from array import array

from mindformers.dataset.encode import Encoded
from mindformers.dataset.packing import Packer

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
