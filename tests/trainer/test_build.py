"""From a recipe to its parts; what one part knows is derived for the others."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mindformers.config import Recipe, load_recipe
from mindformers.tools.errors import InputError
from mindformers.trainer.build import (
    build_model_config,
    build_network,
    build_tokenizer,
    find_vocab_file,
    fitting_modalities,
)
from tests.conftest import NUM_PIECES
from tests.trainer.small_run import MODEL, recipe_content, small_recipe, write_recipe

FORK = Path(__file__).parents[1] / "data" / "fork_finetune_7b.yaml"


def recipe_with(folder: Path, tokenizer_file: Path | None = None, **model: object) -> Recipe:
    """The small recipe; keys of the model that are None are left out."""
    content = recipe_content(folder)
    merged = {**MODEL, "vocab_size": None, "base_vocab_size": None, **model}
    content["model"]["model_config"] = {key: value for key, value in merged.items() if value is not None}
    recipe = load_recipe(write_recipe(folder, content))
    if tokenizer_file:
        recipe.processor.tokenizer.vocab_file = str(tokenizer_file)
    return recipe


@pytest.mark.parametrize(
    ("vocab_size", "names"),
    [
        (32000, []),
        (32065, []),
        (32066, ["molecule"]),
        (32070, ["molecule"]),
        (32071, ["molecule", "nucleotide"]),
        (32097, ["molecule", "nucleotide"]),
        (32098, ["molecule", "nucleotide", "protein"]),
        (40000, ["molecule", "nucleotide", "protein"]),
    ],
)
def test_modalities_fit_into_the_vocabulary_in_the_tables_order(vocab_size: int, names: list[str]) -> None:
    assert fitting_modalities(32000, vocab_size) == names


def test_the_vocabulary_follows_from_the_tokenizer(tmp_path: Path, tokenizer_file: Path) -> None:
    recipe = recipe_with(tmp_path, tokenizer_file)
    config = build_model_config(recipe, build_tokenizer(recipe))
    assert (config.vocab_size, config.first_modality_id) == (NUM_PIECES + 98, NUM_PIECES)
    assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (1, 2, 0)
    assert np.bincount(config.modality_table()).tolist() == [NUM_PIECES, 66, 5, 27]
    assert "vocab_size" not in recipe.model.model_config  # the recipe stays as it was written


def test_a_vocabulary_of_molecules_only_leaves_the_other_modalities_out(tmp_path: Path, tokenizer_file: Path) -> None:
    recipe = recipe_with(tmp_path, tokenizer_file, vocab_size=NUM_PIECES + 66)
    tokenizer = build_tokenizer(recipe)
    config = build_model_config(recipe, tokenizer)
    assert (tokenizer.modalities, len(tokenizer)) == (["molecule"], NUM_PIECES + 66)
    assert np.bincount(config.modality_table()).tolist() == [NUM_PIECES, 66]


def test_a_larger_vocabulary_is_kept_and_its_end_is_text(tmp_path: Path, tokenizer_file: Path) -> None:
    recipe = recipe_with(tmp_path, tokenizer_file, vocab_size=512)
    config = build_model_config(recipe, build_tokenizer(recipe))
    assert (config.vocab_size, config.first_modality_id) == (512, NUM_PIECES)
    assert config.modality_table()[NUM_PIECES + 98 :].tolist() == [0] * 14


def test_a_vocabulary_smaller_than_the_pieces_is_refused(tmp_path: Path, tokenizer_file: Path) -> None:
    recipe = recipe_with(tmp_path, tokenizer_file, vocab_size=NUM_PIECES - 1)
    with pytest.raises(InputError, match=r"vocab_size: 399; expected at least the tokenizer's 400; leave the key out"):
        build_model_config(recipe, build_tokenizer(recipe))


@pytest.mark.parametrize(
    ("vocab_size", "counts"), [(32066, [32000, 66]), (32098, [32000, 66, 5, 27]), (32000, [32000])]
)
def test_without_a_tokenizer_the_base_is_llama_2(tmp_path: Path, vocab_size: int, counts: list[int]) -> None:
    config = build_model_config(recipe_with(tmp_path, vocab_size=vocab_size))
    if vocab_size > 32000:
        assert config.first_modality_id == 32000
        assert config.experts.modalities == ["molecule", "nucleotide", "protein"][: len(counts) - 1]
    assert np.bincount(config.modality_table()[:32000]).tolist() == [32000] or vocab_size == 32000
    assert len(config.modality_table()) == sum(counts)


def test_the_published_recipe_is_routed_over_its_molecules() -> None:
    config = build_model_config(load_recipe(FORK))
    k = config.experts_per_token()
    assert (config.vocab_size, config.experts.num_experts, config.ffn_size) == (32066, 16, 11008)
    assert (set(k[:32000]), set(k[32000:])) == ({14}, {2})


def test_without_a_vocabulary_file_there_is_no_tokenizer(tmp_path: Path) -> None:
    recipe = recipe_with(tmp_path)
    assert find_vocab_file(recipe) is None
    with pytest.raises(InputError, match=r"processor\.tokenizer\.vocab_file: not given; expected a SentencePiece"):
        build_tokenizer(recipe)


def test_a_vocabulary_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.model' not found"):
        build_tokenizer(recipe_with(tmp_path, tmp_path / "nowhere.model"))


def test_a_tokenizer_is_found_beside_or_above_the_checkpoint(tmp_path: Path, tokenizer_file: Path) -> None:
    folder = tmp_path / "run" / "checkpoint"
    folder.mkdir(parents=True)
    recipe = recipe_with(tmp_path)
    for place in (folder, folder.parent):
        shutil.copyfile(tokenizer_file, place / "tokenizer.model")
        for given in (folder / "w.safetensors", folder):
            recipe.load_checkpoint = str(given)
            assert find_vocab_file(recipe) == place / "tokenizer.model"
        (place / "tokenizer.model").unlink()


def test_settings_of_the_tokenizer_reach_it(tmp_path: Path, tokenizer_file: Path) -> None:
    recipe = recipe_with(tmp_path, tokenizer_file)
    recipe.processor.tokenizer.modalities = ["protein"]
    recipe.processor.tokenizer.add_bos_token = False
    tokenizer = build_tokenizer(recipe)
    assert tokenizer.modalities == ["protein"]
    assert tokenizer.encode("a")[0] != tokenizer.bos_token_id
    assert build_model_config(recipe, tokenizer).experts.modalities == ["protein"]


def test_unknown_classes_are_refused_by_key(tmp_path: Path) -> None:
    for key, name in (("model.model_config.type", "LlamaConfg"), ("model.arch.type", "LlamaForCausalLMM")):
        recipe = small_recipe(tmp_path)
        if key == "model.arch.type":
            recipe.model.arch.type = name
        else:
            recipe.model.model_config["type"] = name
        with pytest.raises(InputError, match=f"{key}: unknown name '{name}'.*did you mean"):
            build_network(recipe, build_model_config(recipe), random=False)


def test_random_weights_follow_the_recipes_seed(tmp_path: Path) -> None:
    recipe = small_recipe(tmp_path)
    config = build_model_config(recipe)
    first, again = (build_network(recipe, config, random=True).lm_head.weight.asnumpy() for _ in range(2))
    recipe.seed += 1
    other = build_network(recipe, config, random=True).lm_head.weight.asnumpy()
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not build_network(recipe, config, random=False).lm_head.weight.asnumpy().any()
