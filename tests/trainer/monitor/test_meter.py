"""What is told of the steps since the last report, and what is not counted as training."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mindformers.trainer.monitor import meter as module
from mindformers.trainer.monitor.flops import Flops, Peak
from mindformers.trainer.monitor.meter import Meter
from mindformers.trainer.monitor.reports import StepReport
from mindformers.trainer.run_state import RunState
from mindformers.trainer.step import StepResult

FLOPS, PEAK = Flops(900.0, 20.0), Peak(1e-6)


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def perf_counter(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def take(meter: Meter, clock: Clock, state: RunState, loss: float, seconds: float = 0.5) -> StepReport | None:
    clock.now += seconds
    result = StepResult(loss, 2.0, math.isfinite(loss), 60)
    state.count(loss, result.is_finite)
    return meter.add(state, result, lr=0.1, scale=1.0, rows=20, lengths=[2, 3])


def test_speed_and_utilisation_are_those_since_the_last_report(clock: Clock) -> None:
    meter, state = Meter(2, 2, 10, FLOPS, PEAK), RunState(4, 40)
    assert take(meter, clock, state, 3.0, seconds=9.0) is None
    first = take(meter, clock, state, 2.0, seconds=1.0)
    assert (first.tokens_per_s, first.seconds_per_step, first.mfu) == pytest.approx((20.0, 5.0, 0.01904))
    take(meter, clock, state, 4.0)
    second = take(meter, clock, state, math.nan)
    assert (second.tokens_per_s, second.seconds_per_step, second.loss) == pytest.approx((200.0, 0.5, 4.0))
    assert (first.overflowed, second.overflowed) == (False, True)
    assert second.seconds_left == pytest.approx(16 * 0.5)


def test_evaluations_and_checkpoints_do_not_slow_the_shown_speed(clock: Clock) -> None:
    unknown = Peak(1.0)
    unknown.flops = None
    meter, state = Meter(2, 2, 10, FLOPS, unknown), RunState(4, 40)
    take(meter, clock, state, 3.0)
    clock.now += 70.0
    meter.pause(70.0)
    report = take(meter, clock, state, 3.0)
    assert (report.tokens_per_s, report.mfu) == (pytest.approx(200.0), None)


def test_the_last_step_is_reported_whenever_it_comes(clock: Clock) -> None:
    meter, state = Meter(7, 2, 10, FLOPS, PEAK), RunState(4, 40)
    found = [take(meter, clock, state, float(number)) for number in range(1, 21)]
    assert [report.step for report in found if report] == [7, 14, 20]
    assert [report.loss for report in found if report] == [np.mean(range(1, 8)), np.mean(range(8, 15)), 17.5]
    assert [(r.epoch, r.step_in_epoch) for r in found if r] == [(1, 7), (2, 4), (2, 10)]


def test_a_resumed_window_has_the_losses_before_it_but_not_their_time(clock: Clock) -> None:
    state = RunState(4, 40, done=1, losses=[9.0])
    report = take(Meter(2, 2, 10, FLOPS, PEAK), clock, state, 3.0, seconds=0.25)
    assert (report.loss, report.seconds_per_step) == (6.0, pytest.approx(0.25))


def test_memory_is_told_in_bytes() -> None:
    now, peak = module.memory_in_use()
    assert 10_000_000 < now <= peak < 100_000_000_000
