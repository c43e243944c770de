"""Event files that can be read back, and a run without the package that writes them."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

from mindformers.trainer.monitor import tensorboard as module
from mindformers.trainer.monitor.tensorboard import EventFile
from tests.trainer.monitor.report_makers import evaluation_report, step_report


def scalars_in(folder: Path) -> dict[tuple[str, int], float]:
    """(name, step) to value, by the layout of a record: length, its checksum, content, its checksum."""
    event_pb2 = pytest.importorskip("tensorboardX.proto.event_pb2", reason="tensorboardX is not installed")
    (file,) = folder.iterdir()
    content, found = file.read_bytes(), {}
    while content:
        size = int.from_bytes(content[:8], "little")
        event = event_pb2.Event.FromString(content[12 : 12 + size])
        found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
        content = content[16 + size :]
    return found


def test_every_finite_scalar_is_in_the_file(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed")
    events = EventFile(tmp_path / "summary")
    events.step(step_report(10, 2.5))
    events.step(step_report(20, math.nan, mfu=None))
    events.evaluation(evaluation_report(20, 1.5))
    events.close()
    found = scalars_in(tmp_path / "summary")
    assert found["train/loss", 10] == 2.5
    assert found["train/lr", 20] == pytest.approx(5e-5)
    assert (found["eval/loss", 20], found["eval_molecule/accuracy", 20]) == (1.5, 0.25)
    assert not {("train/loss", 20), ("train/mfu", 20), ("train/step", 10)} & found.keys()


def test_without_the_package_there_is_one_line_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(module.logger, "warning", said.append)
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    events = EventFile(tmp_path / "summary")
    events.step(step_report(10))
    events.evaluation(evaluation_report(10, 1.5))
    events.close()
    assert len(said) == 1
    assert "pip install tensorboardX" in said[0]
    assert not (tmp_path / "summary").exists()
