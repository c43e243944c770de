"""torch's files without torch: the tensors are read, and nothing in the file is run."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindformers.tools.errors import InputError
from mindformers.tools.torch_files import TorchFile

torch = pytest.importorskip("torch", reason="the files are made with torch")


def saved(path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def test_tensors_of_every_type(tmp_path: Path) -> None:
    kinds = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8", "bool"]
    tensors = {kind: (3 * torch.randn(4, 5)).to(getattr(torch, kind)) for kind in kinds}
    file = TorchFile(saved(tmp_path / "w.bin", tensors))
    for kind, tensor in tensors.items():
        found = file.read(kind)
        assert found.shape == (4, 5) == file.tensors[kind].shape
        assert found.tobytes() == tensor.view(torch.uint8).numpy().tobytes()


def test_views_and_shared_storages(tmp_path: Path) -> None:
    table = torch.arange(24.0).reshape(4, 6)
    views = {"rows": table[1:3], "turned": table.t(), "column": table[:, 2], "whole": table, "none": table[:0]}
    file = TorchFile(saved(tmp_path / "w.bin", views))
    assert all(np.array_equal(file.read(name), view.numpy()) for name, view in views.items())
    assert file.read("none").shape == (0, 6)


def test_a_state_dict(tmp_path: Path) -> None:
    net = torch.nn.Linear(3, 2)
    file = TorchFile(saved(tmp_path / "w.bin", net.state_dict()))
    assert isinstance(net.state_dict(), OrderedDict) and list(file.tensors) == ["weight", "bias"]
    assert np.array_equal(file.read("weight"), net.weight.detach().numpy())


class Malicious:
    """Runs a function when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


@pytest.mark.parametrize("function", [os.system, eval, exec, getattr, os.mkdir, __import__], ids=lambda f: f.__name__)
def test_nothing_is_run(function: Any, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    call = Malicious(function, f"mkdir {mark}") if function is os.system else Malicious(function, str(mark))
    path = saved(tmp_path / "w.bin", {"weight": torch.ones(2), "x": call})
    with pytest.raises(InputError, match=r"is refused: it asks for \w+\.\w+; expected tensors") as info:
        TorchFile(path)
    assert "\n" not in info.value.line() and not mark.exists()


def rewritten(path: Path, name: str, content: bytes, compression: int = zipfile.ZIP_STORED) -> Path:
    """The file with one entry replaced."""
    with zipfile.ZipFile(path) as old:
        entries = {entry: old.read(entry) for entry in old.namelist()}
    with zipfile.ZipFile(path, "w", compression) as new:
        for entry, data in entries.items():
            new.writestr(entry, content if entry.endswith(name) else data)
    return path


def test_a_storage_that_is_too_short_or_packed(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.bin", {"x": torch.ones(100)})
    with pytest.raises(InputError, match="the storage of x is not 100 plain numbers"):
        TorchFile(rewritten(path, "/data/0", bytes(396)))
    path = saved(tmp_path / "w.bin", {"x": torch.ones(100)})
    with pytest.raises(InputError, match="is not 100 plain numbers"):
        TorchFile(rewritten(path, "nothing", b"", zipfile.ZIP_DEFLATED))


def test_a_view_beyond_its_storage(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.bin", {"x": torch.ones(4)})
    content = zipfile.ZipFile(path).read("w/data.pkl")
    wider = content.replace(b"K\x04\x85", b"K\x05\x85", 1)  # the shape (4,) becomes (5,)
    assert wider != content
    with pytest.raises(InputError, match="x reaches beyond its storage"):
        TorchFile(rewritten(path, "data.pkl", wider))


def test_big_endian_numbers(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.bin", {"x": torch.ones(4)})
    with pytest.raises(InputError, match="big-endian"):
        TorchFile(rewritten(path, "byteorder", b"big"))


def test_a_flipped_bit_is_seen(tmp_path: Path) -> None:
    path = saved(tmp_path / "w.bin", {"x": torch.ones(1000)})
    content = bytearray(path.read_bytes())
    content[content.index(np.ones(1000, np.float32).tobytes()) + 99] ^= 1
    path.write_bytes(content)
    file = TorchFile(path)
    with pytest.raises(InputError, match="cannot be read"):
        file.read("x")


@pytest.mark.parametrize("content", [[1, 2], {"x": 1}, {1: torch.ones(2)}, {"a": {"x": torch.ones(2)}}], ids=str)
def test_what_is_no_dictionary_of_tensors(content: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is refused: "):
        TorchFile(saved(tmp_path / "w.bin", content))


def test_other_files(tmp_path: Path) -> None:
    old = saved(tmp_path / "old.bin", {"x": torch.ones(2)}, _use_new_zipfile_serialization=False)
    (tmp_path / "plain.bin").write_bytes(pickle.dumps({"x": 1}))
    (tmp_path / "torn.bin").write_bytes(saved(tmp_path / "w.bin", {"x": torch.ones(99)}).read_bytes()[:300])
    with zipfile.ZipFile(tmp_path / "zip.bin", "w") as other:
        other.writestr("readme.txt", "hello")
    for path in (old, tmp_path / "plain.bin", tmp_path / "torn.bin", tmp_path / "zip.bin"):
        with pytest.raises(InputError, match=r"cannot be read|holds 0 entries data.pkl"):
            TorchFile(path)
