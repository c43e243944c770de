"""Instructions of a recipe as records: sources by weight, each in its own format; nothing is passed over."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mindformers.config import load_recipe
from mindformers.dataset.instruction_files import instruction_files
from mindformers.models.glm.glm_tokenizer import ChatGLMTokenizer
from mindformers.tools.errors import InputError
from mindformers.trainer.data import training_data, without_padding
from mindformers.trainer.instruction_data import with_records
from tests.models.glm.reference import small_config

RECIPE = """
output_dir: {folder}/out
train_dataset:
  data_loader:
    type: InstructionDataset
    dataset_type: alpaca
    sources:
      - {{name: task, weight: 3, dataset_dir: {folder}/task}}
      - {{name: general, weight: 1, dataset_dir: {folder}/general.jsonl, dataset_type: context_target}}
model: {{model_config: {{type: GLMConfig}}}}
processor: {{template: alpaca}}
runner_config: {{batch_size: 4}}
"""


def test_sources_of_two_formats_take_turns_by_their_weights(tmp_path: Path, ice: ChatGLMTokenizer) -> None:
    (tmp_path / "task").mkdir()
    rows = [{"instruction": "name it", "input": "x", "output": "task"}] * 6
    (tmp_path / "task" / "one.json").write_text(json.dumps(rows[:3]))
    (tmp_path / "task" / "two.json").write_text(json.dumps(rows[3:]))
    (tmp_path / "general.jsonl").write_text(json.dumps({"context": "hello", "target": "general"}) + "\n")
    (tmp_path / "recipe.yaml").write_text(RECIPE.format(folder=tmp_path))
    recipe = load_recipe(tmp_path / "recipe.yaml")
    config = small_config(vocab_size=552, pad_token_id=ice.pad_token_id)
    data = training_data(with_records(recipe, config, ice, "train_dataset"), config)
    (batch,) = list(data.batches(0))[:1]
    texts = [ice.decode(row, skip_special_tokens=True) for row in batch["input_ids"]]
    assert sum("general" in text for text in texts) == 1
    prompt = ice.encode("Instruction: name it\nInput: x\nAnswer: ")
    assert sum(row[: len(prompt)].tolist() == prompt for row in batch["input_ids"]) == 3


def test_padding_behind_all_rows_is_cut_to_a_usual_length() -> None:
    config = small_config()
    ids, labels = np.full((2, 49), 3, np.int32), np.full((2, 49), -100, np.int32)
    ids[0, :20], labels[0, 15:20] = 9, 9
    cut = without_padding({"input_ids": ids, "labels": labels}, config)
    assert {name: column.shape for name, column in cut.items()} == {"input_ids": (2, 25), "labels": (2, 25)}
    labels[1, 48] = 5
    assert without_padding({"input_ids": ids, "labels": labels}, config)["labels"].shape == (2, 49)


def test_a_path_without_instructions_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.json"):
        with pytest.raises(InputError, match=r"key: (no \.json or \.jsonl file in folder|.* is not found)"):
            instruction_files(path, "key")
