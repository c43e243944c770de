"""Log lines that a user of MindFormers knows, and a bar on a terminal."""

from __future__ import annotations

import io
import logging
import math

import pytest

from mindformers.tools.logging import get_logger
from mindformers.trainer.monitor import console as module
from mindformers.trainer.monitor.console import Console, step_line
from tests.trainer.monitor.report_makers import evaluation_report, step_report


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(module.logger, "info", lambda text, *values: lines.append(text % values))
    return lines


def test_the_line_begins_as_mindformers(said: list[str]) -> None:
    Console(200).step(step_report(105))
    # 95 steps of 0.123 s are left
    assert said == [
        "{ Epoch:[  2/  2], step:[    5/  100], loss: 2.345, per_step_time: 123ms, lr: 5e-05, overflow cond: False, "
        "loss_scale: 8192, global_norm: [1.2] } 52.5 %, smooth loss 2.400, 1234 tokens/s, MFU 42 %, "
        "2.10 GB (peak 3.00), 00:11 left"
    ]


def test_what_is_not_known_is_left_out_and_what_was_skipped_said() -> None:
    line = step_line(step_report(1, mfu=None, memory=None, smooth_loss=math.nan, skipped=3, overflowed=True))
    assert line.endswith("} 0.5 %, 1234 tokens/s, 3 steps left out, 00:24 left")
    assert "overflow cond: True" in line


def test_a_better_evaluation_is_said_with_the_one_before(said: list[str]) -> None:
    one = Console(200)
    one.evaluation(evaluation_report(100, 2.5))
    one.evaluation(evaluation_report(200, 2.0, best=2.5))
    one.evaluation(evaluation_report(300, 2.25, best=2.0))
    accuracy = {"metric": "accuracy.molecule", "value": 0.5, "best": 0.25, "is_best": True}
    one.evaluation(evaluation_report(400, 3.0, **accuracy))
    assert said[0] == "evaluation after step 100: loss 2.5000, perplexity 10.00, token accuracy 25.0 %, 40 tokens"
    news = [line for line in said if "updated" in line]
    wanted = ["min eval loss updated 2.5000 --> 2.0000", "max eval accuracy.molecule updated 0.2500 --> 0.5000"]
    assert news == wanted


def test_on_a_terminal_lines_stand_above_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", screen)
    handler = next(h for h in get_logger("mindformers").handlers if type(h) is not logging.FileHandler)
    monkeypatch.setattr(handler, "stream", screen)
    one = Console(200, first_step=100)
    one.step(step_report(150))
    one.close()
    written = screen.getvalue()
    assert "INFO { Epoch:[" in written
    assert "150/200" in written and "loss=2.400" in written
    handlers = get_logger("mindformers").handlers
    assert handler in handlers  # as before
