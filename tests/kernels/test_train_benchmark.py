"""The benchmark of training in miniature, the peer's process included, which must find the same losses."""

from __future__ import annotations

import json
from pathlib import Path

import mindspore as ms
import pytest

from benchmarks import train


@pytest.mark.usefixtures("library")
def test_the_benchmark_runs_and_saves_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("transformers")
    shape = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "intermediate_size": 64, "vocab_size": 256}
    monkeypatch.setattr(train, "SHAPES", {"10m": shape})
    monkeypatch.setattr(train, "LENGTH", 12)
    target = tmp_path / "figures.json"
    mode = ms.get_context("mode")
    monkeypatch.setattr("sys.argv", ["train", "--json", str(target), "--seconds", "0"])
    try:
        train.main()
    finally:
        ms.set_context(mode=mode)
    figures = json.loads(target.read_text())
    beside = [train.OURS, train.MASKED, train.EXACT, train.LEARNED, train.LORA]
    assert [figure["name"] for figure in figures] == [train.PEER, train.OURS, *beside]
    assert all(figure["milliseconds"] > 0 for figure in figures)
    assert "our step compiled in" in capsys.readouterr().out


def test_sides_that_differ_are_refused() -> None:
    class Side:
        def __init__(self, loss: float) -> None:
            self.loss = loss

        def take(self, *given: object) -> float:
            return self.loss

    train.check_equal(Side(2.0), Side(2.0001), None)
    with pytest.raises(SystemExit, match="do not compute the same"):
        train.check_equal(Side(2.0), Side(2.1), None)
