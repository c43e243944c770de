import io
import sys

import pytest

from mindformers.tools import progress
from mindformers.tools.progress import Progress, duration


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture()
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.9, "00:00"), (61, "01:01"), (3599.9, "59:59"), (3600, "1:00:00"), (90061, "25:01:01")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_lines_with_rate_and_time_left(clock: Clock, capsys) -> None:
    with Progress("encoding", total=200, unit="rows") as work:
        clock.now += 5
        work.update(10)
        assert capsys.readouterr().err == ""
        clock.now += 15
        work.update(30)
        assert capsys.readouterr().err == "encoding: 40/200 (20%) rows, 2.0 rows/s, 00:20 elapsed, 01:20 left\n"
        clock.now += 5
        work.update(160)
    assert capsys.readouterr().err == "encoding: 200/200 (100%) rows, 8.0 rows/s, 00:25 elapsed\n"


def test_without_a_total(clock: Clock, capsys) -> None:
    with Progress("reading", None, "lines") as work:
        clock.now += 2
        work.update()
    assert capsys.readouterr().err == "reading: 1 lines, 0.5 lines/s, 00:02 elapsed\n"


def test_nothing_is_said_of_no_work_or_after_an_error(clock: Clock, capsys) -> None:
    with Progress("idle", 5):
        pass
    with pytest.raises(ValueError), Progress("failing", 5) as work:
        work.update()
        raise ValueError
    assert capsys.readouterr().err == ""


def test_a_bar_on_a_terminal(monkeypatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("encoding", 4, "rows") as work:
        work.update(3)
        work.update()
    shown = terminal.getvalue()
    assert "encoding" in shown and "4/4" in shown and "100%" in shown
    assert "elapsed" not in shown
