"""Folders with `pytorch_model.bin` convert like those with safetensors, without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mindformers.models.llama.convert_weight import main
from tests.models.hugging_face import arrays_of, convert, same_bits, save_llama, write_recipe

torch = pytest.importorskip("torch", reason="the files are made with torch")


def to_bin(folder: Path, shards: int, dtype_folder: Path) -> Path:
    """The weights of a folder in torch's files."""
    from safetensors.torch import load_file

    folder.mkdir()
    (folder / "config.json").write_bytes((dtype_folder / "config.json").read_bytes())
    tensors = load_file(dtype_folder / "model.safetensors")
    if shards == 1:
        torch.save(tensors, folder / "pytorch_model.bin")
        return folder
    places = {name: f"pytorch_model-0000{i % shards + 1}-of-0000{shards}.bin" for i, name in enumerate(tensors)}
    for file in set(places.values()):
        torch.save({name: tensors[name] for name in tensors if places[name] == file}, folder / file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": places}))
    return folder


@pytest.mark.parametrize(("shards", "dtype"), [(1, "float32"), (3, "bfloat16")])
def test_the_same_checkpoint(shards: int, dtype: str, tmp_path: Path) -> None:
    save_llama(tmp_path / "safe", dtype)
    to_bin(tmp_path / "bin", shards, tmp_path / "safe")
    recipe = write_recipe(tmp_path / "r.yaml")
    for name in ("safe", "bin"):
        convert("--hf_dir", tmp_path / name, "--config", recipe, "--output", tmp_path / f"{name}.safetensors")
    one, other = arrays_of(tmp_path / "safe.safetensors"), arrays_of(tmp_path / "bin.safetensors")
    assert one.keys() == other.keys() and all(same_bits(one[name], other[name]) for name in one)


def test_torch_is_not_loaded(tmp_path: Path) -> None:
    save_llama(tmp_path / "safe")
    to_bin(tmp_path / "bin", 1, tmp_path / "safe")
    words = ["--hf_dir", "bin", "--config", str(write_recipe(tmp_path / "r.yaml")), "--output", "o.safetensors"]
    code = f"""
import sys
from mindformers.models.llama.convert_weight import main
assert main({words}) == 0
assert not {{"torch", "transformers", "mindspore"}} & set(sys.modules)
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, check=True)


class _Call:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_a_malicious_file_is_refused_in_one_line(tmp_path: Path, capsys: Any) -> None:
    save_llama(tmp_path / "safe")
    folder = to_bin(tmp_path / "bin", 1, tmp_path / "safe")
    torch.save({"lm_head.weight": _Call(tmp_path / "mark")}, folder / "pytorch_model.bin")
    capsys.readouterr()
    words = ("--hf_dir", folder, "--config", write_recipe(tmp_path / "r.yaml"), "--output", tmp_path / "o.safetensors")
    assert main([str(word) for word in words]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and "is refused: it asks for posix.mkdir" in line
    assert not (tmp_path / "mark").exists() and not (tmp_path / "o.safetensors").exists()
