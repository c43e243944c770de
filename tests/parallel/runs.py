"""Small runs on several devices: their recipes, the processes, and what they left."""

from __future__ import annotations

import copy
import json
import os
import socket
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from mindformers.config import load_recipe, parse_arguments
from mindformers.dataset.mindrecord_writer import write_records
from mindformers.models.checkpoint_file import open_checkpoint
from mindformers.trainer import runner
from mindformers.trainer.build import build_model_config, build_network, build_tokenizer
from mindformers.trainer.checkpoint import save_weights
from mindformers.trainer.checkpoint_files import find_checkpoint, state_of
from tests.trainer.small_run import MODEL, log_rows, recipe_content, rows_of, write_recipe

ROOT = Path(__file__).resolve().parents[2]
WORKER = ROOT / "tests" / "parallel" / "worker.py"
ROWS_PER_STEP, NUM_ROWS, STEPS = 4, 38, 20  # ten batches an epoch, of which the last is not full
SHAPE = {
    "num_layers": 1,
    "num_heads": 4,
    "n_kv_heads": 2,
    "hidden_size": 32,
    "intermediate_size": 64,
    "vocab_size": 129,  # which no number of devices divides
    "experts": {"num_experts": 16, "routing": "activation", "top_k": {"text": 14, "molecule": 2}},
}


def write_data(folder: Path) -> None:
    write_records(folder / "train.mindrecord", rows_of(NUM_ROWS))
    write_records(folder / "test.mindrecord", rows_of(7, seed=1))


def recipe_of(
    folder: Path, name: str, data: int = 1, tensor: int = 1, is_sharded: bool = False, **changes: Any
) -> Path:
    """A recipe of 20 steps over the data in `folder`, whatever the devices; `changes` have `__` for a dot.

    Its results are in `folder/name`.
    """
    content = copy.deepcopy(recipe_content(folder))
    content["output_dir"] = str(folder / name)
    content["runner_config"]["batch_size"] = ROWS_PER_STEP // data
    content["lr_schedule"]["learning_rate"] = 0.01
    content["lr_schedule"]["lr_end"] = 0.001
    content["optimizer"]["eps"] = 1e-5  # else a gradient of mere rounding moves a weight as far as any other
    content["train_dataset"]["drop_remainder"] = False
    content["callbacks"][1]["save_checkpoint_steps"] = STEPS // 2
    content["model"]["model_config"] = copy.deepcopy({**MODEL, **SHAPE})
    content["parallel"] = {"enable_parallel_optimizer": is_sharded}
    content["parallel_config"] = {"data_parallel": data, "model_parallel": tensor}
    for key, value in changes.items():
        *sections, last = key.split("__")
        place: Any = content
        for section in sections:
            place = place[int(section)] if section.isdigit() else place.setdefault(section, {})
        place[last] = value
    return write_recipe(folder / "recipes" / name, content)


def answering_recipe(folder: Path, name: str, tokenizer_file: Path, data: int = 1, tensor: int = 1) -> Path:
    """A recipe that answers `folder/prompts.txt` into `folder/name/answers.txt` by random weights."""
    model = {
        **MODEL,
        "seq_length": 64,
        "max_decode_length": 9,
        "do_sample": True,
        "vocab_size": None,
        "base_vocab_size": None,
    }
    tokenizer = {"type": "LlamaTokenizer", "vocab_file": str(tokenizer_file)}
    weights = folder / "answering.safetensors"
    path = recipe_of(
        folder,
        name,
        data,
        tensor,
        run_mode="predict",
        load_checkpoint=str(weights),
        processor={"tokenizer": tokenizer},
        model__model_config={key: value for key, value in model.items() if value is not None},
    )
    if not weights.exists():
        recipe = load_recipe(path, {"load_checkpoint": ""})
        net = build_network(recipe, build_model_config(recipe, build_tokenizer(recipe)), random=True)
        save_weights(net.get_parameters(), weights)
    return path


def work(path: Path) -> None:
    """What a recipe says, in this process."""
    recipe = load_recipe(path)
    if recipe.run_mode == "predict":
        folder = Path(recipe.output_dir)
        words = [
            "--config",
            str(path),
            "--predict_data",
            str(folder.parent / "prompts.txt"),
            "--save_file",
            str(folder / "answers.txt"),
        ]
        runner.predict(recipe, parse_arguments([*words, "--predict_batch_size", "2"])[0])
    elif recipe.run_mode == "eval":
        runner.evaluate(recipe)
    else:
        runner.train(recipe)


def run_together(folder: Path, num_devices: int, recipes: list[Path], *words: str) -> subprocess.CompletedProcess[str]:
    """One process per device by the launcher; they do one recipe after the other."""
    order = " ".join(map(str, [WORKER, *recipes, *words]))
    logs = folder / f"logs_{num_devices}"
    command = ["bash", ROOT / "scripts" / "msrun_launcher.sh", order, num_devices, num_devices, free_port(), logs]
    environment = {name: value for name, value in os.environ.items() if name != "LOG_MF_PATH"}
    return subprocess.run(
        [str(word) for word in command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("", 0))
        return one.getsockname()[1]


def losses(output: Path) -> list[float]:
    return [row["loss"] for row in log_rows(output) if "loss" in row]


def checkpoint(output: Path) -> Path:
    """The last one of a run."""
    return find_checkpoint(output / "checkpoint", for_training=True)


def arrays(output: Path, of: str = "weights") -> dict[str, np.ndarray]:
    """All weights of the last checkpoint, or its optimizer `state`, whole."""
    file = checkpoint(output)
    source = open_checkpoint(file) if of == "weights" else state_of(file)
    source.check()
    return {name: source.read(name) for name in source.tensors}


def state_bytes(folder: Path, num_devices: int, rank: int) -> list[int]:
    """Bytes of optimizer state in every run that a process did."""
    return json.loads((folder / f"state_bytes_{num_devices}_{rank}.json").read_text(encoding="utf-8"))
