"""safetensors tensor by tensor: what the library reads, we write, and the other way round."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from mindformers.tools.errors import InputError
from mindformers.tools.weight_files import Outgoing, SafetensorsFile, Stored, write_safetensors

ARRAYS = {
    "half": np.arange(3, dtype=np.float16),
    "wide": np.arange(6, dtype=np.float32).reshape(2, 3),
    "bytes": np.arange(5, dtype=np.uint8),
    "none": np.zeros((0, 4), np.float32),
    "one": np.array(7, np.int64),
}


def outgoing(arrays: dict[str, np.ndarray]) -> list[Outgoing]:
    return [Outgoing(n, Stored(a.dtype, a.shape), lambda a=a: iter([a])) for n, a in arrays.items()]


def same(found: dict[str, np.ndarray]) -> bool:
    return found.keys() == ARRAYS.keys() and all(
        found[n].dtype == a.dtype and found[n].shape == a.shape and np.array_equal(found[n], a)
        for n, a in ARRAYS.items()
    )


def test_the_library_reads_what_is_written(tmp_path: Path) -> None:
    path, done = tmp_path / "w.safetensors", []
    write_safetensors(path, outgoing(ARRAYS), {"note": "é"}, lambda: done.append(1))
    with safe_open(path, framework="np") as file:
        assert same({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
        assert file.metadata()["note"] == "é"
    assert len(done) == len(ARRAYS)


def test_what_the_library_writes_is_read(tmp_path: Path) -> None:
    save_file(ARRAYS, tmp_path / "w.safetensors", {"note": "x"})
    file = SafetensorsFile(tmp_path / "w.safetensors")
    assert same({name: file.read(name) for name in file.tensors}) and file.metadata == {"note": "x"}


def test_every_tensor_begins_at_a_multiple_of_its_size(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    write_safetensors(path, outgoing({"odd": np.zeros(3, np.uint8), **ARRAYS}))
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    head = json.loads(content[8 : 8 + length])
    assert length % 8 == 0
    sizes = {name: stored.dtype.itemsize for name, stored in SafetensorsFile(path).tensors.items()}
    assert all(head[name]["data_offsets"][0] % size == 0 for name, size in sizes.items())


def test_a_tensor_may_come_in_blocks(tmp_path: Path) -> None:
    rows = np.arange(20, dtype=np.float32).reshape(5, 4)
    tensor = Outgoing("x", Stored(rows.dtype, rows.shape), lambda: (rows[i : i + 2] for i in range(0, 5, 2)))
    turned = Outgoing("t", Stored(rows.dtype, (4, 5)), lambda: [rows.T])
    write_safetensors(tmp_path / "w.safetensors", [tensor, turned])
    file = SafetensorsFile(tmp_path / "w.safetensors")
    assert np.array_equal(file.read("x"), rows) and np.array_equal(file.read("t"), rows.T)


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"old")
    short = Outgoing("x", Stored(np.dtype("<f4"), (9,)), lambda: [np.zeros(4, np.float32)])
    with pytest.raises(AssertionError, match="x: 16 bytes of 36"):
        write_safetensors(path, [short])
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


def head_of(**entry: object) -> bytes:
    text = json.dumps({"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **entry}}).encode()
    return len(text).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"abc", "head is unreadable"),
        ((2**40).to_bytes(8, "little") + b"{}", "its length is wrong"),
        (b"\2\0\0\0\0\0\0\0{]", "head is unreadable"),
        (b"\2\0\0\0\0\0\0\0[]", "head is unreadable"),
        (head_of(dtype="F8_E4M3") + bytes(8), "x has the type F8_E4M3, which is not read"),
        (head_of(shape=[3]) + bytes(8), "the place of x is wrong"),
        (head_of(data_offsets=[8, 16]) + bytes(16), "the place of x is wrong"),
        (head_of(shape=None) + bytes(8), "head is unreadable"),
        (head_of() + bytes(7), "bytes long"),
        (head_of() + bytes(9), "bytes long"),
    ],
)
def test_damaged_files(content: bytes, line: str, tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"w.safetensors' is damaged: .*" + line):
        SafetensorsFile(tmp_path / "w.safetensors")


def test_a_file_that_shrinks_later(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_file(ARRAYS, path)
    file = SafetensorsFile(path)
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(InputError, match="ends inside"):
        [file.read(name) for name in file.tensors]
