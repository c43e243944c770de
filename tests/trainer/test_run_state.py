"""Counters of a run, and their way through a checkpoint."""

from __future__ import annotations

import math

import pytest

from mindformers.tools.errors import InputError
from mindformers.trainer.run_state import RunState


def test_steps_are_counted() -> None:
    state = RunState(4, 40)
    for loss in (3.0, math.nan, math.nan, 2.0, math.inf):
        state.count(loss, math.isfinite(loss))
    assert (state.done, state.skipped, state.skipped_in_a_row, state.overflowed) == (5, 3, 1, True)
    assert state.losses[::3] == [3.0, 2.0]


def smooth_after(*runs: tuple[float, int]) -> float:
    state = RunState(4, 40)
    for loss, steps in runs:
        for _ in range(steps):
            state.count(loss, True)
    return state.smooth_loss


def test_the_smooth_loss_begins_at_the_first() -> None:
    assert math.isnan(smooth_after())
    assert smooth_after((9.0, 1)) == 9.0


def test_it_remembers_a_hundred_steps_and_in_a_short_run_a_tenth() -> None:
    assert smooth_after((9.0, 5000), (2.0, 100)) == pytest.approx(2.0 + 7.0 * math.exp(-1), rel=1e-3)
    assert smooth_after((9.0, 200), (2.0, 22)) == pytest.approx(2.0 + 7.0 * (200 / 222) ** 11, rel=0.01)
    assert smooth_after((9.0, 10), (2.0, 30)) < 2.01


def test_what_is_not_finite_is_not_smoothed() -> None:
    state, plain = RunState(4, 40), RunState(4, 40)
    for loss in (3.0, math.nan, 1.0, math.inf):
        state.count(loss, math.isfinite(loss))
    for loss in (3.0, 1.0):
        plain.count(loss, True)
    assert state.smooth_loss == plain.smooth_loss


def test_a_state_comes_back_as_it_was() -> None:
    state = RunState(4, 40, best=(0.5, 2), scale=(8.0, 1), random={"python": [1, 2]})
    state.count(0.1 + 0.2, True)
    read = RunState(4, 40)
    read.read(state.to_text())
    assert read.to_text() == state.to_text()
    assert read.smooth_loss == state.smooth_loss


def test_a_state_of_other_data_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"the run had 4 examples per step from 40 records; .* here 4 per step from 39"
    ):
        RunState(4, 39).read(RunState(4, 40).to_text())
