"""What a training run leaves for its reader: `train_log.jsonl` and `loss.png`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mindformers.tools.files import naming, replaced_file
from mindformers.trainer.monitor.picture import draw_losses
from mindformers.trainer.monitor.reports import EvaluationReport, StepReport


class History:
    """Writes a line per report as it comes, and the picture at the end.

    Args:
        folder: where `train_log.jsonl` and `loss.png` go.
        first_step: steps that an earlier run has done; its later lines are dropped, the others kept.
    """

    def __init__(self, folder: str | Path, first_step: int = 0) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path = self.folder / "train_log.jsonl"
        kept = [row for row in read_rows(self.path) if row["step"] <= first_step] if first_step else []
        with replaced_file(self.path) as beside:
            beside.write_text("".join(_line(row) for row in kept), encoding="utf-8")

    def step(self, report: StepReport) -> None:
        """Keep a step."""
        self._append(report.row())

    def evaluation(self, report: EvaluationReport) -> None:
        """Keep an evaluation."""
        self._append(report.row())

    def close(self) -> None:
        """Draw the curves of all kept reports."""
        rows = read_rows(self.path)
        draw_losses(training_rows(rows), evaluation_rows(rows), self.folder / "loss.png")

    def _append(self, row: dict[str, Any]) -> None:
        with naming(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(_line(row))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a `train_log.jsonl`; none where there is no file.

    A line that a killed run could not finish is left out: its step is done again.
    """
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [row for line in lines if (row := _row_of(line)) is not None]


def training_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of steps."""
    return [row for row in rows if "loss" in row]


def evaluation_rows(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of evaluations."""
    return [row for row in rows if "eval_loss" in row]


def _row_of(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and "step" in row else None


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, allow_nan=False) + "\n"
