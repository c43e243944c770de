"""Training on several devices is training on one: the same losses, the same checkpoints, whatever is spread how."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from mindformers.trainer.checkpoint_files import find_checkpoint
from tests.parallel.runs import STEPS, arrays, losses, recipe_of, run_alone, run_together, state_bytes, write_data
from tests.trainer.small_run import log_rows

EVALUATED = {"do_eval": True, "eval_step_interval": 5}
LEARNED = {
    "model__model_config__tie_word_embeddings": True,
    "model__model_config__experts__routing": "learned",
    "model__model_config__experts__train_router": True,
    "runner_config__gradient_accumulation_steps": 2,
    "runner_config__epochs": 4,
}
IN_PARTS = {"callbacks__1__integrated_save": False}
CLOSE = 1e-3  # of an array's largest number: float32 sums in another order, over 20 steps


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the runs of one device."""
    folder = tmp_path_factory.mktemp("devices")
    write_data(folder)
    run_alone(recipe_of(folder, "routed", **EVALUATED))
    run_alone(recipe_of(folder, "learned", **LEARNED))
    return folder


@pytest.fixture(scope="module")
def four(folder: Path) -> Path:
    """With the runs of four devices, one of which goes on where one device was."""
    recipes = [
        recipe_of(folder, "routed_2x2", data=2, tensor=2, is_sharded=True, **IN_PARTS),
        recipe_of(folder, "back_2x2", data=2, tensor=2, is_sharded=True, **resumed_from(folder / "routed")),
    ]
    done = run_together(folder, 4, recipes)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def two(four: Path) -> Path:
    """With the runs of two devices, one of which goes on where four were; and one of one device that does."""
    recipes = [
        recipe_of(four, "routed_2x1", data=2, is_sharded=True, **EVALUATED),
        recipe_of(four, "learned_1x2", tensor=2, **LEARNED),
        recipe_of(four, "evaluated_1x2", tensor=2, run_mode="eval", load_checkpoint=str(four / "routed_2x2")),
        recipe_of(four, "resumed_1x2", tensor=2, **IN_PARTS, **resumed_from(four / "routed_2x2")),
    ]
    done = run_together(four, 2, recipes)
    assert done.returncode == 0, done.stdout + done.stderr
    run_alone(recipe_of(four, "resumed_1x1", **resumed_from(four / "routed_2x2")))
    return four


def resumed_from(output: Path) -> dict[str, object]:
    """From the checkpoint in the middle."""
    middle = output / "checkpoint" / f"small_rank_0-1_{STEPS // 2}.safetensors"
    return {"load_checkpoint": str(middle), "resume_training": True}


def assert_same_training(folder: Path, one: str, several: str, first: int = 0) -> None:
    """From step `first` on, up to the order of sums."""
    before, after = losses(folder / one)[first:], losses(folder / several)
    assert len(before) == len(after) == STEPS - first
    np.testing.assert_allclose(after, before, atol=1e-4)
    for of in ("weights", "state"):
        wanted, found = arrays(folder / one, of), arrays(folder / several, of)
        assert list(wanted) == list(found)
        for name, array in wanted.items():
            assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
            np.testing.assert_allclose(found[name], array, atol=CLOSE * np.abs(array).max(), err_msg=name)


@pytest.mark.parametrize("several", ["routed_2x2", "routed_2x1", "learned_1x2"])
def test_several_devices_train_as_one(two: Path, several: str) -> None:
    assert_same_training(two, several.partition("_")[0], several)


@pytest.mark.parametrize("resumed", ["back_2x2", "resumed_1x2", "resumed_1x1"])
def test_a_run_goes_on_on_any_number_of_devices(two: Path, resumed: str) -> None:
    assert_same_training(two, "routed", resumed, first=STEPS // 2)


def test_parts_hold_what_their_device_held(four: Path) -> None:
    folder, name = four / "routed_2x2" / "checkpoint", "small_rank_{}-2_10{}.safetensors"
    weights = [load_file(folder / name.format(rank, "")) for rank in (0, 1)]
    states = [load_file(folder / name.format(rank, ".state")) for rank in range(4)]
    assert not (folder / name.format(2, "")).exists()  # a copy of the first two
    wq, norm = "model.layers.0.attention.wq.weight", "model.norm_out.weight"
    assert [part[wq].shape for part in weights] == [(16, 32)] * 2
    assert [norm in part for part in weights] == [True, False]
    assert [state[f"adam_m.{wq}"].shape for state in states] == [(256,)] * 4
    assert [f"adam_m.{norm}" in state for state in states] == [True, False, True, False]


def test_a_checkpoint_without_one_of_its_parts_is_passed_over(four: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(four / "routed_2x2" / "checkpoint", tmp_path / "copy")
    (copy / "small_rank_3-2_10.state.safetensors").unlink()
    assert find_checkpoint(copy).name == "small_rank_0-2_10.safetensors"
    assert find_checkpoint(copy, for_training=True).name == "small_rank_0-1_10.safetensors"
    part = copy / "small_rank_1-2_10.safetensors"
    part.write_bytes(part.read_bytes()[:-1] + b"\x01")
    assert find_checkpoint(copy).name == "small_rank_0-1_10.safetensors"


def test_sharding_halves_the_optimizers_memory(two: Path) -> None:
    whole = sum(array.nbytes for array in arrays(two / "routed", "state").values())
    for rank in (0, 1):
        sharded, *_ = state_bytes(two, 2, rank)
        assert sharded == pytest.approx(whole / 2, rel=0.01)


def test_all_devices_evaluate_and_one_writes(two: Path) -> None:
    runs = "routed", "routed_2x1"
    wanted, found = ([row for row in log_rows(two / name) if "eval_loss" in row] for name in runs)
    assert [row["step"] for row in found] == [5, 10, 15, 20]
    for key in ("eval_tokens", "eval_accuracy", "eval_loss"):
        np.testing.assert_allclose([row[key] for row in found], [row[key] for row in wanted], atol=1e-4)
    files = [{file.name for file in (two / name / "checkpoint").iterdir()} for name in runs]
    assert files[0] == files[1]
    assert "small_best.safetensors" in files[0]


def test_a_checkpoint_of_four_is_evaluated_on_two(two: Path) -> None:
    wanted, found = (json.loads((two / name / "eval.json").read_text()) for name in ("routed", "evaluated_1x2"))
    assert found.keys() == wanted.keys()
    assert found["total"] == pytest.approx(wanted["total"], abs=1e-4)
