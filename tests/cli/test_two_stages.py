"""ChemDFM's two stages by the command line: sources to MindRecord, pre-training, fine-tuning, answers in rounds."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import llama_preprocess
from mindformers.cli import main

ROOT = Path(__file__).parents[2]
SMALL = {
    "seq_length": 96,
    "hidden_size": 16,
    "num_layers": 1,
    "num_heads": 2,
    "intermediate_size": 32,
    "max_decode_length": 6,
}
FIRST = {"text": "text", "molecule": "smiles", "protein": "protein", "nucleotide": "nucleotide"}


def _inputs(folder: Path) -> dict[str, Path]:
    rows = json.loads((ROOT / "LPM-24-data/smiles2text/LPM-24_test.json").read_text(encoding="utf-8"))[:40]
    for name, key in (("text", "caption"), ("molecule", "molecule")):
        (folder / f"{name}.txt").write_text("\n".join(row[key] for row in rows), encoding="utf-8")
    samples = {"protein": ROOT / "samples/protein.fasta", "nucleotide": ROOT / "samples/nucleotide.fasta"}
    return {"text": folder / "text.txt", "molecule": folder / "molecule.txt", **samples}


def _preprocess(folder: Path, tokenizer: Path, kind: str, source: Path, name: str, *more: str) -> None:
    words = ["--dataset_type", kind, "--input_glob", str(source), "--model_file", str(tokenizer), "--workers", "1"]
    words += ["--seq_length", str(SMALL["seq_length"]), "--output_file", str(folder / f"{name}.mindrecord"), *more]
    assert llama_preprocess.main(words) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tokenizer_file: Path) -> Path:
    """The data of both stages."""
    folder = tmp_path_factory.mktemp("stages")
    for name, source in _inputs(folder).items():
        _preprocess(folder, tokenizer_file, FIRST[name], source, name)
    talks, in_rounds = ROOT / "samples/general_qa.json", ("--template", "chemdfm", "--pack", "True")
    for name in ("chemistry", "general"):
        _preprocess(folder, tokenizer_file, "qa", talks, name, *in_rounds)
    return folder


def _run(folder: Path, tokenizer: Path, stage: str, *words: str) -> None:
    changes = {f"model.model_config.{key}": value for key, value in SMALL.items()}
    changes |= {"output_dir": folder / stage, "processor.tokenizer.vocab_file": tokenizer, "num_samples": 80}
    for number, name in enumerate(FIRST if stage == "pretrain" else ("chemistry", "general")):
        changes[f"train_dataset.data_loader.sources.{number}.dataset_dir"] = folder / f"{name}.mindrecord"
    given = [word for key, value in changes.items() for word in (f"--{key}", str(value))]
    recipe = ROOT / f"configs/llama2/run_chemdfm_tiny_{stage}.yaml"
    assert main(["--config", str(recipe), *given, *words]) == 0


def _log(folder: Path, stage: str) -> str:
    return (folder / stage / "log" / "rank_0" / "info.log").read_text(encoding="utf-8")


def test_the_two_stages(folder: Path, tokenizer_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report_each_step = ("--callbacks.0.per_print_times", "1", "--lr_schedule.learning_rate", "0.02")
    _run(folder, tokenizer_file, "pretrain", "--run_mode", "train", *report_each_step)
    drawn = "text 32 (40.00 %), molecule 24 (30.00 %), protein 16 (20.00 %), nucleotide 8 (10.00 %)"
    assert f"epoch 1: 80 rows drawn: {drawn}" in _log(folder, "pretrain")

    first = ("--load_checkpoint", str(folder / "pretrain"))
    _run(folder, tokenizer_file, "finetune", "--run_mode", "finetune", *first, *report_each_step)
    said = _log(folder, "finetune")
    assert re.search(r"loaded \d+ weights from .*chemdfm_tiny_pretrain_rank_0-1_10\.", said)
    found = re.search(r"epoch 1: (\d+) rows drawn: chemistry (\d+) .*, general (\d+) ", said)
    rows, chemistry, general = map(int, found.groups())
    assert chemistry + general == rows and abs(chemistry - rows / 3) < 1

    for stage in ("pretrain", "finetune"):
        lines = (folder / stage / "train_log.jsonl").read_text(encoding="utf-8").splitlines()
        losses = [json.loads(line)["loss"] for line in lines]
        assert losses[-1] < 0.95 * losses[0], stage

    predict = ("--run_mode", "predict", "--predict_data", "What is 3 plus 5?")
    capsys.readouterr()
    _run(folder, tokenizer_file, "finetune", *predict, "--load_checkpoint", str(folder / "finetune"))
    assert len(capsys.readouterr().out.splitlines()) == 1
