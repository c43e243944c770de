"""What the picture shows, asked of the axes themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from mindformers.trainer.monitor.picture import draw_losses
from tests.trainer.monitor.report_makers import evaluation_report, step_report

LOSSES = (3.0, float("nan"), 2.0)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Draws rows and returns the two panels."""
    panels: list[Any] = []
    save = Figure.savefig

    def keep(self: Figure, *given: Any, **more: Any) -> None:
        panels.extend(self.axes)
        save(self, *given, **more)

    monkeypatch.setattr(Figure, "savefig", keep)

    def draw(training: list[dict[str, Any]], evaluation: list[dict[str, Any]]) -> list[Any]:
        assert draw_losses(training, evaluation, tmp_path / "loss.png").stat().st_size > 10_000
        return panels

    return draw


def rows() -> list[dict[str, Any]]:
    return [step_report(step, loss, smooth_loss=loss).row() for step, loss in enumerate(LOSSES, 1)]


def test_without_evaluations_the_rate_stands_beside_the_loss(drawn: Any) -> None:
    left, right = drawn(rows(), [])
    assert (left.get_title(), right.get_title()) == ("Training loss", "Learning rate")
    for line in left.get_lines():
        np.testing.assert_array_equal(line.get_ydata(), LOSSES)  # the step that overflowed is a gap


def test_evaluations_stand_beside_the_training_on_the_same_scale(drawn: Any) -> None:
    evaluations = [evaluation_report(1, 4.0), evaluation_report(2, 2.5, 4.0), evaluation_report(3, 3.5, 2.5)]
    left, right = drawn(rows(), [report.row() for report in evaluations])
    assert (left.get_title(), right.get_title()) == ("Training loss", "Evaluation loss")
    assert left.get_ylim() == right.get_ylim()
    curve, star = right.get_lines()
    assert (list(curve.get_xdata()), list(curve.get_ydata())) == ([1, 2, 3], [4.0, 2.5, 3.5])
    assert (star.get_xdata(), star.get_ydata(), star.get_label()) == ([2], [2.5], "best, step 2")
