"""The benchmark of decoding in miniature, the peer's process included."""

from __future__ import annotations

import json
from pathlib import Path

import mindspore as ms
import pytest

from benchmarks import decode
from mindformers.generation import drafting


@pytest.mark.usefixtures("library")
def test_the_benchmark_runs_and_saves_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("transformers")
    shape = {"hidden_size": 32, "num_layers": 1, "num_heads": 2, "intermediate_size": 64, "vocab_size": 140}
    monkeypatch.setattr(decode, "SHAPES", {decode.ROUTED_SIZE: shape})
    monkeypatch.setattr(decode, "PROMPT", 5)
    monkeypatch.setattr(decode, "NEW", 4)
    monkeypatch.setattr(drafting, "last_level_cache", lambda: 1024)
    target = tmp_path / "figures.json"
    mode = ms.get_context("mode")
    monkeypatch.setattr("sys.argv", ["decode", "--json", str(target), "--batches", "1,6", "--seconds", "0"])
    monkeypatch.chdir(tmp_path)
    try:
        decode.main()
    finally:
        ms.set_context(mode=mode)
    figures = json.loads(target.read_text())
    guessed = [decode.PEER, decode.GUESSING, decode.OURS, decode.ROUTED]
    assert [figure["name"] for figure in figures] == guessed * 2 + [decode.PEER, decode.OURS, decode.ROUTED] * 2
    assert all(isinstance(figure["milliseconds"], float) for figure in figures)
    printed = capsys.readouterr().out
    assert printed.count(decode.ROUTED) == 4
    assert "tokens guessed" in printed
