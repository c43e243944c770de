"""Checkpoints against kills, damage and full disks; see `tests.trials` for how to repeat this in earnest."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mindspore import Parameter, Tensor

from mindformers.cli import guarded
from mindformers.models.checkpoint_parts import STATE_SUFFIX
from mindformers.tools.errors import InputError
from mindformers.trainer.checkpoint import load_state, load_weights, save_checkpoint, save_weights
from mindformers.trainer.checkpoint_files import CheckpointName, check_checkpoint, find_checkpoint
from tests.full_disk import files_up_to
from tests.trainer.test_checkpoint import Net, net, state_of, zeroed
from tests.trials import trials

ROOT = Path(__file__).resolve().parents[2]


def saved(folder: Path, step: int, value: float, one: Net | None = None) -> Path:
    one = one or net()
    for parameter in one.get_parameters():
        parameter.set_data(Tensor(np.full(parameter.shape, value, np.float32)))
    progress = {"progress": str(step)}
    return save_checkpoint(folder, CheckpointName("m", 1, step), one.get_parameters(), state_of(one, value), progress)


def loaded_value(path: Path) -> float:
    """What all entries of a checkpoint and its state are."""
    one = zeroed(net())
    state = state_of(one, 0.0)
    load_weights(one, path)
    load_state(state, path)
    found = {*np.unique([p.asnumpy().min() for p in [*one.get_parameters(), *state]])}
    assert len(found) == 1
    return found.pop()


def test_whenever_a_save_is_killed_a_whole_checkpoint_is_there(tmp_path: Path) -> None:
    count = trials("KILLS", 8)
    command = [sys.executable, "-m", "tests.trainer.saver", str(tmp_path), str(count), str(count)]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    report = json.loads(found.stdout)
    sys.stderr.write(found.stdout)
    assert report["kills"] == count
    assert set(report["moments"]) - {"otherwise"}, "no kill met a save"


def damage(content: bytes, generator: random.Random) -> tuple[bytes, str]:
    """A bit turned over, or the end cut off."""
    place = generator.randrange(len(content))
    if generator.random() < 0.25:
        return content[:place], f"cut at {place}"
    bit = generator.randrange(8)
    changed = content[place] ^ (1 << bit)
    return content[:place] + bytes([changed]) + content[place + 1 :], f"bit {bit} of byte {place}"


def test_every_damage_is_noticed_and_the_checkpoint_before_it_taken(tmp_path: Path) -> None:
    generator, older = random.Random(0), saved(tmp_path, 1, 1.0)
    newer = saved(tmp_path, 2, 2.0)
    state = newer.with_name(newer.name.removesuffix(".safetensors") + STATE_SUFFIX)
    assert find_checkpoint(tmp_path, for_training=True) == newer
    for _ in range(trials("DAMAGES", 60)):
        file = generator.choice((newer, state))
        whole = file.read_bytes()
        content, what = damage(whole, generator)
        file.write_bytes(content)
        with pytest.raises(InputError) as caught:
            check_checkpoint(newer, for_training=True)
        assert "\n" not in caught.value.line() and str(file) in caught.value.line(), what
        with pytest.raises(InputError):
            loaded_value(newer)
        assert find_checkpoint(tmp_path, for_training=True) == older, what
        file.write_bytes(whole)
    assert find_checkpoint(tmp_path, for_training=True) == newer
    assert (loaded_value(older), loaded_value(newer)) == (1.0, 2.0)


def test_a_lost_file_is_noticed_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    older, newer = saved(tmp_path, 1, 1.0), saved(tmp_path, 2, 2.0)
    newer.with_name(newer.name.removesuffix(".safetensors") + STATE_SUFFIX).unlink()
    assert find_checkpoint(tmp_path) == newer
    assert find_checkpoint(tmp_path, for_training=True) == older
    newer.unlink()
    assert find_checkpoint(tmp_path) == older
    older.write_bytes(older.read_bytes()[:-1])
    with pytest.raises(InputError) as caught:
        find_checkpoint(tmp_path)
    assert f"none of the 1 checkpoints in '{tmp_path}' is whole; of the newest: '{older}' is damaged" in str(
        caught.value
    )


def test_a_state_of_another_save_is_refused(tmp_path: Path) -> None:
    first, second = saved(tmp_path / "a", 1, 1.0), saved(tmp_path / "b", 1, 2.0)
    name = first.name.removesuffix(".safetensors") + STATE_SUFFIX
    shutil.copyfile(second.with_name(name), first.with_name(name))
    with pytest.raises(InputError, match="is of another save than its weights"):
        loaded_value(first)
    assert find_checkpoint(first) == first


def test_a_full_disk_leaves_the_old_checkpoint_and_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path, 1, 1.0)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    largest = max(len(content) for content in before.values())
    statuses = []
    for step in (1, 2):
        for size in np.linspace(0, largest - 1, trials("FULL", 6), dtype=int).tolist():
            capsys.readouterr()
            with files_up_to(size):
                statuses.append(guarded(lambda: saved(tmp_path, step, 2.0)))  # noqa: B023
            line = capsys.readouterr().err
            assert line.startswith(f"error: '{tmp_path}/m_rank_0-1_{step}.") and line.count("\n") == 1
            assert "could not be written: File too large; what was there before is untouched; make room" in line
            assert loaded_value(find_checkpoint(tmp_path, for_training=True)) == 1.0
    assert set(statuses) == {1}
    saved(tmp_path, 2, 2.0)
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {*before, *(name.replace("-1_1", "-1_2") for name in before)}
    assert path.read_bytes() == before[path.name]


def test_what_killed_runs_left_is_cleared_at_the_next_save(tmp_path: Path) -> None:
    saved(tmp_path, 1, 1.0)
    left = [
        ".m_rank_0-1_2.safetensors.77.part",
        ".m_rank_1-1_2.safetensors.77.part",
        "m_rank_0-1_2.state.safetensors",
        "m_rank_0-1_2.state.before.safetensors",
    ]
    others = [
        ".n_rank_0-1_2.safetensors.77.part",
        "n_rank_0-1_1.state.safetensors",
    ]
    for name in (*left, *others):
        (tmp_path / name).write_bytes(b"x")
    saved(tmp_path, 3, 3.0)
    names = {file.name for file in tmp_path.iterdir()}
    assert names == {*others, *(f"m_rank_0-1_{i}{end}" for i in (1, 3) for end in (".safetensors", STATE_SUFFIX))}


def test_a_checkpoint_saved_again_is_whole_at_every_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each rename of a save under the same name, what a kill there would leave is looked at."""
    path, seen = saved(tmp_path, 1, 1.0), []
    replace = os.replace

    def look_and_replace(source: Path, target: Path) -> None:
        seen.append(loaded_value(find_checkpoint(tmp_path, for_training=True)))
        replace(source, target)
        seen.append(loaded_value(find_checkpoint(tmp_path, for_training=True)))

    monkeypatch.setattr(os, "replace", look_and_replace)
    assert saved(tmp_path, 1, 2.0) == path
    assert seen == [1.0, 1.0, 1.0, 1.0, 1.0, 2.0]  # the old state set aside, the new one, the new weights
    assert len(list(tmp_path.iterdir())) == 2


def test_files_of_other_ranks_belong_to_it(tmp_path: Path) -> None:
    other = tmp_path / CheckpointName("m", 1, 1, rank=1).file()
    one = net()
    save_weights(one.get_parameters(), other)
    state: list[Parameter] = []
    path = save_checkpoint(tmp_path, CheckpointName("m", 1, 1), one.get_parameters(), state, {}, parts=[other])
    assert find_checkpoint(tmp_path) == path
    content = other.read_bytes()
    other.write_bytes(content[:-1] + b"\x01")
    with pytest.raises(InputError, match=r"m_rank_1-1_1\.safetensors' is damaged: b\.weight is not what was written"):
        check_checkpoint(path, for_training=False)
    other.unlink()
    with pytest.raises(InputError, match=r"m_rank_1-1_1\.safetensors' not found"):
        check_checkpoint(path, for_training=False)
