"""Where the time of steps went."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mindformers.trainer.monitor import step_times as module
from mindformers.trainer.monitor.step_times import DATA, GRAPH, HOST, StepTimes


@pytest.fixture
def take(monkeypatch: pytest.MonkeyPatch):
    """Runs steps of given seconds."""
    clock = type("Clock", (), {"now": 0.0, "perf_counter": lambda self: self.now})()
    monkeypatch.setattr(module, "time", clock)

    def run(times: StepTimes, *steps: tuple[float, float, float]) -> None:
        times.restart()
        for step in steps:
            for part, seconds in zip((DATA, GRAPH, HOST), step, strict=True):
                clock.now += seconds
                times.lap(part)

    return run


def saved(times: StepTimes, path: Path) -> dict:
    times.save(path, tokens_per_step=500)
    return json.loads(path.read_text(encoding="utf-8"))


def test_parts_of_the_chosen_steps_are_kept(tmp_path: Path, take) -> None:
    times = StepTimes(2, 3)
    times.compile_seconds = 1.5
    take(times, (9, 9, 9), (0.1, 0.6, 0.3), (0.3, 0.6, 0.1), (9, 9, 9))
    found = saved(times, tmp_path / "profile.json")
    parts = found["parts"]
    assert (found["first_step"], found["num_steps"], found["compile_s"]) == (2, 2, 1.5)
    assert found["tokens_per_s"] == pytest.approx(500)
    assert [parts[name]["share"] for name in (DATA, GRAPH, HOST)] == pytest.approx([0.2, 0.6, 0.2])
    assert parts[DATA] == pytest.approx({"mean_ms": 200, "median_ms": 200, "max_ms": 300, "share": 0.2})


def test_a_run_that_ends_before_has_no_parts(tmp_path: Path, take) -> None:
    times = StepTimes(5, 6)
    take(times, (1, 1, 1))
    found = saved(times, tmp_path / "profile.json")
    assert (found["num_steps"], found["parts"], found["tokens_per_s"]) == (0, {}, None)
