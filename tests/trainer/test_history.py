"""Log lines that a user of MindFormers knows, and their file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mindformers.trainer import history as history_module
from mindformers.trainer.history import History, StepReport, read_rows


def report(step: int, loss: float = 2.345, overflowed: bool = False) -> StepReport:
    return StepReport(
        step=step,
        epoch=1 + (step - 1) // 100,
        step_in_epoch=1 + (step - 1) % 100,
        loss=loss,
        lr=5e-5,
        grad_norm=1.2,
        tokens_per_s=1234.5,
        loss_scale=8192,
        seconds_per_step=0.123,
        overflowed=overflowed,
    )


def steps_in(folder: Path) -> list[int]:
    return [row["step"] for row in read_rows(folder / "train_log.jsonl")]


def test_the_line_is_mindformers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(history_module.logger, "info", lambda text, *values: said.append(text % values))
    History(tmp_path, epochs=2, steps_per_epoch=100).add(report(105))
    # 95 steps of 0.123 s are left
    assert said == [
        "{ Epoch:[  2/  2], step:[    5/  100], loss: 2.345, per_step_time: 123ms, lr: 5e-05, overflow cond: False, "
        "loss_scale: 8192, global_norm: [1.2] } 1234 tokens/s, 00:11 left"
    ]


def test_a_row_is_written_at_once(tmp_path: Path) -> None:
    History(tmp_path, 2, 100).add(report(105))
    (line,) = (tmp_path / "train_log.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == {
        "step": 105,
        "epoch": 2,
        "loss": 2.345,
        "lr": 5e-5,
        "grad_norm": 1.2,
        "tokens_per_s": 1234.5,
        "loss_scale": 8192,
    }


def filled(folder: Path, *steps: int) -> None:
    one = History(folder, 2, 100)
    for step in steps:
        one.add(report(step))


def test_a_new_run_begins_a_new_log(tmp_path: Path) -> None:
    filled(tmp_path, 1, 2, 3)
    History(tmp_path, 2, 100)
    assert steps_in(tmp_path) == []


def test_a_resumed_run_keeps_the_lines_up_to_its_start(tmp_path: Path) -> None:
    filled(tmp_path, 1, 2, 3)
    History(tmp_path, 2, 100, first_step=2).add(report(3))
    assert steps_in(tmp_path) == [1, 2, 3]


def test_a_log_that_is_not_there_has_no_rows(tmp_path: Path) -> None:
    assert read_rows(tmp_path / "none.jsonl") == []


@pytest.mark.parametrize("steps", [(), (1,), (1, 2, 3)])
def test_the_picture_is_a_png(tmp_path: Path, steps: tuple[int, ...]) -> None:
    filled(tmp_path, *steps)
    path = History(tmp_path, 2, 100, first_step=9).draw()
    assert path == tmp_path / "loss.png"
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_a_step_without_a_finite_loss_is_drawn_as_a_gap(tmp_path: Path) -> None:
    one = History(tmp_path, 2, 100)
    for step, loss in ((1, 3.0), (2, float("nan")), (3, 2.0)):
        one.add(report(step, loss, overflowed=loss != loss))
    assert one.draw().stat().st_size > 10_000


def test_a_line_that_a_killed_run_could_not_finish_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"step": 1, "loss": 2.0}\n\0\0\0\n7\n{"step": 2, "lo')
    assert read_rows(path) == [{"step": 1, "loss": 2.0}]
