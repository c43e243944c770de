"""MindRecord files: written whole, read in an order that can be resumed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mindformers.dataset.mindrecord import labels_of_ids, open_mindrecord
from mindformers.dataset.mindrecord_files import mindrecord_files
from mindformers.dataset.mindrecord_writer import mindrecord_output, write_records
from mindformers.tools.errors import InputError

N = 9


def _rows(count: int, length: int = N) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(np.full(length, i + 1, np.int32), np.full(length, -i, np.int32)) for i in range(count)]


def _read(reader: object, epoch: int = 0, skip: int = 0) -> list[int]:
    return [int(row[0]) - 1 for batch in reader.batches(epoch, skip) for row in batch["input_ids"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """23 records in one file and in three parts, each in a folder of its own."""
    folder = tmp_path_factory.mktemp("records")
    assert write_records(folder / "one" / "a.mindrecord", _rows(23)) == 23
    assert write_records(folder / "three" / "a.mindrecord", _rows(23), 3) == 23
    return folder


def _write_columns(path: Path, columns: dict[str, np.ndarray]) -> None:
    from mindspore.mindrecord import FileWriter

    path.parent.mkdir(parents=True, exist_ok=True)
    writer = FileWriter(str(path), shard_num=1)
    kinds = {name: {"type": str(rows.dtype), "shape": list(rows.shape[1:])} for name, rows in columns.items()}
    writer.add_schema(kinds, "test")
    writer.write_raw_data([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)])
    writer.commit()


def test_records_come_back(folder: Path) -> None:
    reader = open_mindrecord(folder / "one" / "a.mindrecord", batch_size=4, expected_length=N)
    batches = list(reader)
    assert (reader.num_rows, reader.num_batches, len(reader), reader.record_length) == (23, 6, 6, N)
    assert [len(batch["input_ids"]) for batch in batches] == [4, 4, 4, 4, 4, 3]
    assert all(batch[name].dtype == np.int32 for batch in batches for name in ("input_ids", "labels"))
    assert _read(reader) == list(range(23))
    assert batches[1]["labels"][0].tolist() == [-4] * N


def test_parts_are_found_by_file_name_folder_and_list(folder: Path) -> None:
    parts = sorted((folder / "three").glob("*.mindrecord?"))
    assert [part.name for part in parts] == ["a.mindrecord0", "a.mindrecord1", "a.mindrecord2"]
    for source in (folder / "three" / "a.mindrecord", folder / "three", parts, str(folder / "three")):
        assert sorted(_read(open_mindrecord(source, batch_size=5))) == list(range(23))
    assert _read(open_mindrecord(parts[1], batch_size=5)) == list(range(1, 23, 3))


def test_an_epoch_depends_on_seed_and_number_only(folder: Path) -> None:
    def epoch(seed: int, number: int, workers: int = 1) -> list[int]:
        return _read(open_mindrecord(folder / "three", (), 4, True, seed, num_workers=workers), number)

    assert sorted(epoch(1, 0)) == list(range(23))
    assert epoch(1, 0) == epoch(1, 0) == epoch(1, 0, workers=64)
    assert len({tuple(epoch(seed, number)) for seed in (1, 2) for number in (0, 1)}) == 4


def test_an_epoch_can_be_resumed(folder: Path) -> None:
    reader = open_mindrecord(folder / "one", batch_size=4, shuffle=True, seed=5, drop_remainder=True)
    assert reader.num_batches == 5
    whole = _read(reader, 3)
    assert len(whole) == 20 and _read(reader, 3, 2) == whole[8:] and _read(reader, 3, 5) == []
    skipping = open_mindrecord(folder / "one", batch_size=4, shuffle=True, seed=5, skip=3)
    assert [int(row[0]) - 1 for batch in skipping for row in batch["input_ids"]] == _read(skipping, 0)[12:]


@pytest.mark.parametrize(("shards", "is_whole"), [(3, False), (3, True), (9, False)])
def test_shards_read_together_what_one_reader_would(folder: Path, shards: int, is_whole: bool) -> None:
    shared = {"shuffle": True, "seed": 1, "drop_remainder": is_whole}
    one = list(open_mindrecord(folder / "one", batch_size=2 * shards, **shared).batches(1))
    readers = [
        open_mindrecord(folder / "one", batch_size=2, num_shards=shards, shard_id=shard, **shared)
        for shard in range(shards)
    ]
    parts = [list(reader.batches(1)) for reader in readers]
    assert {len(batches) for batches in parts} == {len(one)} == {readers[0].num_batches}
    for step, batch in enumerate(one):
        found = np.concatenate([batches[step]["input_ids"] for batches in parts])
        assert sorted(found.tolist()) == sorted(batch["input_ids"].tolist())
    assert all(reader.rows_at_once == 2 * shards and reader.num_rows == 23 for reader in readers)


def test_a_shard_that_has_nothing_left_yields_an_empty_batch(folder: Path) -> None:
    last = open_mindrecord(folder / "one", batch_size=7, num_shards=3, shard_id=2)
    assert [len(batch["input_ids"]) for batch in last.batches(0)] == [7, 0]
    assert [len(batch["labels"]) for batch in last.batches(0, 1)] == [0]


def test_the_first_samples_only(folder: Path) -> None:
    reader = open_mindrecord(folder / "one", batch_size=2, shuffle=True, num_samples=5)
    assert reader.num_rows == 5 and sorted(_read(reader)) == list(range(5))


def test_the_published_column_is_accepted(tmp_path: Path) -> None:
    ids = np.arange(1, 13, dtype=np.int32).reshape(2, 6)
    mask = np.zeros((2, 6), np.float32)
    _write_columns(tmp_path / "p.mindrecord", {"input_ids": ids, "molecular_mask": mask, "labels": ids * 2})
    reader = open_mindrecord(tmp_path, ["input_ids", "molecular_mask", "labels"], 2)
    (batch,) = reader
    assert set(batch) == {"input_ids", "labels"} and (batch["labels"] == ids * 2).all()


def test_labels_are_made_from_ids_where_there_are_none(tmp_path: Path) -> None:
    ids = np.array([[1, 0, 7, 2, 0, 0], [1, 3, 4, 5, 6, 2]], np.int32)
    _write_columns(tmp_path / "i.mindrecord", {"input_ids": ids})
    (batch,) = open_mindrecord(tmp_path / "i.mindrecord", batch_size=2)
    assert batch["labels"].tolist() == [[1, 0, 7, 2, -100, -100], [1, 3, 4, 5, 6, 2]]
    assert batch["labels"].dtype == np.int32


def test_labels_of_ids_knows_the_padding_id() -> None:
    assert labels_of_ids(np.array([[3, 0, 3, 3]]), 3).tolist() == [[3, 0, -100, -100]]


def test_labels_are_made_from_ids_when_they_are_not_asked_for(folder: Path) -> None:
    batch = next(iter(open_mindrecord(folder / "one", ["input_ids"], 1)))
    assert batch["labels"].tolist() == batch["input_ids"].tolist()


def test_the_same_rows_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_records(tmp_path / "a.mindrecord", _rows(23), 3)
    for file in (folder / "three").iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()


def test_an_old_output_goes(tmp_path: Path) -> None:
    write_records(tmp_path / "a.mindrecord", _rows(12), 12)
    assert (tmp_path / "a.mindrecord00").is_file() and len(mindrecord_files(tmp_path)) == 12
    (tmp_path / "b.mindrecord").write_text("another output stays")
    write_records(tmp_path / "a.mindrecord", _rows(4))
    assert {file.name for file in tmp_path.iterdir()} == {"a.mindrecord", "a.mindrecord.db", "b.mindrecord"}
    assert _read(open_mindrecord(tmp_path / "a.mindrecord")) == [0, 1, 2, 3]


def test_a_failure_leaves_the_old_output_as_it_was(tmp_path: Path) -> None:
    write_records(tmp_path / "a.mindrecord", _rows(3))
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def fail_half_way() -> None:
        with mindrecord_output(tmp_path / "a.mindrecord", N) as writer:
            writer.write(*_rows(1)[0])
            raise InputError("input", "broken")

    with pytest.raises(InputError):
        fail_half_way()
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_unusable_output(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a name that ends in \.mindrecord"):
        write_records(tmp_path / "a.bin", _rows(1))
    with pytest.raises(InputError, match="5 parts for 3 records"):
        write_records(tmp_path / "a.mindrecord", _rows(3), 5)
    with pytest.raises(InputError, match="file_partition: 0"):
        write_records(tmp_path / "a.mindrecord", _rows(3), 0)
    with pytest.raises(InputError, match="no records to write"):
        write_records(tmp_path / "a.mindrecord", [])
    assert list(tmp_path.iterdir()) == []


def test_unusable_input(folder: Path, tmp_path: Path) -> None:
    one = folder / "one" / "a.mindrecord"
    with pytest.raises(InputError, match=r"none\.mindrecord' not found"):
        open_mindrecord(tmp_path / "none.mindrecord")
    with pytest.raises(InputError, match=r"no \*\.mindrecord in folder"):
        open_mindrecord(tmp_path)
    with pytest.raises(InputError, match=r"records of 9 tokens; expected 33, .*set seq_length to 8"):
        open_mindrecord(one, expected_length=33)
    with pytest.raises(InputError, match=r"unknown name 'label'.*did you mean 'labels'"):
        open_mindrecord(one, ["input_ids", "label"])
    with pytest.raises(InputError, match="23 records; expected 24 or more"):
        open_mindrecord(one, batch_size=24, drop_remainder=True)
    with pytest.raises(InputError, match="batch_size: 0"):
        open_mindrecord(one, batch_size=0)


def test_broken_files(folder: Path, tmp_path: Path) -> None:
    junk = tmp_path / "junk.mindrecord"
    junk.write_bytes(b"junk" * 100)
    with pytest.raises(InputError, match=r"index of the MindRecord: .*junk\.mindrecord\.db' not found"):
        open_mindrecord(junk)
    (tmp_path / "junk.mindrecord.db").write_bytes(b"junk" * 100)
    with pytest.raises(InputError, match=r"junk\.mindrecord': cannot be read"):
        open_mindrecord(junk)
    write_records(tmp_path / "other.mindrecord", _rows(3, 5))
    with pytest.raises(InputError, match=r"other\.mindrecord': records of 5 tokens; expected 9, as in '.*/one/a"):
        open_mindrecord([folder / "one", tmp_path / "other.mindrecord"])
    _write_columns(tmp_path / "x" / "x.mindrecord", {"tokens": np.ones((2, 3), np.int32)})
    with pytest.raises(InputError, match="columns tokens; expected a column 'input_ids'"):
        open_mindrecord(tmp_path / "x")
