"""One source without end: passes over files of which few are open."""

from __future__ import annotations

import numpy as np
import pytest

from mindformers.dataset import record_stream
from mindformers.dataset.mindrecord_files import RecordFiles
from mindformers.dataset.record_stream import RecordStream


def _files(*counts: int) -> RecordFiles:
    return RecordFiles(tuple(f"f{i}" for i in range(len(counts))), counts, counts, 5, True)


def _pass(stream: RecordStream, number: int) -> list[tuple[int, int]]:
    files, rows, _ = stream.locate(number, np.arange(stream.size))
    return list(zip(files.tolist(), rows.tolist(), strict=True))


def test_a_pass_has_every_record_once() -> None:
    files = _files(3, 0, 5, 1)
    everything = [(0, 0), (0, 1), (0, 2), *((2, i) for i in range(5)), (3, 0)]
    assert _pass(RecordStream(files, None), 7) == everything
    shuffled = RecordStream(files, [4])
    assert sorted(_pass(shuffled, 0)) == sorted(_pass(shuffled, 1)) == everything
    assert len({tuple(_pass(RecordStream(files, [seed]), number)) for seed in (4, 5) for number in (0, 1)}) == 4


def test_a_pass_is_entered_anywhere() -> None:
    stream, files = RecordStream(_files(*range(1, 30)), [2, 1]), _files(*range(1, 30))
    whole = _pass(stream, 3)
    at = np.array([400, 3, 77, 78, 434])
    found, rows, _ = RecordStream(files, [2, 1]).locate(3, at)
    assert list(zip(found.tolist(), rows.tolist(), strict=True)) == [whole[i] for i in at]


@pytest.mark.parametrize("seed", [None, [1]])
def test_of_many_files_a_group_is_read_together(seed: list[int] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_stream, "FILES_AT_ONCE", 3)
    stream = RecordStream(_files(*[4] * 8), seed)
    found, rows, groups = stream.locate(1, np.arange(32))
    assert sorted(zip(found.tolist(), rows.tolist(), strict=True)) == [(i, j) for i in range(8) for j in range(4)]
    assert (np.diff(groups) >= 0).all() and np.bincount(groups - groups[0]).tolist() == [12, 12, 8]
    together = [set(found[groups == group].tolist()) for group in np.unique(groups)]
    assert [len(files) for files in together] == [3, 3, 2]
    assert (together[0] == {0, 1, 2}) == (seed is None)


def test_only_the_first_records() -> None:
    some = _files(3, 4, 5).first(5)
    assert (some.paths, some.counts, some.sizes, some.total) == (("f0", "f1"), (3, 2), (3, 4), 5)
    assert _files(3, 4).first(99) == _files(3, 4)
