"""The benchmark's arithmetic, and the benchmark itself in miniature."""

from __future__ import annotations

import json
import time
from pathlib import Path

import mindspore as ms
import pytest

from benchmarks import routed_ffn
from benchmarks.timing import Timing, compare, table


def test_cases_run_in_turn_and_are_compared_with_the_first() -> None:
    calls: list[str] = []

    def case(name: str, seconds: float):
        def call() -> None:
            calls.append(name)
            time.sleep(seconds)

        return call

    goals = {"fast": 2.0, "middle": 50.0}
    cases = {"slow": case("slow", 0.03), "middle": case("middle", 0.03), "fast": case("fast", 0.001)}
    slow, middle, fast = compare("sleep", cases, goals, seconds=0, least_rounds=3)
    rounds = [tuple(calls[-9:][start : start + 3]) for start in (0, 3, 6)]
    assert all(sorted(names) == ["fast", "middle", "slow"] for names in rounds)
    assert len(set(rounds)) > 1
    assert slow.ratio == 1.0
    assert slow.milliseconds >= slow.fastest >= 30
    assert 0.3 < middle.ratio < 3
    assert fast.ratio > 2
    assert (slow.is_reached, middle.is_reached, fast.is_reached) == (True, False, True)


def test_the_table_has_a_heading_per_group_and_says_what_was_missed() -> None:
    timings = [
        Timing("decode", "dense", 10.0, 9.0, 1.0, None),
        Timing("decode", "native", 2.0, 1.5, 5.0, 6.0),
        Timing("training", "dense", 100.0, 90.0, 1.0, None),
    ]
    lines = table(timings).splitlines()
    assert [line for line in lines if line and not line.startswith(" ")] == ["decode", "training"]
    assert lines[2].split() == ["native", "2.000", "ms", "(fastest", "1.500)", "5.00x", "goal", "6.00x", "MISSED"]


@pytest.mark.usefixtures("library")
def test_the_benchmark_runs_and_saves_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(routed_ffn, "D", 32)
    monkeypatch.setattr(routed_ffn, "F", 64)
    monkeypatch.setattr(routed_ffn, "TRAIN_LENGTH", 8)
    mode = ms.get_context("mode")
    target = tmp_path / "figures.json"
    monkeypatch.setattr("sys.argv", ["routed_ffn", "--json", str(target), "--seconds", "0"])
    try:
        routed_ffn.main()
    finally:
        ms.set_context(mode=mode)
    figures = json.loads(target.read_text())
    assert len(figures) == 3 * 5
    forms = {routed_ffn.DENSE, routed_ffn.PUBLISHED, routed_ffn.MASKED, routed_ffn.EXACT, routed_ffn.PREDICTED}
    assert {figure["name"] for figure in figures} == forms
    assert all(figure["milliseconds"] > 0 for figure in figures)
    assert capsys.readouterr().out.count("native, learned router") == 3
