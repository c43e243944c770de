"""The command that merges an adapter into a checkpoint and takes it off again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from mindformers.pet.adapter_file import read_adapter, save_adapter
from mindformers.pet.fitting import UNMERGED, check_base
from mindformers.pet.merge import MERGED, main
from tests.pet.test_adapter_file import CELL, HEAD, NEW, TABLE, V, adapter_arrays, base_arrays, config_for


@pytest.fixture
def place(tmp_path: Path) -> Path:
    save_file(base_arrays(), tmp_path / "base.safetensors", {"neuron_order": "[[1,0]]"})
    save_adapter(tmp_path / "adapter", adapter_arrays(), config_for(base_arrays()))
    return tmp_path


def run(place: Path, source: str, output: str, *more: str) -> int:
    files = ["--load_checkpoint", str(place / source), "--output", str(place / output)]
    return main([*files, "--adapter", str(place / "adapter"), *more])


def head_of(path: Path, name: str) -> dict[str, str]:
    """One text of a file's head."""
    with safe_open(path, framework="np") as file:
        return {name: file.metadata()[name]}


def test_merged_weights_are_the_sum(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(place, "base.safetensors", "merged.safetensors") == 0
    assert "merged into 3 of 4 weights" in capsys.readouterr().out
    found, base, added = load_file(place / "merged.safetensors"), base_arrays(), adapter_arrays()
    product = added[f"{CELL}.lora_b"].astype(np.float64) @ added[f"{CELL}.lora_a"]
    np.testing.assert_allclose(found[f"{CELL}.weight"], base[f"{CELL}.weight"] + 16 / 4 * product, atol=1e-5)
    for name in (TABLE, HEAD):
        np.testing.assert_array_equal(found[name][: V - NEW], base[name][: V - NEW])
        np.testing.assert_array_equal(found[name][V - NEW :], base[name][V - NEW :] + added[f"{name}.new_rows"])
    np.testing.assert_array_equal(found["norm.weight"], base["norm.weight"])
    assert head_of(place / "merged.safetensors", "neuron_order") == {"neuron_order": "[[1,0]]"}


def test_the_way_back_gives_a_base_that_the_adapter_still_fits(place: Path) -> None:
    assert run(place, "base.safetensors", "merged.safetensors") == 0
    assert run(place, "merged.safetensors", "back.safetensors", "--unmerge", "True") == 0
    found = load_file(place / "back.safetensors")
    assert all(np.abs(found[name] - array).max() < 1e-5 for name, array in base_arrays().items())
    check_base(read_adapter(place / "adapter"), place / "back.safetensors")
    assert run(place, "back.safetensors", "again.safetensors") == 0


def test_half_precision_stays_half_precision(place: Path) -> None:
    base = {name: array.astype(np.float16) for name, array in base_arrays().items()}
    save_file(base, place / "half.safetensors")
    assert run(place, "base.safetensors", "merged.safetensors") == 0
    assert run(place, "half.safetensors", "merged16.safetensors") == 0
    found, wide = load_file(place / "merged16.safetensors"), load_file(place / "merged.safetensors")
    assert all(np.array_equal(found[name], array.astype(np.float16)) for name, array in wide.items())


def test_an_adapter_is_taken_off_its_own_merge_only(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(place, "base.safetensors", "merged.safetensors") == 0
    assert run(place, "base.safetensors", "x.safetensors", "--unmerge", "True") == 2
    merged, head = load_file(place / "merged.safetensors"), head_of(place / "merged.safetensors", MERGED)
    merged["norm.weight"] += 1
    save_file(merged, place / "trained.safetensors", head)
    assert run(place, "trained.safetensors", "x.safetensors", "--unmerge", "True") == 2
    other = {name: array + 1 for name, array in adapter_arrays().items()}
    save_adapter(place / "adapter", other, config_for(base_arrays()))
    assert run(place, "merged.safetensors", "x.safetensors", "--unmerge", "True") == 2
    lines = capsys.readouterr().err.strip().splitlines()
    said = [line for line in lines if line.startswith("error: ")]
    wanted = ("has no adapter in it", "was trained or changed after the merge", "was merged with another adapter")
    assert all(text in line for text, line in zip(wanted, said, strict=True))
    assert not (place / "x.safetensors").exists()


def test_what_an_unmerged_head_says_holds_for_these_values_only(place: Path) -> None:
    assert run(place, "base.safetensors", "merged.safetensors") == 0
    assert run(place, "merged.safetensors", "back.safetensors", "--unmerge", "True") == 0
    back, head = load_file(place / "back.safetensors"), head_of(place / "back.safetensors", UNMERGED)
    save_file(back, place / "same.safetensors", head)
    assert run(place, "same.safetensors", "again.safetensors") == 0
    back["norm.weight"][0] += 1
    save_file(back, place / "back.safetensors", head)
    assert run(place, "back.safetensors", "again.safetensors") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--output", "o.txt"], "--output: 'o.txt'; expected the name of a .safetensors file"),
        (["--output", "o.safetensors"], "--load_checkpoint: not given"),
        (["--output", "o.safetensors", "--load_checkpoint", "nowhere"], "'nowhere' not found"),
    ],
)
def test_bad_input_is_one_line_and_status_2(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
