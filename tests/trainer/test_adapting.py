"""LoRA from the recipe to the answer: trained, interrupted and resumed, evaluated, merged, refused."""

from __future__ import annotations

import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from mindformers import cli
from mindformers.config import Recipe, dump
from mindformers.pet import merge
from mindformers.pet.adapter_file import read_adapter
from mindformers.tools.errors import InputError
from mindformers.trainer import runner
from mindformers.trainer.build import build_model_config, build_network
from mindformers.trainer.checkpoint import save_weights
from mindformers.trainer.exporting import export
from mindformers.trainer.training import Training
from tests.trainer.small_run import log_rows, small_recipe, write_data

PET = {"pet_type": "lora", "target_modules": ".*wq|.*wv|.*w1", "lora_rank": 2, "lora_dropout": 0.3}
STEPS, SAVED_EVERY, INTERRUPTED_AFTER = 8, 3, 7
PEAK_RATE = 0.02
DATA = {"train": "train", "eval": "test"}


class Interrupted(Exception):
    """Stands for whatever ends a run."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data, and two bases."""
    folder = tmp_path_factory.mktemp("place")
    write_data(folder)
    for name, seed in (("base", 1), ("other", 2)):
        recipe = small_recipe(folder, seed=seed)
        net = build_network(recipe, build_model_config(recipe), random=True)
        save_weights(net.get_parameters(), folder / f"{name}.safetensors")
    return folder


def recipe_in(folder: Path, place: Path, **overrides: Any) -> Recipe:
    settings = {
        "load_checkpoint": str(place / "base.safetensors"),
        "model__model_config__pet_config": PET,
        "lr_schedule__learning_rate": PEAK_RATE,
    }
    settings |= {f"{n}_dataset__data_loader__dataset_dir": str(place / f"{d}.mindrecord") for n, d in DATA.items()}
    return small_recipe(folder, **{**settings, **overrides})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, place: Path) -> Path:
    """The output of a run without interruption, evaluated at its end."""
    folder = tmp_path_factory.mktemp("whole")
    runner.train(recipe_in(folder, place, do_eval=True))
    return folder / "output"


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory, place: Path) -> Path:
    """The same run, ended after step 7 and resumed from the checkpoint of step 6."""
    folder = tmp_path_factory.mktemp("resumed")
    take = Training.take_step

    def take_until_the_end(self: Training, *given: object) -> None:
        take(self, *given)
        if self.state.done == INTERRUPTED_AFTER:
            raise Interrupted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "take_step", take_until_the_end)
        with pytest.raises(Interrupted):
            runner.train(recipe_in(folder, place))
    assert not (folder / "output" / "adapter").exists()
    runner.train(recipe_in(folder, place, adapter=str(folder / "output"), resume_training=True))
    return folder / "output"


def weights_in(folder: Path) -> dict[str, dict[str, np.ndarray]]:
    return {path.name: load_file(path) for path in sorted(folder.glob("*.safetensors"))}


def test_the_loss_falls_and_the_base_stays(whole: Path, place: Path) -> None:
    losses = [row["loss"] for row in log_rows(whole)]
    assert len(losses) == STEPS
    assert losses[-1] < losses[0] - 0.05
    config = read_adapter(whole / "adapter").config
    assert (config.recipe, config.base_model) == ("recipe.yaml", str(place / "base.safetensors"))
    assert config.ranks == {f"model.layers.0.{name}": 2 for name in ("attention.wq", "attention.wv", "feed_forward.w1")}


def test_checkpoints_hold_the_adapter_and_its_state_alone(whole: Path) -> None:
    trained = set(read_adapter(whole / "adapter").arrays)
    assert len(trained) == 2 * 3 + 2
    found = weights_in(whole / "checkpoint")
    assert len(found) == 2 * 3
    for name, arrays in found.items():
        expected = {f"adam_{m}.{n}" for n in trained for m in "mv"} if ".state." in name else trained
        assert set(arrays) == expected
    last = found["small_rank_0-2_4.safetensors"]
    assert all(np.array_equal(last[n], a) for n, a in read_adapter(whole / "adapter").arrays.items())


def test_a_resumed_run_is_the_same_bit_by_bit(whole: Path, resumed: Path) -> None:
    assert log_rows(resumed) == log_rows(whole)
    for part in ("checkpoint", "adapter"):
        ours, theirs = weights_in(resumed / part), weights_in(whole / part)
        assert ours.keys() == theirs.keys()
        for name, arrays in theirs.items():
            assert all(np.array_equal(ours[name][key], array) for key, array in arrays.items()), name
    ours, theirs = (run / "adapter" / "adapter_config.json" for run in (resumed, whole))
    assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize("adapter", ["adapter", "", "checkpoint/small_rank_0-2_4.safetensors"])
def test_evaluation_with_the_adapter_is_that_of_the_wrapped_network(
    whole: Path, place: Path, tmp_path: Path, adapter: str
) -> None:
    apart = json.loads((whole / "eval.json").read_text(encoding="utf-8"))
    found = runner.evaluate(recipe_in(tmp_path, place, adapter=str(whole / adapter), run_mode="eval"))
    assert found["total"]["tokens"] == apart["total"]["tokens"]
    assert found["total"]["loss"] == pytest.approx(apart["total"]["loss"], abs=1e-5)


def test_a_merged_file_is_what_the_adapter_is_in_memory(whole: Path, place: Path, tmp_path: Path) -> None:
    merged = tmp_path / "merged.safetensors"
    words = ["--load_checkpoint", str(place / "base.safetensors"), "--adapter", str(whole), "--output", str(merged)]
    assert merge.main(words) == 0
    net = runner._network(recipe_in(tmp_path, place, adapter=str(whole)), config_of(tmp_path, place))
    for parameter in net.get_parameters():
        np.testing.assert_array_equal(parameter.asnumpy(), load_file(merged)[parameter.name])
    assert net.decode_weights() is not None
    assert all(layer.feed_forward.native is not None for layer in net.model.layers)


def config_of(folder: Path, place: Path) -> Any:
    return build_model_config(recipe_in(folder, place))


def test_the_export_has_the_adapter_in_it(whole: Path, place: Path, tmp_path: Path) -> None:
    flags = Namespace(export_dir=str(tmp_path / "hf"), export_format="hf")
    export(recipe_in(tmp_path, place, adapter=str(whole)), flags)
    found = load_file(tmp_path / "hf" / "model.safetensors")
    net = runner._network(recipe_in(tmp_path, place, adapter=str(whole)), config_of(tmp_path, place))
    weights = {p.name: p.asnumpy() for p in net.get_parameters()}
    np.testing.assert_array_equal(
        found["model.layers.0.self_attn.q_proj.weight"], weights["model.layers.0.attention.wq.weight"]
    )
    np.testing.assert_array_equal(found["lm_head.weight"], weights["lm_head.weight"])


def test_training_goes_on_with_an_adapter(whole: Path, place: Path, tmp_path: Path) -> None:
    settings = {"adapter": str(whole), "model__model_config__pet_config": None, "runner_config__epochs": 1}
    runner.train(recipe_in(tmp_path, place, **settings))
    assert log_rows(tmp_path / "output")[0]["loss"] < log_rows(whole)[0]["loss"] - 0.05
    assert read_adapter(tmp_path / "output" / "adapter").config.pet_config.lora_rank == 2


def refusal(tmp_path: Path, recipe: Recipe, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line that the command ends with."""
    dump(recipe, tmp_path / "given.yaml")
    assert cli.main(["--config", str(tmp_path / "given.yaml"), "--run_mode", recipe.run_mode]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith(("INFO", "WARNING"))]
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize("mode", ["eval", "finetune"])
def test_a_foreign_adapter_is_refused(
    whole: Path, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], mode: str
) -> None:
    other = str(place / "other.safetensors")
    recipe = recipe_in(tmp_path, place, adapter=str(whole), load_checkpoint=other, run_mode=mode)
    line = refusal(tmp_path, recipe, capsys)
    assert "does not fit" in line
    assert "9 of 12 weights differ, lm_head.weight, model.layers.0.attention.wk.weight" in line
    assert "base.safetensors', recipe recipe.yaml" in line


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"load_checkpoint": ""}, "load_checkpoint: not given; expected the base model"),
        ({"resume_training": True}, "--adapter: not given; expected the checkpoints of the run to be resumed"),
        ({"load_checkpoint": "CHECKPOINT"}, "is a LoRA adapter; expected the weights of its base"),
        ({"adapter": "ADAPTER", "model__model_config__pet_config": PET | {"lora_rank": 3}}, "pet_config.lora_rank: 3"),
        ({"adapter": "ADAPTER", "resume_training": True}, ".state.safetensors' not found"),
        ({"model__model_config__pet_config": PET | {"target_modules": ".*wx"}}, "'.*wx' matches nothing"),
        (
            {"model__model_config__experts": {"num_experts": 8, "routing": "activation", "train_router": True}},
            "experts.train_router: True; expected False with LoRA",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused(
    whole: Path, place: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    model_file = whole / "adapter" / "adapter_model.safetensors"
    places = {"CHECKPOINT": str(whole / "checkpoint"), "ADAPTER": str(model_file)}
    changes = {
        key: str(places.get(value, value)) if isinstance(value, str) else value for key, value in changes.items()
    }
    with pytest.raises(InputError) as caught:
        runner.train(recipe_in(tmp_path, place, **changes))
    assert said in caught.value.line()
    assert not (tmp_path / "output" / "train_log.jsonl").exists()


def test_other_modes_ask_for_a_merged_checkpoint(tmp_path: Path, place: Path) -> None:
    with pytest.raises(InputError, match=r"adapter: given with --run_mode tune_routers; .* merge it first"):
        recipe_in(tmp_path, place, adapter="somewhere", run_mode="tune_routers")
