"""Training on several devices is training on one: the same losses, the same checkpoints, whatever is spread how.

Few launches do many runs each: starting processes takes longer than all that they do.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from mindformers.pet.adapter_file import read_adapter
from mindformers.trainer.checkpoint_files import find_checkpoint
from tests.parallel.runs import (
    STEPS,
    answering_recipe,
    arrays,
    losses,
    recipe_of,
    run_together,
    state_bytes,
    work,
    write_data,
)
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
EVERYWHERE = {"target_modules": ".*w[qkvo]|.*w[123]|lm_head", "lora_rank": 4}
CLOSE = 1e-3  # of an array's largest number: float32 sums in another order, over 20 steps


def lora(folder: Path, dropout: float) -> dict[str, object]:
    """An adapter of all layers and of the rows of new tokens, beside what one device trained."""
    base = str(folder / "routed" / "checkpoint")
    return {"load_checkpoint": base, "model__model_config__pet_config": EVERYWHERE | {"lora_dropout": dropout}}


def mixed(folder: Path) -> dict[str, object]:
    """LoRA on two sources; every device draws its own dropout, so there is none."""
    sources = [
        {"name": name, "weight": weight, "dataset_dir": str(folder / f"{name}.mindrecord")}
        for name, weight in (("train", 0.7), ("test", 0.3))
    ]
    loader = "train_dataset__data_loader__"
    return {**lora(folder, 0.0), f"{loader}dataset_dir": "", f"{loader}sources": sources}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tokenizer_file: Path) -> Path:
    """With the runs of one device."""
    folder = tmp_path_factory.mktemp("devices")
    write_data(folder)
    prompts = "".join(f"What is number {number}?{' Say it.' * (number % 3)}\n" for number in range(37))
    (folder / "prompts.txt").write_text(prompts, encoding="utf-8")
    work(recipe_of(folder, "routed", **EVALUATED))
    work(recipe_of(folder, "learned", **LEARNED))
    work(recipe_of(folder, "lora", **lora(folder, 0.3), do_eval=True))
    work(recipe_of(folder, "mixed", **mixed(folder)))
    work(answering_recipe(folder, "answers", tokenizer_file))
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
def two(four: Path, tokenizer_file: Path) -> Path:
    """With the runs of two devices, one of which goes on where four were; and one of one device that does."""
    again = resumed_from(four / "mixed_2x1")
    adapter = {"adapter": again["load_checkpoint"], "resume_training": True}
    recipes = [
        recipe_of(four, "routed_2x1", data=2, is_sharded=True, **EVALUATED),
        recipe_of(four, "learned_1x2", tensor=2, **LEARNED),
        recipe_of(four, "resumed_1x2", tensor=2, **IN_PARTS, **resumed_from(four / "routed_2x2")),
        recipe_of(four, "lora_1x2", tensor=2, **IN_PARTS, **lora(four, 0.3)),
        recipe_of(four, "evaluated_1x2", tensor=2, run_mode="eval", adapter=str(four / "lora_1x2"), **lora(four, 0.3)),
        recipe_of(four, "mixed_2x1", data=2, is_sharded=True, **mixed(four)),
        recipe_of(four, "mixedagain_2x1", data=2, is_sharded=True, **mixed(four), **adapter),
        answering_recipe(four, "answers_2x1", tokenizer_file, data=2),
    ]
    done = run_together(four, 2, recipes)
    assert done.returncode == 0, done.stdout + done.stderr
    work(recipe_of(four, "resumed_1x1", **resumed_from(four / "routed_2x2")))
    return four


def resumed_from(output: Path) -> dict[str, object]:
    """From the checkpoint in the middle."""
    middle = output / "checkpoint" / f"small_rank_0-1_{STEPS // 2}.safetensors"
    return {"load_checkpoint": str(middle), "resume_training": True}


def assert_same_training(folder: Path, one: str, several: str, first: int = 0) -> None:
    """From step `first` on, up to the order of sums."""
    before, after = losses(folder / one)[first:], losses(folder / several)
    assert len(before) == len(after) >= STEPS - first
    np.testing.assert_allclose(after, before, atol=1e-4)
    for of in ("weights", "state"):
        wanted, found = arrays(folder / one, of), arrays(folder / several, of)
        assert list(wanted) == list(found)
        for name, array in wanted.items():
            assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
            np.testing.assert_allclose(found[name], array, atol=CLOSE * np.abs(array).max(), err_msg=name)


@pytest.mark.parametrize("several", ["routed_2x2", "routed_2x1", "learned_1x2", "lora_1x2", "mixed_2x1"])
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


def test_an_adapter_is_written_whole_and_evaluated_on_two_devices(two: Path) -> None:
    wanted, found = (read_adapter(two / name / "adapter").arrays for name in ("lora", "lora_1x2"))
    in_parts = read_adapter(find_checkpoint(two / "lora_1x2")).arrays
    assert all(np.array_equal(found[name], in_parts[name]) for name in wanted)
    assert {name: array.shape for name, array in found.items()} == {name: a.shape for name, a in wanted.items()}
    rows = [json.loads((two / name / "eval.json").read_text(encoding="utf-8")) for name in ("lora", "evaluated_1x2")]
    assert rows[1]["total"] == pytest.approx(rows[0]["total"], abs=1e-4)


def test_a_mixture_goes_on_bit_by_bit_on_two_devices(two: Path) -> None:
    whole, again = two / "mixed_2x1", two / "mixedagain_2x1"
    assert log_rows(again) == log_rows(whole)[STEPS // 2 :]
    for of in ("weights", "state"):
        wanted, found = arrays(whole, of), arrays(again, of)
        assert wanted and all(np.array_equal(found[name], array) for name, array in wanted.items())


def test_two_devices_answer_in_the_order_of_the_prompts(two: Path) -> None:
    alone, together = ((two / name / "answers.txt").read_bytes() for name in ("answers", "answers_2x1"))
    assert together == alone
    assert len(set(alone.splitlines())) > 10
