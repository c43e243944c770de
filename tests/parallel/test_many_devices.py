"""Training on several devices is training on one: the same losses, the same checkpoints, whatever is spread how."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.parallel.runs import STEPS, arrays, losses, recipe_of, run_alone, run_together, write_data
from tests.trainer.small_run import log_rows

EVALUATED = {"do_eval": True, "eval_step_interval": 5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the runs of one device."""
    folder = tmp_path_factory.mktemp("devices")
    write_data(folder)
    run_alone(recipe_of(folder, "routed", **EVALUATED))
    return folder


@pytest.fixture(scope="module")
def two(folder: Path) -> Path:
    """With the runs of two devices."""
    done = run_together(folder, 2, [recipe_of(folder, "routed_2x1", 2, **EVALUATED)])
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def assert_same_training(folder: Path, one: str, several: str) -> None:
    """Sums of the same numbers in another order."""
    before, after = losses(folder / one), losses(folder / several)
    assert len(before) == len(after) == STEPS
    np.testing.assert_allclose(after, before, atol=1e-4)
    for end in ("safetensors", "state.safetensors"):
        wanted, found = arrays(folder / one, end), arrays(folder / several, end)
        assert list(wanted) == list(found)
        for name, array in wanted.items():
            assert found[name].dtype == array.dtype
            np.testing.assert_allclose(found[name], array, atol=1e-4 * np.abs(array).max(), err_msg=name)


def test_two_copies_train_as_one(two: Path) -> None:
    assert_same_training(two, "routed", "routed_2x1")


def test_every_device_evaluates_a_part_and_one_writes(two: Path) -> None:
    wanted, found = ([row for row in log_rows(two / name) if "eval_loss" in row] for name in ("routed", "routed_2x1"))
    assert [row["step"] for row in found] == [5, 10, 15, 20]
    assert [row["eval_tokens"] for row in found] == [row["eval_tokens"] for row in wanted]
    np.testing.assert_allclose([row["eval_loss"] for row in found], [row["eval_loss"] for row in wanted], atol=1e-4)
    ends = [json.loads((two / name / "eval.json").read_text())["total"] for name in ("routed", "routed_2x1")]
    assert ends[1] == pytest.approx(ends[0], abs=1e-4)
    files = [{file.name for file in (two / name / "checkpoint").iterdir()} for name in ("routed", "routed_2x1")]
    assert files[0] == files[1]
    assert "small_best.safetensors" in files[0]
