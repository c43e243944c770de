"""The log file: whole JSON in every line, whatever happened; and the picture."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from mindformers.trainer.monitor.history import History, evaluation_rows, read_rows, training_rows
from tests.trainer.monitor.report_makers import evaluation_report, step_report


def steps_in(folder: Path) -> list[int]:
    return [row["step"] for row in read_rows(folder / "train_log.jsonl")]


def lines_in(folder: Path) -> list[str]:
    return (folder / "train_log.jsonl").read_text(encoding="utf-8").splitlines()


def filled(folder: Path, *steps: int) -> None:
    one = History(folder)
    for step in steps:
        one.step(step_report(step))


def test_a_row_is_written_at_once(tmp_path: Path) -> None:
    filled(tmp_path, 105)
    (line,) = lines_in(tmp_path)
    assert json.loads(line) == {
        "step": 105,
        "epoch": 2,
        "loss": 2.345,
        "smooth_loss": 2.4,
        "lr": 5e-5,
        "grad_norm": 1.2,
        "tokens_per_s": 1234.4,
        "seconds_per_step": 0.123,
        "mfu": 0.415,
        "loss_scale": 8192,
        "overflow": False,
        "skipped": 0,
        "memory_gb": 2.1,
        "peak_memory_gb": 3.0,
    }


def test_what_is_not_finite_is_null(tmp_path: Path) -> None:
    changes = {"grad_norm": math.inf, "smooth_loss": math.nan, "overflowed": True, "memory": None}
    History(tmp_path).step(step_report(1, math.nan, **changes))
    (line,) = lines_in(tmp_path)
    row = json.loads(line, parse_constant=pytest.fail)
    assert [row[name] for name in ("loss", "smooth_loss", "grad_norm", "memory_gb")] == [None] * 4
    assert row["overflow"] is True


def test_an_evaluation_has_a_row_of_its_own(tmp_path: Path) -> None:
    one = History(tmp_path)
    one.step(step_report(9))
    one.evaluation(evaluation_report(9, 1.5))
    rows = read_rows(tmp_path / "train_log.jsonl")
    measures = {"eval_loss": 1.5, "eval_perplexity": 10.0, "eval_accuracy": 0.25, "eval_tokens": 40}
    assert evaluation_rows(rows) == [{"step": 9, "epoch": 1, **measures, "is_best": True}]
    assert [row["loss"] for row in training_rows(rows)] == [2.345]


def test_a_new_run_begins_a_new_log(tmp_path: Path) -> None:
    filled(tmp_path, 1, 2, 3)
    History(tmp_path)
    assert steps_in(tmp_path) == []


def test_a_resumed_run_keeps_the_lines_up_to_its_start(tmp_path: Path) -> None:
    filled(tmp_path, 1, 2, 3)
    History(tmp_path, first_step=2).step(step_report(3))
    assert steps_in(tmp_path) == [1, 2, 3]


def test_a_log_that_is_not_there_has_no_rows(tmp_path: Path) -> None:
    assert read_rows(tmp_path / "none.jsonl") == []


def test_a_line_that_a_killed_run_could_not_finish_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step": 1, "loss": 2.0}\n\0\0\0\n7\n{"step": 2, "lo')
    assert read_rows(path) == [{"step": 1, "loss": 2.0}]


@pytest.mark.parametrize("steps", [(), (1,), (1, 2, 3)])
def test_the_picture_is_a_png(tmp_path: Path, steps: tuple[int, ...]) -> None:
    filled(tmp_path, *steps)
    History(tmp_path, first_step=9).close()
    assert (tmp_path / "loss.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
