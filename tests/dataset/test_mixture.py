"""MindRecord files of several sources in one stream of batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindformers.dataset import mindrecord, record_stream
from mindformers.dataset.mindrecord import MindRecordBatches, open_mindrecord
from mindformers.dataset.mindrecord_writer import write_records
from mindformers.dataset.record_order import WeightedSource
from mindformers.dataset.record_reading import Batch, Places, read_records
from mindformers.tools.errors import InputError

N = 4
SIZES = {"text": 31, "molecule": 9, "protein": 3}  # a record says its source and its number there
WEIGHTS = {"text": 0.5, "molecule": 0.3, "protein": 0.2}
TURN = [5, 3, 2]


def _rows(source: int, count: int, first: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    ids = [np.array([source, number, 0, 1], np.int32) for number in range(first, first + count)]
    return [(row, -row) for row in ids]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of two sources, a folder of seven files of the third."""
    folder = tmp_path_factory.mktemp("mixture")
    for source, name in enumerate(("text", "molecule")):
        write_records(folder / f"{name}.mindrecord", _rows(source, SIZES[name]))
    write_records(folder / "protein.mindrecord", _rows(2, SIZES["protein"]))
    for part in range(7):
        write_records(folder / "many" / f"{part}.mindrecord", _rows(0, 5, 5 * part))
    return folder


def _mixture(folder: Path, batch_size: int = 4, **settings: Any) -> MindRecordBatches:
    sources = [WeightedSource(name, weight, folder / f"{name}.mindrecord") for name, weight in WEIGHTS.items()]
    return open_mindrecord(sources, batch_size=batch_size, shuffle=True, **{"seed": 3, **settings})


def _read(reader: MindRecordBatches, epoch: int = 0, skip: int = 0) -> list[tuple[int, int]]:
    batches = list(reader.batches(epoch, skip))
    assert all((batch["labels"] == -batch["input_ids"]).all() for batch in batches)
    return [(int(row[0]), int(row[1])) for batch in batches for row in batch["input_ids"]]


def _counts(rows: Sequence[tuple[int, int]]) -> list[int]:
    return np.bincount([source for source, _ in rows], minlength=3).tolist()


def test_every_window_has_its_shares_across_epochs_too(folder: Path) -> None:
    reader = _mixture(folder, drop_remainder=True)
    assert (reader.num_rows, reader.num_batches) == (43, 10)
    rows = list(chain(*(_read(reader, epoch) for epoch in range(4))))
    assert len(rows) == 160
    assert all(_counts(rows[first : first + 10]) == TURN for first in range(151))
    assert reader.drawn(0, 10) == dict(zip(SIZES, _counts(rows[:40]), strict=True))
    assert reader.drawn(2, 3) == dict(zip(SIZES, _counts(rows[80:92]), strict=True))


def test_small_sources_repeat_in_another_order_and_large_ones_go_on(folder: Path) -> None:
    rows = list(chain(*(_read(_mixture(folder, drop_remainder=True), epoch) for epoch in range(4))))
    for source, size in enumerate(SIZES.values()):
        numbers = [number for one, number in rows if one == source]
        passes = [numbers[i : i + size] for i in range(0, len(numbers) - size + 1, size)]
        assert len(passes) >= 2 and all(sorted(one) == list(range(size)) for one in passes)
        assert len({tuple(one) for one in passes}) > 1


def test_the_order_depends_on_the_seed_only(folder: Path) -> None:
    rows = _read(_mixture(folder), 1)
    assert len(rows) == 43 and rows == _read(_mixture(folder, batch_size=5), 1)
    assert rows != _read(_mixture(folder, seed=4), 1) and rows != _read(_mixture(folder), 0)
    assert (
        [0, 1, 2]
        != [source for source, _ in rows]
        == [source for source, _ in _read(_mixture(folder, num_workers=2), 1)]
    )


@pytest.mark.parametrize("drop_remainder", [True, False])
def test_shards_read_their_rows_of_every_whole_batch(folder: Path, drop_remainder: bool) -> None:
    whole = _read(_mixture(folder, 4, drop_remainder=drop_remainder), 2)
    shards = [
        _read(_mixture(folder, 2, drop_remainder=drop_remainder, num_shards=2, shard_id=shard), 2) for shard in (0, 1)
    ]
    assert len(whole) == sum(len(shard) for shard in shards) == (40 if drop_remainder else 43)
    assert shards == [whole[0::2], whole[1::2]]
    assert _mixture(folder, 2, num_shards=2, shard_id=1).drawn(2, 5) == _mixture(folder).drawn(2, 5)


@pytest.mark.parametrize("skip", [0, 1, 7, 10])
def test_an_epoch_can_be_entered_at_any_batch(folder: Path, skip: int) -> None:
    reader = _mixture(folder, drop_remainder=True)
    assert _read(reader, 1, skip) == _read(reader, 1)[4 * skip :]


def test_epochs_of_fewer_rows(folder: Path) -> None:
    reader = _mixture(folder, num_samples=10)
    assert reader.num_rows == 10 and _counts(_read(reader)) == TURN
    assert [len(_read(reader.first(3), epoch)) for epoch in (0, 1)] == [3, 3]


def test_many_files_are_read_with_few_of_them_open(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record_stream, "FILES_AT_ONCE", 2)
    sources = [WeightedSource("many", 3, folder / "many"), WeightedSource("text", 1, folder / "text.mindrecord")]
    reader = open_mindrecord(sources, batch_size=4, shuffle=True, seed=1)
    opened: list[int] = []

    def reading(paths: list[str], sizes: list[int], places: Places, *given: object) -> Iterator[Batch]:
        opened.append(len(set(places.files.tolist())))
        return read_records(paths, sizes, places, *given)

    monkeypatch.setattr(mindrecord, "read_records", reading)
    rows = _read(reader)
    # 49 or 50 of 66 rows from 35 records in groups of 10, 10, 10 and 5; text's one file beside them
    assert len(rows) == 66 and len(opened) >= 6 and max(opened) == 3
    assert reader.row_order(0).shape == (66,) and _read(reader, 0, 5) == rows[20:]
    alone = open_mindrecord(str(folder / "many" / "[0-6].mindrecord"), batch_size=3, shuffle=True, seed=1)
    assert sorted(_read(alone)) == [(0, number) for number in range(35)]
    assert _read(alone) != _read(alone, 1) and _read(alone, 1, 4) == _read(alone, 1)[12:]
    assert _read(alone.first(12)) != _read(alone)[:12] and max(_read(alone.first(12))) == (0, 11)


def test_one_file_may_be_in_two_sources(folder: Path) -> None:
    files = folder / "protein.mindrecord"
    reader = open_mindrecord([WeightedSource("a", 1, files), WeightedSource("b", 1, [files, files])], batch_size=9)
    assert sorted(_read(reader)) == [(2, number) for number in (0, 0, 0, 0, 1, 1, 1, 2, 2)]


def test_sources_that_do_not_go_together(folder: Path, tmp_path: Path) -> None:
    def opening(path: Path) -> MindRecordBatches:
        return open_mindrecord([WeightedSource("a", 1, folder / "text.mindrecord"), WeightedSource("b", 1, path)])

    write_records(tmp_path / "long.mindrecord", [(np.ones(6, np.int32),) * 2])
    with pytest.raises(InputError, match=r"long\.mindrecord': records of 6 tokens; expected 4, as in '.*/text\."):
        opening(tmp_path / "long.mindrecord")
    with pytest.raises(InputError, match=r"MindRecord: .*none\.mindrecord' not found"):
        opening(tmp_path / "none.mindrecord")
    with pytest.raises(InputError, match=r"matches no file; expected \*\.mindrecord files"):
        opening(tmp_path / "n*.mindrecord")
