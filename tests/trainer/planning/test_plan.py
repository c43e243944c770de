"""Plans: exact counts, splits that fit, and what is said where none does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mindformers.config import load_recipe
from mindformers.config.schema.recipe import Recipe
from mindformers.tools.errors import InputError
from mindformers.trainer.monitor.flops import flops_of
from mindformers.trainer.planning.memory import GB, Layout, training_memory
from mindformers.trainer.planning.network import network_of
from mindformers.trainer.planning.plan import make_plan
from mindformers.trainer.planning.report import text_of
from mindformers.trainer.planning.speed import count_records
from tests.models.tiny import tiny_net
from tests.trainer.small_run import MODEL, NUM_ROWS, NUM_TEXT_TOKENS, small_recipe, write_data

ROOT = Path(__file__).resolve().parents[3]
CONFIGS = ROOT / "configs"
SHIPPED = sorted(CONFIGS.glob("*/*.yaml"))
WORDS, GLM_WORDS = 32098, 130528  # some recipes leave the vocabulary to their tokenizer
SEVEN_B = 6_738_415_616 + 98 * 4096 * 2  # LLaMA-2-7B as published, and embedding and head of the new tokens


def shipped(name: str, **overrides: object) -> Recipe:
    [path] = CONFIGS.glob(f"*/{name}.yaml")
    words = GLM_WORDS if path.parent.name == "glm" else WORDS
    return load_recipe(path, {"model.model_config.vocab_size": words, **overrides})


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_recipe_can_be_planned(path: Path) -> None:
    plan = make_plan(shipped(path.stem))
    text, content = text_of(plan), json.loads(json.dumps(plan.to_dict()))
    assert f"{plan.network.num_parameters:,} parameters" in text
    assert content["memory"]["kept"]["peak"] >= content["memory"]["recompute"]["peak"] > 0
    assert plan.speed.seconds_per_step > 0


def test_7b_has_its_parameters_and_fits_on_eight_devices_of_32_gb() -> None:
    plan = make_plan(shipped("run_llama2_7b_finetune"), 8, 32 * GB)
    assert plan.network.num_parameters == plan.network.num_trained == SEVEN_B
    assert plan.chosen.memory.peak <= 32 * GB
    assert plan.chosen.layout.num_devices == 8
    assert plan.chosen.layout.shards_optimizer
    assert "fits on 8 x 32.00 GB, best split: data 4 x tensor 2" in text_of(plan)


def test_13b_fits_on_eight_devices_of_64_gb() -> None:
    plan = make_plan(shipped("run_llama2_13b_finetune"), 8, 64 * GB)
    assert plan.chosen.memory.peak <= 64 * GB
    assert plan.chosen == plan.own


def test_an_adapter_trains_less_than_a_hundredth_of_7b_and_fits_on_one_device() -> None:
    plan = make_plan(shipped("run_llama2_7b_lora"))
    assert plan.network.num_parameters == SEVEN_B
    assert plan.network.num_trained == 32 * 2 * 8 * (4096 + 4096) + 2 * 98 * 4096  # A and B of wq, wv; the new rows
    assert plan.network.num_trained < 0.01 * SEVEN_B
    assert plan.chosen.fits(64 * GB)


def test_an_adapter_of_chatglm_6b_is_small_and_fits_on_one_device() -> None:
    plan = make_plan(shipped("run_glm_6b_lora"), limit=64 * GB)
    assert plan.network.num_parameters == 6_173_286_400
    assert plan.network.num_trained == 3_670_016
    assert plan.chosen == plan.own
    assert [candidate.layout.tensor for candidate in make_plan(shipped("run_glm_6b_lora"), 2).found] == [1] * 4


def test_an_adapter_is_cut_with_its_network() -> None:
    lora = "model.model_config.pet_config.target_modules"
    network = network_of(shipped("run_llama2_7b_lora", **{lora: ".*wq|.*wo"}))
    whole, half = (sum(weight.size_on(parts) for weight in network.adapter.values()) for parts in (1, 2))
    rows = 2 * 98 * 4096
    assert whole - half == (whole - rows) // 4  # B of wq and A of wo, of the four matrices of a layer
    assert network.obstacle(2) == ""


def test_what_cannot_fit_is_said_with_the_nearest_that_does() -> None:
    plan = make_plan(shipped("run_llama2_13b_finetune"), 1, 64 * GB)
    assert plan.chosen is None
    assert plan.close.memory.peak <= 64 * GB
    assert plan.close.layout.num_devices == 4
    text = text_of(plan)
    assert "does NOT fit on 1 x 64.00 GB" in text
    assert "nearest that fits: 4 devices" in text
    hopeless = make_plan(shipped("run_llama2_13b_finetune"), 1, GB)
    assert hopeless.close is None
    assert "nothing near would fit" in text_of(hopeless)


def test_smaller_micro_batches_are_tried_before_more_devices() -> None:
    plan = make_plan(shipped("run_llama2_7b_lora"), 1, 24 * GB)
    assert plan.chosen is None
    assert (plan.close.layout.rows, plan.close.layout.num_devices) == (2, 1)


def test_the_terms_of_a_step_by_hand(tmp_path: Path) -> None:
    network = network_of(small_recipe(tmp_path))
    count = network.num_trained
    assert count == sum(weight.size for weight in tiny_like().trainable_params())

    def memory(**changes: object):
        return training_memory(network, Layout(rows=4, **changes), "CPU")

    one = memory()
    assert (one.weights, one.gradients, one.optimizer, one.held_gradients) == (4 * count, 4 * count, 8 * count, 0)
    assert memory(micro_batches=2).held_gradients == 4 * count
    assert memory(data=2, shards_optimizer=True).optimizer == 4 * count
    assert memory(data=2).optimizer == 8 * count
    assert memory(recompute=True).peak == one.peak


def tiny_like():
    kept = {name: value for name, value in MODEL.items() if name != "type"}
    return tiny_net(**{"seq_length": 12, **kept, "base_vocab_size": NUM_TEXT_TOKENS})


def test_operations_are_those_that_training_reports(tmp_path: Path) -> None:
    assert network_of(small_recipe(tmp_path)).flops_per_token() == flops_of(tiny_like()).of(1, 12)


def test_the_length_of_a_run_follows_from_the_index_of_its_data(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path)
    assert count_records(recipe) is None
    assert "length of the run is not known" in text_of(make_plan(recipe))
    write_data(tmp_path)
    assert count_records(recipe) == NUM_ROWS
    assert make_plan(recipe).speed.steps == 2 * (NUM_ROWS // 4)
    short = small_recipe(tmp_path, runner_config__num_samples=9)
    assert make_plan(short).speed.steps == 2 * (9 // 4)


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        ({"parallel_config.pipeline_stage": 2, "parallel_config.micro_batch_num": 2}, "parallel_config.pipeline_stage"),
        ({"parallel_config.model_parallel": 7}, "parallel_config.model_parallel"),
    ],
)
def test_a_split_that_is_not_made_is_refused(overrides: dict[str, object], key: str) -> None:
    with pytest.raises(InputError) as refused:
        make_plan(shipped("run_llama2_7b_finetune", **overrides))
    assert refused.value.what == key


def test_a_vocabulary_that_nothing_tells_of_is_asked_for() -> None:
    with pytest.raises(InputError, match="vocab_size N"):
        make_plan(load_recipe(CONFIGS / "llama2" / "run_scimind_tiny.yaml"))


def test_the_command_loads_no_mindspore(tmp_path: Path) -> None:
    code = (
        "import sys; from mindformers.cli import main; status = main(sys.argv[1:]);"
        "sys.exit(3 if 'mindspore' in sys.modules else status)"
    )
    words = [
        "--config",
        str(CONFIGS / "llama2" / "run_llama2_7b_finetune.yaml"),
        "--run_mode",
        "plan",
        "--device_num",
        "8",
    ]
    words += ["--device_memory", "32GB", "--output_dir", str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    assert content["fits"] is True
    assert content["parameters"] == SEVEN_B
    assert "per device" in done.stdout
