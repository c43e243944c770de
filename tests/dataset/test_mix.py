"""Folders of instructions to mixed tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mindformers.dataset.mix import main
from mindformers.dataset.mixing import MixOptions, MixReport, mix
from mindformers.dataset.sources import make_source
from mindformers.tools.errors import InputError


def _row(question: str, answer: str = "a", given: str = "") -> dict[str, str]:
    return {"instruction": question, "input": given, "output": answer}


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders: 40 rows with a repetition, and a line file with one; both with files that cannot be read."""
    first, second = tmp_path / "first", tmp_path / "second"
    (first / "deeper").mkdir(parents=True)
    second.mkdir()
    rows = [_row(f"question {number}") for number in range(40)]
    (first / "deeper" / "list.json").write_text(json.dumps([*rows, _row(" Question 3"), _row("question 3", "other")]))
    (first / "README.md").write_text("about")
    lines = [
        json.dumps(_row("question 5")),
        '{"instruction"',
        json.dumps(_row("面试", "好", "输入")),
        json.dumps(_row("")),
    ]
    (second / "lines.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (second / "broken.json").write_text('[\n{"instruction": "before", "output": "x"},\n{"instr')
    return first, second


def _mix(folders: tuple[Path, Path], output: Path, **options: Any) -> MixReport:
    return mix(MixOptions(tuple(map(str, folders)), output, **options))


def _tables(folder: Path) -> list[list[dict[str, Any]]]:
    paths = [folder / f"mixed_{split}_dataset.jsonl" for split in ("train", "dev")]
    return [[json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] for path in paths]


def test_every_row_once_and_every_fault_told(folders: tuple[Path, Path], tmp_path: Path) -> None:
    report = _mix(folders, tmp_path / "out", report=tmp_path / "r.json")
    train, dev = _tables(tmp_path / "out")
    contexts = sorted(row["context"] for row in train + dev)
    questions = [f"question {number}" for number in range(40)] + ["question 3", "before"]
    ready = [f"Instruction: {question}\nAnswer: " for question in questions]
    assert contexts == sorted([*ready, "Instruction: 面试\nInput: 输入\nAnswer: "])
    assert [(Path(row.file).relative_to(tmp_path).as_posix(), row.line) for row in report.bad] == [
        ("first/README.md", 0),
        ("second/broken.json", 0),
        ("second/lines.jsonl", 2),
        ("second/lines.jsonl", 4),
    ]
    assert "line 3 column 2: broken JSON" in report.bad[1].reason
    written = json.loads((tmp_path / "r.json").read_text())
    assert [one["duplicate_rows"] for one in written["inputs"]] == [1, 1]
    assert written["train_rows"] + written["dev_rows"] == 43 == len(train) + len(dev)
    assert written["rows_read"] == written["bad_rows"] + written["duplicate_rows"] + 43
    assert [row["reason"] for row in written["bad"]] == [row.reason for row in report.bad]


def test_a_prompt_is_on_one_side(folders: tuple[Path, Path], tmp_path: Path) -> None:
    for seed in range(8):
        _mix(folders, tmp_path / "out", dev=0.5, seed=seed)
        train, dev = _tables(tmp_path / "out")
        assert len(dev) > 8 and len(train) > 8
        assert not {row["context"] for row in train} & {row["context"] for row in dev}


def test_the_same_bytes_in_any_order_of_inputs_and_mixed(folders: tuple[Path, Path], tmp_path: Path) -> None:
    _mix(folders, tmp_path / "one")
    _mix((folders[1], folders[0]), tmp_path / "two")
    one, two = (_tables(tmp_path / name) for name in ("one", "two"))
    assert one[0] != sorted(one[0], key=lambda row: row["context"])
    assert [row["context"].lower() for row in one[0]] == [row["context"].lower() for row in two[0]]


@pytest.mark.parametrize("form", ["context_target", "alpaca", "qa"])
def test_a_source_reads_the_tables_again(form: str, folders: tuple[Path, Path], tmp_path: Path) -> None:
    _mix(folders, tmp_path / "out", format=form, dev=0.0)
    rows = list(make_source(form).read(tmp_path / "out" / "mixed_train_dataset.jsonl"))
    assert len(rows) == 43
    assert {row.turns[1].text for row in rows} == {"a", "other", "x", "好"}
    with_input = next(row.turns[0] for row in rows if "面试" in row.turns[0].text)
    assert "输入" in (with_input.input or with_input.text)


def test_most_rows_of_an_input(folders: tuple[Path, Path], tmp_path: Path) -> None:
    report = _mix(folders, tmp_path / "out", max_per_input=2, dev=0.0)
    assert [counts.train_rows for counts in report.inputs] == [2, 2]


def test_ready_prompts_stay_as_they_are(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"context": "Ask:", "target": "t"}\n')
    mix(MixOptions((str(source),), tmp_path / "out", dataset_type="context_target", dev=0.0))
    assert _tables(tmp_path / "out") == [[{"context": "Ask:", "target": "t"}], []]


def test_what_the_format_cannot_hold_is_reported(tmp_path: Path) -> None:
    said = [{"from": who, "value": "x"} for who in ("human", "gpt", "human", "gpt")]
    source = tmp_path / "qa.json"
    source.write_text(json.dumps([{"conversation": said}, {"conversation": said[:2]}]))
    for form, reason in [("alpaca", "several rounds"), ("context_target", "2 rounds, but this template has 1")]:
        report = mix(MixOptions((str(source),), tmp_path / "out", dataset_type="qa", format=form, dev=0.0))
        assert len(report.bad) == 1 and report.bad[0].reason.startswith(reason)
    mix(MixOptions((str(source),), tmp_path / "out", dataset_type="qa", template="vicuna", dev=0.0))
    assert sorted(row["context"].count("USER:") for row in _tables(tmp_path / "out")[0]) == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "nowhere", "--output", "out"], "error: --input 'nowhere': not found"),
        (["--input", "x", "--output", "out", "--dev", "1"], "error: --dev: 1.0; expected a share"),
        (
            ["--input", "x", "--output", "out", "--dataset_type", "alpacca"],
            "error: dataset_type: unknown name 'alpacca'",
        ),
        (["--input", "bad.json", "--output", "out"], "error: --input: no usable row, the first bad one is bad.json"),
    ],
)
def test_unusable_input(arguments: list[str], message: str, tmp_path: Path, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.json").write_text("[1]")
    assert main(arguments) == 2
    assert [line for line in capsys.readouterr().err.splitlines() if line.startswith(message)]
    assert not list(tmp_path.glob("out/*"))


def test_the_command_tells_what_it_did(folders: tuple[Path, Path], tmp_path: Path, capsys: Any) -> None:
    assert main(["--input", *map(str, folders), "--output", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[3].split()[:5] == ["total", "4", "49", "4", "2"]
    assert sum(line.startswith("bad row: ") for line in printed.err.splitlines()) == 4
    with pytest.raises(InputError):
        mix(MixOptions(("x",), tmp_path, max_per_input=0))
