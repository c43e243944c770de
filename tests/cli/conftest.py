"""A workplace in miniature: tokenizer, data made by llama_preprocess.py, a recipe, and one trained network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

import llama_preprocess
from mindformers.cli import main

MOLECULES = {"CCO": "ethanol", "CC": "ethane", "C": "methane", "CCN": "ethylamine", "CO": "methanol", "O": "water"}
SEQ_LENGTH, NUM_EPOCHS = 160, 60
QUESTION = "Name it: <molecule>{}</molecule>"


@dataclass
class Outcome:
    """What a command line left: exit status and what it wrote to the terminal."""

    status: int
    out: str
    err: str


@dataclass
class Workplace:
    """A folder with everything a run needs."""

    folder: Path
    recipe: Path

    @property
    def output(self) -> Path:
        return self.folder / "output"

    def changed(self, **sections: Any) -> Path:
        """The recipe with other sections, under another name."""
        content = yaml.safe_load(self.recipe.read_text(encoding="utf-8")) | sections
        path = self.folder / "changed.yaml"
        path.write_text(yaml.safe_dump(content), encoding="utf-8")
        return path


def qa_rows() -> list[dict[str, Any]]:
    return [
        {
            "id": f"m{number}",
            "conversation": [
                {"from": "human", "value": QUESTION.format(smiles)},
                {"from": "gpt", "value": name},
            ],
        }
        for number, (smiles, name) in enumerate(MOLECULES.items())
    ]


def recipe_of(folder: Path) -> dict[str, Any]:
    def dataset(name: str) -> dict[str, Any]:
        return {"data_loader": {"type": "MindDataset", "dataset_dir": str(folder / name)}}

    model = {
        "type": "LlamaConfig",
        "seq_length": SEQ_LENGTH,
        "hidden_size": 32,
        "num_layers": 1,
        "num_heads": 2,
        "intermediate_size": 64,
        "compute_dtype": "float32",
        "max_decode_length": 12,
        "experts": {"num_experts": 16, "routing": "activation"},
    }
    return {
        "seed": 1,
        "run_mode": "finetune",
        "output_dir": str(folder / "output"),
        "runner_config": {"epochs": NUM_EPOCHS, "batch_size": 6},
        "lr_schedule": {"type": "CosineWithWarmUpLR", "learning_rate": 0.02, "warmup_steps": 3},
        "runner_wrapper": {"use_clip_grad": True},
        "train_dataset": dataset("train.mindrecord"),
        "eval_dataset": dataset("train.mindrecord"),
        "model": {"model_config": model},
        "processor": {"tokenizer": {"type": "LlamaTokenizer", "vocab_file": str(folder / "tokenizer.model")}},
        "callbacks": [{"type": "MFLossMonitor"}, {"type": "CheckpointMonitor", "prefix": "mini"}],
    }


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, tokenizer_file: Path) -> Workplace:
    """Data prepared and the network trained, both by the command line. Read only."""
    folder = tmp_path_factory.mktemp("workplace")
    shutil.copyfile(tokenizer_file, folder / "tokenizer.model")
    (folder / "qa.json").write_text(json.dumps(qa_rows()), encoding="utf-8")
    words = ["--dataset_type", "qa", "--input_glob", str(folder / "qa.json"), "--workers", "1"]
    words += ["--model_file", str(folder / "tokenizer.model"), "--seq_length", str(SEQ_LENGTH)]
    assert llama_preprocess.main([*words, "--output_file", str(folder / "train.mindrecord")]) == 0
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(recipe_of(folder)), encoding="utf-8")
    assert main(["--config", str(recipe), "--run_mode", "finetune"]) == 0
    return Workplace(folder, recipe)


@pytest.fixture
def workplace(trained: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workplace]:
    """A recipe of one's own that reads the trained workplace and writes into a fresh folder, the current one."""
    content = yaml.safe_load(trained.recipe.read_text(encoding="utf-8")) | {
        "output_dir": str(tmp_path / "output"),
        "load_checkpoint": str(trained.output),
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    yield Workplace(tmp_path, path)


@pytest.fixture
def run(workplace: Workplace, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Run a command line in this process; `--config` is the workplace's recipe unless given."""

    def command(*words: object) -> Outcome:
        words = [str(word) for word in words]
        given = words if "--config" in words else ["--config", str(workplace.recipe), *words]
        capsys.readouterr()
        try:
            status = main(given)
        except SystemExit as end:
            status = int(end.code or 0)
        return Outcome(status, *capsys.readouterr())

    return command
