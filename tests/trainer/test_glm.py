"""ChatGLM through the run modes: instructions in, an adapter out, and the same answers however it is used."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file, save_file

from mindformers.cli import main
from mindformers.models.glm.convert_weight import main as convert
from mindformers.pet.adapter_file import read_adapter
from mindformers.pet.fitting import check_base
from mindformers.pet.merge import main as merge

ROWS = [{"context": f"say {word} \n", "target": f'["{word}"]'} for word in ("a", "bc", "d e", "acid", "one more word")]
NETWORK = {"type": "GLMConfig", "seq_length": 48, "hidden_size": 32, "num_layers": 2, "num_heads": 2}
FLOATS = {"compute_dtype": "float32", "param_init_type": "float32"}
PET = {"pet_type": "lora", "target_modules": ".*query_key_value", "lora_rank": 2, "lora_alpha": 8, "lora_dropout": 0.1}


def write_rows(path: Path, rows: list[dict[str, str]]) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def recipe(folder: Path, ice_file: Path, **changes: Any) -> Path:
    instructions = {"type": "InstructionDataset", "dataset_type": "context_target"}
    content: dict[str, Any] = {
        "run_mode": "finetune",
        "output_dir": str(folder / "lora"),
        "load_checkpoint": str(folder / "base/checkpoint"),
        "runner_config": {"epochs": 3, "batch_size": 2},
        "save_freq": 3,
        "logging_steps": 2,
        "max_source_seq_len": 20,
        "max_target_seq_len": 20,
        "lr_schedule": {"learning_rate": 0.05},
        "train_dataset": {"data_loader": {**instructions, "dataset_dir": str(folder / "data/rows.jsonl")}},
        "eval_dataset": {"data_loader": {**instructions, "dataset_dir": str(folder / "data/rows.jsonl")}},
        "do_eval": True,
        "model": {
            "model_config": {**NETWORK, **FLOATS, "max_decode_length": 6, "pet_config": PET},
            "arch": {"type": "GLMForPreTraining"},
        },
        "processor": {
            "type": "GLMProcessor",
            "template": "plain",
            "tokenizer": {"type": "ChatGLMTokenizer", "vocab_file": str(ice_file)},
        },
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(content | changes), encoding="utf-8")
    return path


def run(config: Path, *words: Any) -> int:
    return main(["--config", str(config), *map(str, words)])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, ice_file: Path) -> Path:
    """A folder with a base, an adapter on it, and the recipe."""
    folder = tmp_path_factory.mktemp("glm")
    write_rows(folder / "data/rows.jsonl", ROWS)
    config = recipe(folder, ice_file)
    base = ("--output_dir", folder / "base", "--load_checkpoint", "", "--do_eval", "False", "--runner_config.epochs", 1)
    assert run(config, "--run_mode", "train", *base, "--model.model_config.pet_config", "null") == 0
    assert run(config) == 0
    return folder


def test_training_leaves_what_a_user_looks_for(trained: Path) -> None:
    lora = trained / "lora"
    log = [json.loads(line) for line in (lora / "train_log.jsonl").read_text().splitlines()]
    losses = [row["eval_loss"] for row in log if "eval_loss" in row]
    assert losses[-1] < losses[0] and any(row.get("is_best") for row in log)
    assert (lora / "adapter").is_dir() and (lora / "loss.png").is_file() and (lora / "data").is_dir()
    assert {row["step"] for row in log if "loss" in row} >= {2, 4, 6}


def test_adapter_and_merged_weights_answer_alike(trained: Path, ice_file: Path) -> None:
    config, data, merged = recipe(trained, ice_file), trained / "data/rows.jsonl", trained / "merged.safetensors"
    base = next((trained / "base/checkpoint").glob("*.safetensors"))
    words = ("--load_checkpoint", base, "--adapter", trained / "lora/adapter", "--output", merged)
    assert merge([str(word) for word in words]) == 0
    ask = ("--run_mode", "predict", "--predict_data", data, "--predict_batch_size", 5, "--save_file")
    assert run(config, *ask, trained / "a.tsv", "--adapter", trained / "lora/adapter") == 0
    assert run(config, *ask, trained / "m.tsv", "--load_checkpoint", merged) == 0
    answers = (trained / "a.tsv").read_text(encoding="utf-8")
    assert answers == (trained / "m.tsv").read_text(encoding="utf-8")
    assert [line.split("\t")[0] for line in answers.splitlines()[1:]] == [row["target"] for row in ROWS]


def test_a_base_comes_back_from_its_published_form(trained: Path, ice_file: Path) -> None:
    """An adapter that was trained on the one belongs to the other."""
    config, published, back = recipe(trained, ice_file), trained / "published", trained / "back.safetensors"
    base = next((trained / "base/checkpoint").glob("*.safetensors"))
    for words in (("--checkpoint", base, "--hf_dir", published), ("--hf_dir", published, "--output", back)):
        assert convert(["--config", str(config), *map(str, words)]) == 0
    ours, theirs = load_file(base), load_file(back)
    assert ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)
    assert check_base(read_adapter(trained / "lora/adapter"), back) is None


def bad_row(folder: Path) -> tuple[Any, ...]:
    write_rows(folder / "data/bad.jsonl", [*ROWS, {"context": "x"}])
    return ("--train_dataset.data_loader.dataset_dir", folder / "data/bad.jsonl")


def empty_folder(folder: Path) -> tuple[Any, ...]:
    (folder / "empty").mkdir()
    return ("--train_dataset.data_loader.dataset_dir", folder / "empty")


def foreign_adapter(folder: Path) -> tuple[Any, ...]:
    weights = load_file(next((folder / "base/checkpoint").glob("*.safetensors")))
    name = "transformer.layers.0.attention.query_key_value.weight"
    save_file({**weights, name: weights[name] + 1}, folder / "other.safetensors", {"format": "mindspore"})
    adapter = ("--adapter", folder / "lora/adapter", "--load_checkpoint", folder / "other.safetensors")
    return ("--run_mode", "predict", "--predict_data", "x", *adapter)


def other_vocabulary(folder: Path) -> tuple[Any, ...]:
    return ("--model.model_config.vocab_size", 552)


def too_long(folder: Path) -> tuple[Any, ...]:
    return ("--max_source_seq_len", 40)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (bad_row, r"bad.jsonl line 6: item 5: no 'target'.*at most 0 bad rows"),
        (empty_folder, r"no .json or .jsonl file in folder"),
        (foreign_adapter, r"does not fit: .*1 of \d+ weights differ"),
        (other_vocabulary, r"load_checkpoint: 544 rows; expected 552"),
        (too_long, r"max_source_seq_len: 40 beside max_target_seq_len 20; expected at most 49 together"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(
    trained: Path, ice_file: Path, capsys: pytest.CaptureFixture[str], harm: Any, said: str
) -> None:
    words = harm(trained)
    capsys.readouterr()
    assert run(recipe(trained, ice_file), *words) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and re.search(said, errors[0])


def test_another_models_tokenizer_is_refused(
    trained: Path, ice_file: Path, tokenizer_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(recipe(trained, ice_file), "--processor.tokenizer.vocab_file", tokenizer_file) == 2
    assert "is not ChatGLM's" in capsys.readouterr().err
