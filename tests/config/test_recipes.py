"""Every shipped recipe, and a recipe of the published SciMind."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from mindformers import GLMConfig
from mindformers.config import CheckpointMonitor, LossMonitor, dump, effects_on, is_published_fork, load_recipe
from mindformers.config.schema.parallel import ParallelConfig
from mindformers.config.schema.recipe import Recipe

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "configs").glob("llama2/*.yaml"))
GLM = sorted((ROOT / "configs").glob("glm/*.yaml"))
GIVEN = {"vocab_size": 130528}
FORK = ROOT / "tests" / "data" / "fork_finetune_7b.yaml"

_MODEL_KEYS = (
    "type batch_size seq_length hidden_size num_layers num_heads n_kv_heads vocab_size multiple_of ffn_dim_multiplier "
    "intermediate_size rms_norm_eps bos_token_id eos_token_id pad_token_id ignore_token_id compute_dtype "
    "layernorm_compute_type softmax_compute_type rotary_dtype param_init_type use_past pretrain_seqlen extend_method "
    "scaling_factor theta tie_word_embeddings use_flash_attention offset checkpoint_name_or_path max_decode_length "
    "top_k top_p do_sample repetition_penalty experts pet_config"
)
MODEL_KEYS = set(_MODEL_KEYS.split())
EXPERTS = {
    "num_experts": 16,
    "routing": "activation",
    "top_k": {"text": 14, "molecule": 2, "protein": 2, "nucleotide": 2},
}
_INERT_IN_FORK = """
src_strategy_path_or_dir auto_trans_ckpt only_save_strategy transform_process_num trainer.type trainer.model_name
runner_config.sink_mode runner_config.sink_size runner_config.sink_per_epoch
train_dataset.python_multiprocessing train_dataset.repeat train_dataset.numa_enable train_dataset.prefetch_size
train_dataset_task eval_dataset.python_multiprocessing eval_dataset.repeat
eval_dataset.numa_enable eval_dataset.prefetch_size eval_dataset_task parallel.enable_alltoall parallel.full_batch
parallel.search_mode parallel.strategy_ckpt_save_file parallel.strategy_ckpt_config parallel_config.vocab_emb_dp
parallel_config.gradient_aggregation_group moe_config callbacks.1.async_save
callbacks.2.keep_default_action callbacks.3 eval_callbacks
context.enable_graph_kernel context.graph_kernel_flags context.max_call_depth
context.save_graphs context.save_graphs_path metric runner_wrapper.type auto_tune filepath_prefix autotune_per_step
init_start_profile profile_communication profile_memory layer_scale
layer_decay lr_scale lr_scale_factor remote_save_url
"""
STAGES = ("pretrain", "finetune")
INERT_IN_FORK = _INERT_IN_FORK.split()


def named(log: list[tuple[str, str]]) -> list[str]:
    lines = [re.fullmatch(r"'([\w.]+)' has no effect here(; use '.*')?", text) for _, text in log]
    return [found[1] for found in lines if found]


def test_there_are_eleven_recipes() -> None:
    names = {path.name for path in SHIPPED}
    assert names >= {
        "run_scimind_tiny.yaml",
        "run_llama2_7b_pretrain.yaml",
        "run_llama2_7b_finetune.yaml",
        "run_llama2_13b_finetune.yaml",
        "run_scimind_tiny_lora.yaml",
        "run_llama2_7b_lora.yaml",
        "predict_llama2_7b.yaml",
        "run_chemdfm_13b_pretrain.yaml",
        "run_chemdfm_13b_finetune.yaml",
        "run_chemdfm_tiny_pretrain.yaml",
        "run_chemdfm_tiny_finetune.yaml",
    }


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_recipes_load_without_a_warning(path: Path, log: list[tuple[str, str]]) -> None:
    recipe = load_recipe(path)
    assert log == []
    assert set(recipe.model.model_config) <= MODEL_KEYS
    assert recipe.model.model_config.get("experts") == (None if "chemdfm" in path.stem else EXPERTS)
    assert recipe.processor.tokenizer.vocab_file


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_key_of_a_shipped_recipe_for_many_devices_means_something_there(path: Path) -> None:
    recipe, default = load_recipe(path), ParallelConfig()
    if recipe.use_parallel:
        assert effects_on(recipe, "Ascend", 8) == []
        assert recipe.parallel_config.data_parallel * recipe.parallel_config.model_parallel == 8
    else:
        assert recipe.parallel_config == default


@pytest.mark.parametrize("path", [*SHIPPED, *GLM], ids=lambda path: path.stem)
def test_shipped_recipes_are_portable(path: Path) -> None:
    values = re.findall(r":\s*['\"]?(/\S*|[A-Za-z]:\\\S*)", path.read_text(encoding="utf-8"))
    assert values == []


@pytest.mark.parametrize("path", [*SHIPPED, *GLM], ids=lambda path: path.stem)
def test_shipped_recipes_survive_saving(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path)
    dump(recipe, tmp_path / "config.yaml")
    assert load_recipe(tmp_path / "config.yaml") == recipe


def test_there_are_five_recipes_of_chatglm() -> None:
    names = {"run_glm_6b_lora", "run_glm_6b_finetune", "predict_glm_6b", "run_glm_tiny_lora", "run_glm_tiny_base"}
    assert {path.stem for path in GLM} == names


@pytest.mark.parametrize("path", GLM, ids=lambda path: path.stem)
def test_recipes_of_chatglm_load_without_a_warning(path: Path, log: list[tuple[str, str]]) -> None:
    recipe = load_recipe(path)
    assert log == []
    assert "vocab_size" not in recipe.model.model_config
    config = GLMConfig.from_mapping({k: v for k, v in recipe.model.model_config.items() if k != "pet_config"} | GIVEN)
    limits = (recipe.max_source_seq_len or 0) + (recipe.max_target_seq_len or 0)
    assert limits <= config.seq_length + 1
    if "6b" in path.stem:
        assert config.count_parameters() == 6_173_286_400
    if recipe.save_freq:
        checkpoint = recipe.callback(CheckpointMonitor)
        assert checkpoint.save_checkpoint_steps == recipe.save_freq
    if recipe.logging_steps:
        assert recipe.callback(LossMonitor).per_print_times == recipe.logging_steps
    if recipe.do_eval:
        assert recipe.eval_step_interval == recipe.save_freq


@pytest.mark.parametrize("name", ["run_scimind_tiny", "run_scimind_tiny_lora"])
def test_the_tiny_recipes_run_on_cpu(name: str) -> None:
    recipe = load_recipe(ROOT / f"configs/llama2/{name}.yaml")
    assert recipe.context.device_target == "CPU"
    assert effects_on(recipe, "CPU", 1) == []
    assert "vocab_size" not in recipe.model.model_config
    assert recipe.model.model_config["intermediate_size"] % recipe.model.model_config["experts"]["num_experts"] == 0


@pytest.mark.parametrize("name", ["run_llama2_7b_finetune", "run_llama2_13b_finetune"])
def test_the_published_settings(name: str) -> None:
    recipe = load_recipe(ROOT / f"configs/llama2/{name}.yaml")
    network, parallel = recipe.model.model_config, recipe.parallel_config
    assert (network["seq_length"], network["compute_dtype"], network["rms_norm_eps"]) == (2048, "float16", 1e-5)
    assert network["vocab_size"] == 32000 + 66 + 5 + 27
    assert (recipe.learning_rate, recipe.lr_schedule.warmup_ratio, recipe.runner_config.epochs) == (5e-5, 0.03, 8)
    assert recipe.runner_wrapper.loss_scale.loss_scale_value == 8192
    assert recipe.runner_wrapper.use_clip_grad
    assert parallel.data_parallel * parallel.model_parallel * parallel.pipeline_stage == 8


@pytest.mark.parametrize("size", ["13b", "tiny"])
def test_the_two_stages_of_chemdfm(size: str) -> None:
    first, second = (load_recipe(ROOT / f"configs/llama2/run_chemdfm_{size}_{stage}.yaml") for stage in STAGES)
    assert first.model.model_config == second.model.model_config
    assert (first.run_mode, second.run_mode) == ("train", "finetune")
    assert first.processor.template == second.processor.template == "chemdfm"
    weights = [(source.name, source.weight) for source in second.train_dataset.data_loader.sources]
    assert weights == [("chemistry", 1), ("general", 2)]
    assert sum(source.weight for source in first.train_dataset.data_loader.sources) == pytest.approx(1)
    assert first.train_dataset.eod_reset and second.train_dataset.eod_reset


def test_chemdfm_has_the_shape_of_llama_13b() -> None:
    from mindformers.models.llama.llama_config import LlamaConfig

    recipe = load_recipe(ROOT / "configs/llama2/run_chemdfm_13b_pretrain.yaml")
    network = LlamaConfig.from_mapping(recipe.model.model_config)
    assert (network.hidden_size, network.num_layers, network.num_heads, network.ffn_size) == (5120, 40, 40, 13824)
    assert not network.is_routed


@pytest.fixture
def fork(log: list[tuple[str, str]]) -> Recipe:
    return load_recipe(FORK)


def test_a_fork_recipe_loads(fork: Recipe) -> None:
    assert is_published_fork(fork)
    assert (fork.runner_config.epochs, fork.learning_rate, fork.train_batch_size) == (8, 5e-5, 2)
    checkpoint = fork.callback(CheckpointMonitor)
    assert (checkpoint.type, checkpoint.prefix, checkpoint.save_checkpoint_steps) == (
        "CheckpointMointor",
        "scimind",
        2000,
    )
    assert fork.parallel_config.data_parallel == 8
    assert fork.parallel_config.optimizer_shard is True
    assert fork.recompute_config.recompute is True
    assert fork.context.max_device_memory == "31GB"


def test_a_fork_recipe_gets_its_experts(fork: Recipe, log: list[tuple[str, str]]) -> None:
    assert fork.model.model_config["experts"] == EXPERTS
    lines = [text for level, text in log if level == "INFO"]
    assert len(lines) == 1
    assert "16 experts, 14 for text, 2 for molecules" in lines[0]


def test_each_inert_key_of_a_fork_recipe_is_named_once(fork: Recipe, log: list[tuple[str, str]]) -> None:
    assert sorted(named(log)) == sorted(INERT_IN_FORK)


def test_a_second_load_is_a_new_run(fork: Recipe, log: list[tuple[str, str]]) -> None:
    load_recipe(FORK)
    assert len(named(log)) == 2 * len(INERT_IN_FORK)


def test_what_one_cpu_does_not_use_of_a_fork_recipe(fork: Recipe) -> None:
    assert effects_on(fork, "CPU", 1) == [
        "use_parallel",
        "parallel.parallel_mode",
        "parallel.enable_parallel_optimizer",
        "parallel_config.data_parallel",
        "parallel_config.optimizer_shard",
        "recompute_config.recompute",
        "recompute_config.mp_comm_recompute",
        "recompute_config.recompute_slice_activation",
        "context.max_device_memory",
        "callbacks.1.integrated_save",
    ]


def test_an_override_changes_one_of_the_forks_experts() -> None:
    recipe = load_recipe(FORK, {"model.model_config.experts.top_k.text": "8"})
    top_k = {"text": 8, "molecule": 2, "protein": 2, "nucleotide": 2}
    assert recipe.model.model_config["experts"] == EXPERTS | {"top_k": top_k}


def test_no_experts_can_be_asked_for() -> None:
    assert load_recipe(FORK, {"model.model_config.experts": "null"}).model.model_config["experts"] is None


def test_a_forks_own_experts_stay(tmp_path: Path) -> None:
    content = yaml.safe_load(FORK.read_text(encoding="utf-8"))
    content["model"]["model_config"]["experts"] = {"num_experts": 8}
    (tmp_path / "fork.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    assert load_recipe(tmp_path / "fork.yaml").model.model_config["experts"] == {"num_experts": 8}


def test_a_saved_fork_recipe_is_equal(fork: Recipe, tmp_path: Path) -> None:
    dump(fork, tmp_path / "config.yaml")
    assert load_recipe(tmp_path / "config.yaml") == fork


def test_the_network_of_a_fork_recipe_knows_its_molecules(fork: Recipe) -> None:
    from mindformers.models.llama.llama_config import LlamaConfig

    network = LlamaConfig.from_mapping(fork.model.model_config)
    per_token = network.experts_per_token()
    assert (network.do_sample, len(per_token)) == (False, 32066)
    assert (per_token[31999], per_token[32000], per_token[32065]) == (14, 2, 2)
