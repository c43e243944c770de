"""Whole recipes: overrides, checks, saving."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mindformers.config import CheckpointMonitor, LossMonitor, Recipe, dump, effects_on, load_recipe, to_dict
from mindformers.tools.errors import InputError

Write = Callable[..., Path]


def test_a_small_recipe_has_defaults_for_the_rest(recipe_file: Write, log: list[tuple[str, str]]) -> None:
    recipe = load_recipe(recipe_file())
    assert recipe.runner_config.epochs == 1
    assert recipe.model.model_config == {"type": "LlamaConfig", "hidden_size": 8, "num_layers": 2}
    assert recipe.callback(CheckpointMonitor).prefix == "small"
    assert recipe.callback(LossMonitor).per_print_times == 1
    assert (recipe.train_dataset.drop_remainder, recipe.eval_dataset.drop_remainder) == (True, False)
    assert (recipe.train_dataset.data_loader.shuffle, recipe.eval_dataset.data_loader.shuffle) == (True, False)
    assert log == []


def test_absent_callbacks_are_none() -> None:
    assert Recipe().callback(CheckpointMonitor) is None


def test_overrides_reach_sections_lists_and_the_model(recipe_file: Write) -> None:
    pairs = [
        ("runner_config.epochs", "3"),
        ("model.model_config.num_layers", "5"),
        ("model.model_config.experts.top_k.text", "8"),
        ("callbacks.1.save_checkpoint_steps", "7"),
        ("lr_schedule.learning_rate", "1e-5"),
        ("train_dataset.input_columns", "[input_ids]"),
        ("use_parallel", "False"),
        ("runner_config.epochs", "4"),
    ]
    recipe = load_recipe(recipe_file(), pairs)
    assert recipe.runner_config.epochs == 4
    assert recipe.model.model_config["num_layers"] == 5
    assert recipe.model.model_config["experts"] == {"top_k": {"text": 8}}
    assert recipe.callbacks[1].save_checkpoint_steps == 7
    assert recipe.learning_rate == 1e-5
    assert recipe.train_dataset.input_columns == ["input_ids"]
    assert recipe.use_parallel is False


def test_overrides_may_be_a_mapping_of_plain_values(recipe_file: Write) -> None:
    recipe = load_recipe(recipe_file(), {"seed": 3, "train_dataset.data_loader.dataset_files": ["a", "b"]})
    assert recipe.seed == 3
    assert recipe.train_dataset.data_loader.dataset_files == ["a", "b"]


def test_an_override_changes_one_side_of_an_anchor(recipe_file: Write) -> None:
    path = recipe_file("train_dataset: &d {num_parallel_workers: 2}\neval_dataset: *d\nmodel: {model_config: {a: 1}}\n")
    recipe = load_recipe(path, {"train_dataset.num_parallel_workers": 4})
    assert (recipe.train_dataset.num_parallel_workers, recipe.eval_dataset.num_parallel_workers) == (4, 2)


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("runner_config.epoch", "3", "runner_config.epoch: unknown key; did you mean 'runner_config.epochs'?"),
        ("epochs", "3", "epochs: unknown key; did you mean 'runner_config.epochs'?"),
        ("callbacks.2.prefix", "x", "callbacks.2.prefix: '2' is no item of 'callbacks'; expected an index below 2"),
        ("callbacks.last.prefix", "x", "'last' is no item of 'callbacks'"),
        ("callbacks.1.prefx", "x", "callbacks.1.prefx: unknown key; did you mean 'callbacks.1.prefix'?"),
        ("callbacks.0.type", "MFLossMonitr", "callbacks.0.type: unknown name 'MFLossMonitr'"),
        ("model.model_config.num_layers.x", "1", "'model.model_config.num_layers' is a plain value (2)"),
        ("runner_config..epochs", "3", "is not a dotted key"),
        ("", "3", "is not a dotted key"),
        ("runner_config.epochs", "many", "runner_config.epochs: got 'many' (str); expected a whole number"),
        ("runner_config.epochs", "0", "runner_config.epochs: got 0; expected 1 or more"),
        ("runner_config.batch_size", "0", "runner_config.batch_size: got 0"),
        ("run_mode", "trian", "run_mode: unknown name 'trian'"),
        ("optimizer.beta2", "1", "optimizer.beta2: got 1.0; expected at least 0 and below 1"),
        ("optimizer.eps", "0", "optimizer.eps: got 0.0; expected a number above 0"),
        ("lr_schedule.warmup_ratio", "3", "lr_schedule.warmup_ratio: got 3.0"),
        ("lr_schedule.total_steps", "0", "lr_schedule.total_steps: got 0; expected 1 or more, or -1"),
        ("lr_schedule.lr_end", "1", "lr_schedule.lr_end: got 1.0; expected at most the peak 0.0001"),
        ("runner_wrapper.scale_sense", "0", "runner_wrapper.scale_sense.loss_scale_value: got 0.0"),
        ("runner_wrapper.scale_sense", "{scale_factor: 1}", "runner_wrapper.scale_sense.scale_factor: got 1.0"),
        ("callbacks.1.save_checkpoint_steps", "0", "callbacks.1.save_checkpoint_steps: got 0"),
        ("callbacks.1.prefix", "a/b", "callbacks.1.prefix: got 'a/b'"),
        ("callbacks.0.per_print_times", "0", "callbacks.0.per_print_times: got 0"),
        ("train_dataset.data_loader.type", "ADGenDataLoader", "train_dataset.data_loader.type: got 'ADGenDataLoader'"),
        ("train_dataset.data_loader", "{dataset_dir: a, dataset_files: b}", "dataset_files: given beside dataset_dir"),
        ("eval_dataset.input_columns", "[]", "eval_dataset.input_columns: is empty"),
        ("parallel_config.data_parallel", "0", "parallel_config.data_parallel: got 0"),
        ("parallel_config.pipeline_stage", "4", "parallel_config.micro_batch_num: got 1; expected at least"),
        ("context.device_target", "Ascent", "did you mean 'Ascend'?"),
        ("context.mode", "2", "context.mode: unknown name '2'; expected one of 0, 1"),
        ("model.model_config", "{}", "model.model_config: is missing"),
    ],
)
def test_bad_values_are_refused_by_name(recipe_file: Write, key: str, value: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        load_recipe(recipe_file(), [(key, value)])
    assert expected in str(caught.value)


def test_other_data_may_still_predict(recipe_file: Write) -> None:
    overrides = {"train_dataset.data_loader.type": "ADGenDataLoader", "run_mode": "predict"}
    assert load_recipe(recipe_file(), overrides).train_dataset.data_loader.type == "ADGenDataLoader"


def test_no_warning_precedes_an_error(recipe_file: Write, log: list[tuple[str, str]]) -> None:
    with pytest.raises(InputError):
        load_recipe(recipe_file(), {"profile": "True", "seed": "-1"})
    assert log == []


@pytest.mark.parametrize(
    ("overrides", "train", "evaluation"),
    [
        ({}, 1, 1),
        ({"train_dataset.batch_size": 4, "eval_dataset.batch_size": 2}, 4, 2),
        ({"train_dataset.batch_size": 4, "runner_config.batch_size": 8}, 8, 8),
    ],
)
def test_the_batch_size_of_the_runner_wins(
    recipe_file: Write, overrides: dict[str, Any], train: int, evaluation: int
) -> None:
    recipe = load_recipe(recipe_file(), overrides)
    assert (recipe.train_batch_size, recipe.eval_batch_size) == (train, evaluation)


def test_overruled_values_are_named(recipe_file: Write, log: list[tuple[str, str]]) -> None:
    overrides = {
        "train_dataset.batch_size": 4,
        "runner_config.batch_size": 8,
        "optimizer.learning_rate": 1e-3,
        "lr_schedule.learning_rate": 1e-3,
        "lr_schedule.warmup_steps": 10,
        "lr_schedule.warmup_ratio": 0.03,
    }
    load_recipe(recipe_file(), overrides)
    assert log == [
        ("WARNING", "'train_dataset.batch_size' (4) is overruled by 'runner_config.batch_size' (8)"),
        ("WARNING", "'lr_schedule.warmup_steps' (10) is overruled by 'lr_schedule.warmup_ratio' (0.03)"),
    ]


def test_the_optimizer_gives_the_rate_where_the_schedule_does_not(recipe_file: Write) -> None:
    assert load_recipe(recipe_file(), {"optimizer.learning_rate": 2e-4}).learning_rate == 2e-4


def test_a_saved_recipe_is_equal_and_names_no_untouched_inert_key(recipe_file: Write, tmp_path: Path) -> None:
    overrides = {
        "callbacks.1.prefix": "'1e5'",
        "output_dir": "'null'",
        "runner_wrapper.scale_sense": {"loss_scale_value": 8192},
        "runner_config.image_size": [2, 3],
        "train_dataset.numa_enable": False,
        "lr_schedule.learning_rate": 1e-5,
        "model.model_config.text": "Grüße: 'x'\n",
    }
    recipe = load_recipe(recipe_file(), overrides)
    copy = tmp_path / "deep" / "config.yaml"
    dump(recipe, copy)
    assert load_recipe(copy) == recipe
    text = copy.read_text(encoding="utf-8")
    assert "numa_enable" not in text
    assert "image_size" in text
    assert [file.name for file in copy.parent.iterdir()] == ["config.yaml"]


def test_to_dict_is_plain() -> None:
    plain = to_dict(Recipe())
    assert plain["runner_config"] == {"epochs": 1, "gradient_accumulation_steps": 1}
    assert plain["parallel"]["parallel_optimizer_config"]["parallel_optimizer_threshold"] == 64
    assert "metric" not in plain


def test_effects_on_a_single_cpu_process(recipe_file: Write) -> None:
    overrides = {
        "use_parallel": True,
        "parallel.enable_parallel_optimizer": True,
        "parallel.dataset_strategy": "full_batch",
        "parallel.full_batch": True,
        "parallel_config.data_parallel": 8,
        "parallel_config.model_parallel": 1,
        "recompute_config.recompute": True,
        "context.max_device_memory": "31GB",
    }
    recipe = load_recipe(recipe_file(), overrides)
    other_way = ["parallel.dataset_strategy"]
    spreading = ["use_parallel", "parallel.enable_parallel_optimizer", *other_way, "parallel_config.data_parallel"]
    memory = ["recompute_config.recompute", "context.max_device_memory"]
    assert effects_on(recipe, "CPU", 1) == spreading + memory
    assert effects_on(recipe, "CPU", 2) == other_way + memory
    assert effects_on(recipe, "Ascend", 1) == spreading
    assert effects_on(recipe, "Ascend", 8) == other_way
    assert effects_on(Recipe(), "CPU", 1) == []
