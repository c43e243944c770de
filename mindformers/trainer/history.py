"""What a training run leaves for its reader: lines on the screen, `train_log.jsonl`, `loss.png`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mindformers.tools.files import naming, replaced_file
from mindformers.tools.logging import get_logger
from mindformers.tools.progress import duration

logger = get_logger(__name__)


@dataclass(frozen=True)
class StepReport:
    """One logged step.

    Args:
        step: steps done since the start of training.
        epoch: from 1.
        step_in_epoch: from 1.
        loss: mean over the steps since the last report, nats per token.
        lr: learning rate.
        grad_norm: global norm of the gradients before clipping.
        tokens_per_s: tokens read per second, padding included, since the last report.
        loss_scale: the factor on the loss.
        seconds_per_step: mean since the last report.
        overflowed: whether the step was left out because its gradients were not finite.
    """

    step: int
    epoch: int
    step_in_epoch: int
    loss: float
    lr: float
    grad_norm: float
    tokens_per_s: float
    loss_scale: float
    seconds_per_step: float
    overflowed: bool

    def row(self) -> dict[str, Any]:
        """The line of `train_log.jsonl`."""
        names = ("step", "epoch", "loss", "lr", "grad_norm", "tokens_per_s", "loss_scale")
        return {name: getattr(self, name) for name in names}


class History:
    """Writes reports as they come, and the picture at the end.

    Args:
        folder: where `train_log.jsonl` and `loss.png` go.
        epochs, steps_per_epoch: the size of the run.
        first_step: steps that an earlier run has done; its later lines are dropped, the others kept.
    """

    def __init__(self, folder: str | Path, epochs: int, steps_per_epoch: int, first_step: int = 0) -> None:
        self.folder, self.epochs, self.steps_per_epoch = Path(folder), epochs, steps_per_epoch
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path = self.folder / "train_log.jsonl"
        kept = [row for row in read_rows(self.path) if row["step"] <= first_step] if first_step else []
        with replaced_file(self.path) as beside:
            beside.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")

    def add(self, report: StepReport) -> None:
        """Show and keep one report."""
        with naming(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(report.row()) + "\n")
        left = (self.epochs * self.steps_per_epoch - report.step) * report.seconds_per_step
        logger.info(
            "{ Epoch:[%3d/%3d], step:[%5d/%5d], loss: %.3f, per_step_time: %dms, lr: %.3g, overflow cond: %s, "
            "loss_scale: %g, global_norm: [%.3g] } %.0f tokens/s, %s left",
            report.epoch,
            self.epochs,
            report.step_in_epoch,
            self.steps_per_epoch,
            report.loss,
            report.seconds_per_step * 1000,
            report.lr,
            report.overflowed,
            report.loss_scale,
            report.grad_norm,
            report.tokens_per_s,
            duration(left),
        )

    def draw(self) -> Path:
        """Draw the loss curve of all kept reports. Returns the picture's path."""
        return draw_loss(read_rows(self.path), self.folder / "loss.png")


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a `train_log.jsonl`; none where there is no file.

    A line that a killed run could not finish is left out: its step is done again.
    """
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [row for line in lines if (row := _row_of(line)) is not None]


def _row_of(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and "step" in row else None


def draw_loss(rows: list[dict[str, Any]], path: Path) -> Path:
    """A picture of loss and learning rate over the steps."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    steps = [row["step"] for row in rows]
    left.plot(steps, [row["loss"] for row in rows], color="#1f5fa8")
    left.set(title="Training loss", xlabel="step", ylabel="nats per token", ylim=(0, None))
    right.plot(steps, [row["lr"] for row in rows], color="#b3541e")
    right.set(title="Learning rate", xlabel="step", ylim=(0, None))
    for axis in (left, right):
        axis.grid(alpha=0.3)
        axis.spines[["top", "right"]].set_visible(False)
    with replaced_file(path) as beside:
        figure.savefig(beside, format="png", dpi=120)
    pyplot.close(figure)
    return path
