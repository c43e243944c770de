import json
import subprocess
import sys
from pathlib import Path

import pytest

from mindformers.dataset.lpm24.command import main

SOURCE = Path(__file__).parent / "train_props.txt"
ROOT = Path(__file__).parents[3]


def test_prints_the_figures(tmp_path: Path, capsys) -> None:
    arguments = ["--source", str(SOURCE), "--output", str(tmp_path), "--report", str(tmp_path / "r.json")]
    assert main([*arguments, "--holdout", "0.25", "--seed", "2", "--task", "smiles2text"]) == 0
    printed = dict(line.rsplit(None, 1) for line in capsys.readouterr().out.splitlines())
    report = json.loads((tmp_path / "r.json").read_text())
    assert printed["rows read"] == "48" == str(report["rows_read"])
    assert printed["train rows"] == str(report["train_rows"])
    assert printed["files written"] == "6"
    assert report["options"]["seed"] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--source", "missing.csv", "--output", "out"], "error: --source: 'missing.csv' not found"),
        (["--output", "out"], "error: arguments: the following arguments are required: --source"),
        (["--source", "s", "--output", "o", "--task", "both2"], "error: arguments: argument --task: invalid choice"),
        (["--source", str(SOURCE), "--output", str(SOURCE)], "error: "),
        (["--source", str(SOURCE), "--output", "out", "--holdout", "2"], "error: --holdout: 2.0"),
    ],
)
def test_unusable_input_is_one_line_and_status_2(
    tmp_path: Path, monkeypatch, capsys, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("reading ")]
    assert len(errors) == 1 and errors[0].startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_runs_as_a_module_without_mindspore(tmp_path: Path) -> None:
    run = "runpy.run_module('mindformers.dataset.lpm24', run_name='__main__')"
    code = f"import runpy, sys; sys.modules['mindspore'] = None; {run}"
    arguments = ["--source", str(SOURCE), "--output", str(tmp_path / "out"), "--workers", "1"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "train rows" in done.stdout
    assert "reading train_props.txt: 48 rows" in done.stderr
