"""The words that a run ends with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mindformers.tools.errors import InputError
from mindformers.trainer.summary import examples_of, main, summary

HEADER = "SMILES\tground truth\toutput"


def predictions(folder: Path, count: int) -> Path:
    path = folder / "predictions.tsv"
    path.write_text("\n".join([HEADER, *(f"C{i}\ttruth {i}\tsaid {i}" for i in range(count))]) + "\n", "utf-8")
    return path


@pytest.mark.parametrize(
    ("count", "shown"), [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (9, [0, 3, 6]), (100, [0, 33, 66])]
)
def test_examples_are_spread_over_the_file(tmp_path: Path, count: int, shown: list[int]) -> None:
    found = examples_of(predictions(tmp_path, count))
    assert found == [{"SMILES": f"C{i}", "ground truth": f"truth {i}", "output": f"said {i}"} for i in shown]


def test_the_summary_names_examples_losses_and_what_is_there(tmp_path: Path) -> None:
    predictions(tmp_path, 3)
    rows = [{"step": 10, "loss": 5.0}, {"step": 20, "loss": 1.25}]
    (tmp_path / "train_log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    text = summary(tmp_path)
    assert "  ground truth  truth 1\n  output        said 1\n" in text
    assert "Loss: 5.000 at step 10, 1.250 at the last\n" in text
    made = text[text.index("Made:") :]
    assert "predictions.tsv" in made
    assert "train_log.jsonl" in made
    assert "loss.png" not in made


@pytest.mark.parametrize("text", [f"{HEADER}\n", "SMILES\tanswer\nC\tx\n"])
def test_a_table_without_predictions_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "predictions.tsv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="no predictions"):
        examples_of(tmp_path / "predictions.tsv")


def test_the_command_says_what_it_misses_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main([str(tmp_path)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("error: ") for line in lines)
    predictions(tmp_path, 2)
    assert main([str(tmp_path)]) == 0
    assert "said 1" in capsys.readouterr().out
