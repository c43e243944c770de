"""From steps to reports: speed, utilisation and memory between two log lines."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from mindformers.parallel.device import memory_in_use
from mindformers.trainer.monitor.flops import Flops, Peak
from mindformers.trainer.monitor.reports import StepReport
from mindformers.trainer.run_state import RunState
from mindformers.trainer.step import StepResult


class Meter:
    """Reports every so many steps.

    Args:
        every: steps between two reports; the last step of a run is reported too.
        epochs, steps_per_epoch: the size of the run.
        flops: operations of the network for what it reads.
        peak: what the devices can do.
    """

    def __init__(self, every: int, epochs: int, steps_per_epoch: int, flops: Flops, peak: Peak) -> None:
        self.every, self.epochs, self.steps_per_epoch = every, epochs, steps_per_epoch
        self.flops, self.peak = flops, peak
        self.restart()

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.epochs * self.steps_per_epoch

    def restart(self) -> None:
        """Measure from now on."""
        self._steps, self._positions, self._flops, self._since = 0, 0, 0.0, time.perf_counter()

    def pause(self, seconds: float) -> None:
        """Leave out time that something else than training took."""
        self._since += seconds

    def add(
        self, state: RunState, result: StepResult, lr: float, scale: float, rows: int, lengths: Sequence[int]
    ) -> StepReport | None:
        """Take a step in.

        Args:
            state: of the run, the step counted in it; where a report is due, its losses begin anew.
            result: what the step did.
            lr, scale: its learning rate and loss scale.
            rows: in each of its micro batches.
            lengths: tokens of a row, padding included, in each of them.

        Returns:
            The report where one is due.
        """
        self._steps += 1
        self._positions += rows * sum(lengths)
        self._flops += sum(self.flops.of(rows * length, length) for length in lengths)
        if state.done % self.every and state.done != self.total_steps:
            return None
        report = self._report(state, result.grad_norm, lr, scale)
        state.losses, state.overflowed = [], False
        self.restart()
        return report

    def _report(self, state: RunState, grad_norm: float, lr: float, scale: float) -> StepReport:
        seconds = max(time.perf_counter() - self._since, 1e-9)
        finite = [value for value in state.losses if math.isfinite(value)]
        epoch, step = divmod(state.done - 1, self.steps_per_epoch)
        memory, peak_memory = memory_in_use()
        return StepReport(
            step=state.done,
            total_steps=self.total_steps,
            epoch=epoch + 1,
            epochs=self.epochs,
            step_in_epoch=step + 1,
            steps_per_epoch=self.steps_per_epoch,
            loss=sum(finite) / len(finite) if finite else math.nan,
            smooth_loss=state.smooth_loss,
            lr=lr,
            grad_norm=grad_norm,
            loss_scale=scale,
            tokens_per_s=self._positions / seconds,
            seconds_per_step=seconds / self._steps,
            mfu=self.peak.share(self._flops / seconds),
            overflowed=state.overflowed,
            skipped=state.skipped,
            memory=memory,
            peak_memory=peak_memory,
        )
