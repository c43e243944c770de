"""Plans beside measured peaks: a recorded table, and one run on the spot."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mindformers.config import load_recipe
from mindformers.dataset.mindrecord_writer import write_records
from mindformers.kernels.build import SWITCH
from mindformers.trainer.planning.memory import GB
from mindformers.trainer.planning.plan import make_plan

ROOT = Path(__file__).resolve().parents[3]
RECORDED = json.loads((ROOT / "tests" / "data" / "cpu_peaks.json").read_text(encoding="utf-8"))["rows"]
UNSEEN = [row for row in RECORDED if not row["fitted"]]
WITHIN = 0.15
NEW_TOKENS = 98
GLM_IDS = {"bos_token_id": 3, "eos_token_id": 4, "mask_token_id": 5, "gmask_token_id": 6, "pad_token_id": 7}
ARCHS = {"LlamaConfig": "LlamaForCausalLM", "GLMConfig": "GLMForPreTraining"}
SIZES = ("hidden_size", "num_layers", "num_heads", "n_kv_heads", "intermediate_size", "vocab_size", "seq_length")


def llama_of(row: dict[str, Any]) -> dict[str, Any]:
    model = {"type": "LlamaConfig"} | {name: row[name] for name in SIZES}
    model |= {"base_vocab_size": row["vocab_size"] - NEW_TOKENS, "tie_word_embeddings": row.get("tied", False)}
    return model | ({"experts": {"num_experts": 16, "routing": row["routing"]}} if "routing" in row else {})


def glm_of(row: dict[str, Any]) -> dict[str, Any]:
    names = {"n_kv_heads": None, "intermediate_size": "inner_hidden_size"}
    model = {names.get(name, name): row[name] for name in SIZES if names.get(name, name)}
    return {"type": "GLMConfig", "dynamic_padding": False, **model, **GLM_IDS}


def recipe_of(row: dict[str, Any], folder: Path) -> Path:
    model = glm_of(row) if row.get("family") == "glm" else llama_of(row)
    model |= {"compute_dtype": "float32", "param_init_type": "float32"}
    if "lora" in row:
        model["pet_config"] = {"target_modules": row["lora"], "lora_dropout": row["lora_dropout"]}
    runner = {"batch_size": row["batch_size"], "gradient_accumulation_steps": row.get("micro_batches", 1)}
    content = {
        "run_mode": "train",
        "output_dir": str(folder / "output"),
        "runner_config": {"epochs": 1, **runner},
        "runner_wrapper": {"use_clip_grad": True},
        "train_dataset": {"data_loader": {"dataset_dir": str(folder / "train.mindrecord")}},
        "model": {"model_config": model, "arch": {"type": ARCHS[model["type"]]}},
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("row", RECORDED, ids=lambda row: f"{row['peak_gb']} GB")
def test_recorded_peaks_are_met(row: dict[str, Any], tmp_path: Path) -> None:
    plan = make_plan(load_recipe(recipe_of(row, tmp_path)), has_kernels=row.get("has_kernels", True))
    assert plan.own.memory.peak == pytest.approx(row["peak_gb"] * GB, rel=WITHIN)


def test_some_were_not_fitted_on() -> None:
    assert len(UNSEEN) >= 3
    assert len({row["hidden_size"] for row in UNSEEN}) >= 3
    assert any("routing" in row for row in UNSEEN)


def test_a_run_on_the_spot_needs_what_was_planned(tmp_path: Path) -> None:
    """A shape that is in no table, by the commands themselves, in the plain form that every machine can run."""
    row = dict(zip(SIZES, (192, 3, 6, 3, 512, 3000, 160), strict=True), batch_size=8)
    recipe = recipe_of(row, tmp_path)
    ids = np.random.default_rng(0).integers(3, 2900, (16, row["seq_length"] + 1), np.int32)
    write_records(tmp_path / "train.mindrecord", [(one, one) for one in ids])
    for mode in ("plan", "train"):
        command = [sys.executable, "run_mindformer.py", "--config", str(recipe), "--run_mode", mode]
        environment = {**os.environ, SWITCH: "0"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    planned = json.loads((tmp_path / "output" / "plan.json").read_text(encoding="utf-8"))["memory"]["kept"]["peak"]
    log = (tmp_path / "output" / "train_log.jsonl").read_text(encoding="utf-8").splitlines()
    assert planned == pytest.approx(json.loads(log[-1])["peak_memory_gb"] * GB, rel=WITHIN)
