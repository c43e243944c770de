"""What is told of a run while it goes on, and to whom."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

GIGABYTE = 1e9


@dataclass(frozen=True)
class StepReport:
    """One logged step. Means and speeds are those since the last report.

    Args:
        step, total_steps: steps done since the start of training, and those of the whole run.
        epoch, epochs: from 1, and how many there are.
        step_in_epoch, steps_per_epoch: the same for the steps of an epoch.
        loss: mean over the steps, nats per token; NaN where none was finite.
        smooth_loss: moving average over the last tenth of the steps so far, a hundred at most.
        lr: learning rate.
        grad_norm: global norm of the last step's gradients before clipping.
        loss_scale: the factor on the loss.
        tokens_per_s: tokens read per second, padding included.
        seconds_per_step: mean.
        mfu: share of the device's peak that the model's own operations need, 0 to 1; None where no peak is known.
        overflowed: whether a step was left out because its gradients were not finite.
        skipped: such steps since the start of training.
        memory, peak_memory: of this process now and at most, bytes; None where the system does not tell.
    """

    step: int
    total_steps: int
    epoch: int
    epochs: int
    step_in_epoch: int
    steps_per_epoch: int
    loss: float
    smooth_loss: float
    lr: float
    grad_norm: float
    loss_scale: float
    tokens_per_s: float
    seconds_per_step: float
    mfu: float | None
    overflowed: bool
    skipped: int
    memory: int | None
    peak_memory: int | None

    @property
    def seconds_left(self) -> float:
        """Until the end of the run at this speed."""
        return (self.total_steps - self.step) * self.seconds_per_step

    def row(self) -> dict[str, Any]:
        """The line of `train_log.jsonl`. What is not finite is null, as JSON has no word for it."""
        return {
            "step": self.step,
            "epoch": self.epoch,
            "loss": finite_or_none(self.loss),
            "smooth_loss": finite_or_none(self.smooth_loss),
            "lr": self.lr,
            "grad_norm": finite_or_none(self.grad_norm),
            "tokens_per_s": self.tokens_per_s,
            "seconds_per_step": self.seconds_per_step,
            "mfu": self.mfu,
            "loss_scale": self.loss_scale,
            "overflow": self.overflowed,
            "skipped": self.skipped,
            "memory_gb": _gigabytes(self.memory),
            "peak_memory_gb": _gigabytes(self.peak_memory),
        }


@dataclass(frozen=True)
class EvaluationReport:
    """An evaluation during training.

    Args:
        step, epoch: after which.
        measures: as from `evaluating.Evaluation`.
        metric, value: what the best checkpoint is chosen by.
        best: the best value before this one; None for the first.
        is_best: whether this one is better.
    """

    step: int
    epoch: int
    measures: Mapping[str, Mapping[str, float]]
    metric: str
    value: float
    best: float | None
    is_best: bool

    def row(self) -> dict[str, Any]:
        """The line of `train_log.jsonl`."""
        total = {f"eval_{name}": finite_or_none(value) for name, value in self.measures["total"].items()}
        return {"step": self.step, "epoch": self.epoch, **total, "is_best": self.is_best}


class Listener(Protocol):
    """Whoever wants to know."""

    def step(self, report: StepReport) -> None:
        """A step is logged."""

    def evaluation(self, report: EvaluationReport) -> None:
        """An evaluation is done."""

    def close(self) -> None:
        """The run ends, as planned or not."""


class Reports:
    """Tells every listener. Use as a context manager.

    Args:
        listeners: in the order in which they are told.
    """

    def __init__(self, listeners: Iterable[Listener]) -> None:
        self.listeners = list(listeners)

    def __enter__(self) -> Reports:
        return self

    def __exit__(self, *error: object) -> None:
        for listener in self.listeners:
            listener.close()

    def step(self, report: StepReport) -> None:
        """Pass on a logged step."""
        for listener in self.listeners:
            listener.step(report)

    def evaluation(self, report: EvaluationReport) -> None:
        """Pass on an evaluation."""
        for listener in self.listeners:
            listener.evaluation(report)


def finite_or_none(value: float) -> float | None:
    """`value` where it is a finite number."""
    return value if math.isfinite(value) else None


def _gigabytes(count: int | None) -> float | None:
    return None if count is None else round(count / GIGABYTE, 3)
