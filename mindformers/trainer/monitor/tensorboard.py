"""TensorBoard's event files, by the small writer of tensorboardX; without that package there are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mindformers.tools.logging import get_logger
from mindformers.trainer.monitor.reports import EvaluationReport, StepReport, finite_or_none

logger = get_logger(__name__)


class EventFile:
    """Scalars of every report, under `train/` and `eval/`.

    Args:
        folder: where the event files go.
        first_step: steps that an earlier run has done; TensorBoard then hides its later ones.
    """

    def __init__(self, folder: Path, first_step: int = 0) -> None:
        self._writer = _writer(folder, first_step)

    def step(self, report: StepReport) -> None:
        """Write a step."""
        skip = ("step", "epoch", "overflow")
        self._add("train", {name: value for name, value in report.row().items() if name not in skip}, report.step)

    def evaluation(self, report: EvaluationReport) -> None:
        """Write an evaluation, that of every modality too."""
        for modality, measures in report.measures.items():
            self._add("eval" if modality == "total" else f"eval_{modality}", measures, report.step)

    def close(self) -> None:
        """Write what is still in memory."""
        if self._writer is not None:
            self._writer.close()

    def _add(self, group: str, values: dict[str, Any], step: int) -> None:
        if self._writer is None:
            return
        for name, value in values.items():
            if value is not None and finite_or_none(value) is not None:
                self._writer.add_scalar(f"{group}/{name}", value, step)


def _writer(folder: Path, first_step: int) -> Any:
    """None, with a line that says so, where the package is not installed."""
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        logger.warning("callbacks SummaryMonitor: no TensorBoard files; 'pip install tensorboardX==2.6.5' makes them")
        return None
    return SummaryWriter(str(folder), purge_step=first_step + 1 if first_step else None)
