"""Training on the screen: MindFormers' log line for every report, and on a terminal a bar below them."""

from __future__ import annotations

import math
import sys
from contextlib import ExitStack

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from mindformers.tools.logging import get_logger
from mindformers.tools.progress import duration
from mindformers.trainer.monitor.reports import GIGABYTE, EvaluationReport, StepReport

logger = get_logger(__name__)


class Console:
    """Log lines, and the bar where standard error is a terminal.

    Args:
        total_steps: of the whole run.
        first_step: steps that are done already.
    """

    def __init__(self, total_steps: int, first_step: int = 0) -> None:
        self._stack, self._bar = ExitStack(), None
        if sys.stderr.isatty():
            self._bar = tqdm(total=total_steps, initial=first_step, desc="training", unit=" steps", file=sys.stderr)
            self._stack.enter_context(self._bar)
            # Lines then stand above the bar and do not break it.
            self._stack.enter_context(logging_redirect_tqdm([get_logger("mindformers")]))

    def step(self, report: StepReport) -> None:
        """Log a step."""
        logger.info("%s", step_line(report))
        if self._bar is not None:
            self._bar.set_postfix(loss=f"{report.smooth_loss:.3f}", lr=f"{report.lr:.3g}", refresh=False)
            self._bar.update(report.step - self._bar.n)

    def evaluation(self, report: EvaluationReport) -> None:
        """Log an evaluation."""
        total = report.measures["total"]
        logger.info(
            "evaluation after step %d: loss %.4f, perplexity %.2f, token accuracy %.1f %%, %d tokens",
            report.step,
            total["loss"],
            total["perplexity"],
            100 * total["accuracy"],
            total["tokens"],
        )
        if report.is_best and report.best is not None:
            end = "max" if report.metric.startswith("accuracy") else "min"
            logger.info("%s eval %s updated %.4f --> %.4f", end, report.metric, report.best, report.value)

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._stack.close()


def step_line(report: StepReport) -> str:
    """A report as one line; the part in braces is MindFormers'."""
    return f"{{ {', '.join(_familiar(report))} }} {', '.join(_further(report))}"


def _familiar(report: StepReport) -> list[str]:
    return [
        f"Epoch:[{report.epoch:3d}/{report.epochs:3d}]",
        f"step:[{report.step_in_epoch:5d}/{report.steps_per_epoch:5d}]",
        f"loss: {report.loss:.3f}",
        f"per_step_time: {report.seconds_per_step * 1000:.0f}ms",
        f"lr: {report.lr:.3g}",
        f"overflow cond: {report.overflowed}",
        f"loss_scale: {report.loss_scale:g}",
        f"global_norm: [{report.grad_norm:.3g}]",
    ]


def _further(report: StepReport) -> list[str]:
    parts = [f"{100 * report.step / report.total_steps:.1f} %"]
    if math.isfinite(report.smooth_loss):
        parts.append(f"smooth loss {report.smooth_loss:.3f}")
    parts.append(f"{report.tokens_per_s:.0f} tokens/s")
    if report.mfu is not None:
        parts.append(f"MFU {100 * report.mfu:.0f} %")
    if report.memory is not None and report.peak_memory is not None:
        parts.append(f"{report.memory / GIGABYTE:.2f} GB (peak {report.peak_memory / GIGABYTE:.2f})")
    if report.skipped:
        parts.append(f"{report.skipped} steps left out")
    return [*parts, f"{duration(report.seconds_left)} left"]
