"""A run of seconds: a recipe, its data and its log lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mindformers.config import Recipe, load_recipe
from mindformers.dataset.mindrecord_writer import write_records

SEQ_LENGTH, BATCH_SIZE, NUM_ROWS, EPOCHS = 12, 4, 18, 2  # four whole batches an epoch, and two rows left over
NUM_TEXT_TOKENS, VOCAB_SIZE = 30, 128
IGNORED = -100
PEAK_RATE, END_RATE = 0.1, 0.01
OF_THE_CLOCK = ("tokens_per_s", "seconds_per_step", "mfu", "memory_gb", "peak_memory_gb")
MODEL = {
    "type": "LlamaConfig",
    "seq_length": SEQ_LENGTH,
    "hidden_size": 16,
    "num_layers": 1,
    "num_heads": 2,
    "intermediate_size": 32,
    "vocab_size": VOCAB_SIZE,
    "base_vocab_size": NUM_TEXT_TOKENS,
    "compute_dtype": "float32",
    "experts": {"num_experts": 8, "routing": "activation", "top_k": {"text": 7, "molecule": 1}},
}


def recipe_content(folder: Path) -> dict[str, Any]:
    """A whole recipe as YAML reads it; everything it names is in `folder`."""
    dataset = {"data_loader": {"type": "MindDataset", "shuffle": True}, "input_columns": ["input_ids", "labels"]}
    return {
        "seed": 5,
        "run_mode": "finetune",
        "output_dir": str(folder / "output"),
        "runner_config": {"epochs": EPOCHS, "batch_size": BATCH_SIZE},
        "optimizer": {"type": "AdamW", "weight_decay": 0.01},
        "lr_schedule": {
            "type": "CosineWithWarmUpLR",
            "learning_rate": PEAK_RATE,
            "lr_end": END_RATE,
            "warmup_steps": 2,
        },
        "runner_wrapper": {"scale_sense": 1.0, "use_clip_grad": True, "max_grad_norm": 1.0},
        "train_dataset": with_path(dataset, folder / "train.mindrecord"),
        "eval_dataset": with_path(dataset, folder / "test.mindrecord"),
        "model": {"model_config": dict(MODEL), "arch": {"type": "LlamaForCausalLM"}},
        "callbacks": [
            {"type": "MFLossMonitor", "per_print_times": 1},
            {"type": "CheckpointMonitor", "prefix": "small", "save_checkpoint_steps": 3, "keep_checkpoint_max": 9},
        ],
    }


def with_path(dataset: dict[str, Any], path: Path) -> dict[str, Any]:
    return {**dataset, "data_loader": {**dataset["data_loader"], "dataset_dir": str(path)}}


def small_recipe(folder: Path, **overrides: Any) -> Recipe:
    """The recipe, loaded; keys of overrides have `__` for a dot."""
    path = write_recipe(folder, recipe_content(folder))
    return load_recipe(path, {key.replace("__", "."): value for key, value in overrides.items()})


def write_recipe(folder: Path, content: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def rows_of(count: int, seed: int = 0, length: int = SEQ_LENGTH + 1) -> list[tuple[np.ndarray, np.ndarray]]:
    """Sequences that count upwards, half of them in molecule tokens; the first labels and those of padding hidden."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        first = rng.integers(3, 12) if number % 2 else rng.integers(NUM_TEXT_TOKENS, NUM_TEXT_TOKENS + 50)
        size = rng.integers(length // 2, length + 1)
        ids = np.zeros(length, np.int32)
        ids[:size] = [1, *range(first, first + size - 1)]
        labels = np.where(np.arange(length) < size, ids, IGNORED).astype(np.int32)
        labels[:2] = IGNORED
        rows.append((ids, labels))
    return rows


def write_data(folder: Path, num_rows: int = NUM_ROWS) -> None:
    """`train.mindrecord` and a smaller `test.mindrecord`."""
    write_records(folder / "train.mindrecord", rows_of(num_rows))
    write_records(folder / "test.mindrecord", rows_of(5, seed=1))


def log_rows(output: Path, without: Sequence[str] = OF_THE_CLOCK) -> list[dict[str, Any]]:
    """The lines of `train_log.jsonl`, without what depends on the clock."""
    lines = (output / "train_log.jsonl").read_text(encoding="utf-8").splitlines()
    return [{key: value for key, value in json.loads(line).items() if key not in without} for line in lines]
