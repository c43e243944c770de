"""A few command lines as processes of their own: what really reaches the terminal."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.cli.conftest import QUESTION, Workplace
from tests.trainer.small_run import rows_of

ROOT = Path(__file__).resolve().parents[2]
FORK = ROOT / "tests" / "data" / "fork_finetune_7b.yaml"
LOG_LINE = re.compile(r"(?:INFO|WARNING) ")
PROGRESS = re.compile(r"\w+: \d+")


def run(folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "run_mindformer.py"), *map(str, words)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_an_answer_is_all_that_stands_on_standard_output(workplace: Workplace) -> None:
    words = ("--run_mode", "predict", "--predict_data", QUESTION.format("CCO"), "--max_new_tokens", 4)
    found = run(workplace.folder, "--config", workplace.recipe, *words)
    assert found.returncode == 0, found.stderr
    assert len(found.stdout.splitlines()) == 1
    assert all(LOG_LINE.match(line) or PROGRESS.match(line) for line in found.stderr.splitlines()), found.stderr


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no recipe", ("--config", "nowhere.yaml")),
        ("unknown flag", ("--config", "recipe.yaml", "--epoch", "3")),
        ("cut checkpoint", ("--config", "recipe.yaml", "--run_mode", "eval", "--load_checkpoint", "cut.ckpt")),
        ("broken data", ("--config", "recipe.yaml", "--train_dataset_dir", "broken.mindrecord")),
    ],
)
def test_a_refusal_is_one_line_without_a_traceback(workplace: Workplace, name: str, words: tuple[str, ...]) -> None:
    for file in ("cut.ckpt", "broken.mindrecord", "broken.mindrecord.db"):
        (workplace.folder / file).write_bytes(b"neither this nor that " * 9)
    found = run(workplace.folder, *words)
    lines = found.stderr.splitlines()
    assert (found.returncode, found.stdout) == (2, ""), found.stderr
    assert [line[:7] for line in lines if not LOG_LINE.match(line)] == ["error: "], found.stderr
    assert lines[-1].startswith("error: ")


def write_published(path: Path, length: int) -> None:
    """A MindRecord as the published preprocessing writes it, with the mask of molecule tokens."""
    from mindspore.mindrecord import FileWriter

    writer = FileWriter(str(path), shard_num=1)
    column = {"type": "int32", "shape": [length]}
    writer.add_schema({"input_ids": column, "molecular_mask": {**column, "type": "float32"}, "labels": column}, "fork")
    rows = []
    for ids, labels in rows_of(4, length=length):
        ids = np.where(ids >= 30, ids - 30 + 32000, ids).astype(np.int32)
        labels = np.where(labels >= 30, labels - 30 + 32000, labels).astype(np.int32)
        rows.append({"input_ids": ids, "molecular_mask": (ids >= 32000).astype(np.float32), "labels": labels})
    writer.write_raw_data(rows)
    writer.commit()


def test_a_recipe_of_the_published_fork_trains_when_shrunk(tmp_path: Path) -> None:
    write_published(tmp_path / "fork.mindrecord", length=13)
    small = {"seq_length": 12, "hidden_size": 32, "num_layers": 2, "num_heads": 4, "multiple_of": 16}
    words = [word for key, value in small.items() for word in (f"--model.model_config.{key}", value)]
    words += ["--processor.tokenizer.vocab_file", "null", "--load_checkpoint", "", "--device_target", "CPU"]
    words += ["--train_dataset_dir", "fork.mindrecord", "--epochs", 1, "--batch_size", 4]
    found = run(tmp_path, "--config", FORK, "--run_mode", "finetune", *words)
    assert found.returncode == 0, found.stderr
    (row,) = (tmp_path / "output_fork" / "train_log.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(row)["loss"] == pytest.approx(np.log(32066), rel=0.02)
    assert json.loads(row)["loss_scale"] == 8192
    weights = load_file(tmp_path / "output_fork" / "checkpoint" / "scimind_rank_0-1_1.safetensors")
    assert weights["lm_head.weight"].shape == (32066, 32)
    assert "16 experts, 14 for text, 2 for molecules" in found.stderr
    named = re.findall(r"WARNING '([\w.]+)' has no effect", found.stderr)
    assert len(named) == len(set(named))
    wanted = {"moe_config", "parallel_config.data_parallel", "recompute_config.recompute", "callbacks.3"}
    assert {key for key in wanted if not any(name.startswith(key) for name in named)} == set(), sorted(named)
