"""The block of a recipe, and how much it trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindformers.config import load_recipe
from mindformers.models.llama.names import weight_shapes
from mindformers.pet.lora_config import PET_CONFIG, LoraConfig
from mindformers.tools.errors import InputError
from mindformers.trainer.adapting import pet_config
from mindformers.trainer.build import build_model_config
from tests.models.tiny import tiny_config

CONFIGS = Path(__file__).parents[2] / "configs"
# What a recipe of MindFormers 0.8 says.
PUBLISHED = {
    "pet_type": "lora",
    "lora_rank": 16,
    "lora_alpha": 16,
    "lora_dropout": 0.05,
    "target_modules": ".*wq|.*wv",
}


def test_a_block_of_mindformers_is_read() -> None:
    found = LoraConfig.from_mapping(PUBLISHED)
    assert (found.lora_rank, found.lora_alpha, found.lora_dropout) == (16, 16.0, 0.05)
    assert found.train_new_tokens


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"lora_rnak": 8}, f"{PET_CONFIG}.lora_rnak: unknown key; did you mean '{PET_CONFIG}.lora_rank'?"),
        ({"pet_type": "ptuning2"}, f"{PET_CONFIG}.pet_type: unknown name 'ptuning2'; expected one of lora"),
        ({"target_modules": None}, f"{PET_CONFIG}.target_modules"),
        ({"lora_rank": 0}, f"{PET_CONFIG}.lora_rank: got 0; expected 1 or more"),
        ({"lora_alpha": 0}, f"{PET_CONFIG}.lora_alpha: got 0.0; expected a number above 0"),
        ({"lora_dropout": 1.0}, f"{PET_CONFIG}.lora_dropout: got 1.0; expected at least 0, below 1"),
    ],
)
def test_what_cannot_be_used_is_refused(changes: dict[str, object], line: str) -> None:
    with pytest.raises(InputError) as caught:
        LoraConfig.from_mapping(PUBLISHED | changes)
    assert caught.value.line().startswith(line)


def shapes_of(**changes: object) -> dict[str, tuple[int, ...]]:
    config = tiny_config()
    settings = LoraConfig.from_mapping({"target_modules": ".*wq", "lora_rank": 4, **changes})
    return settings.weight_shapes(weight_shapes(config), config.vocab_size, config.first_modality_id)


def test_what_is_trained_follows_from_the_shapes_alone() -> None:
    layer = {f"model.layers.{i}.attention.wq.lora_{part}" for i in (0, 1) for part in "ab"}
    tables = {"model.tok_embeddings.embedding_weight.new_rows", "lm_head.weight.new_rows"}
    found = shapes_of()
    assert set(found) == layer | tables
    assert {found[name] for name in tables} == {(98, 32)}
    assert set(shapes_of(train_new_tokens=False)) == layer


def test_layers_can_be_left_out() -> None:
    found = shapes_of(exclude_layers=r"model\.layers\.0\..*", train_new_tokens=False)
    assert set(found) == {"model.layers.1.attention.wq.lora_a", "model.layers.1.attention.wq.lora_b"}
    with pytest.raises(InputError, match="at least one layer to be left"):
        shapes_of(exclude_layers=".*")


def test_a_rank_above_the_layers_own_is_refused() -> None:
    with pytest.raises(InputError, match="lora_rank: got 33; expected at most 32"):
        shapes_of(lora_rank=33)


def test_at_most_a_hundredth_is_trained_at_7b() -> None:
    recipe = load_recipe(CONFIGS / "llama2/run_llama2_7b_lora.yaml")
    config = build_model_config(recipe)
    shapes = pet_config(recipe).weight_shapes(weight_shapes(config), config.vocab_size, config.first_modality_id)
    trained = sum(rows * columns for rows, columns in shapes.values())
    products = 32 * 2 * 8 * (4096 + 4096)
    assert trained == products + 2 * 98 * 4096
    assert config.count_parameters() > 6.7e9
    assert trained / config.count_parameters() < 0.001
