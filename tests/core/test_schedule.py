"""Learning rates by hand."""

from __future__ import annotations

import pytest

from mindformers.core.schedule import Schedule
from mindformers.tools.errors import InputError


def rates(curve: str, steps: int = 8, warmup: int = 3, total: int = 8, end: float = 0.2) -> list[float]:
    schedule = Schedule(curve, peak=1.0, end=end, start=0.1, warmup_steps=warmup, total_steps=total)
    return [schedule(step) for step in range(steps)]


@pytest.mark.parametrize("curve", ["CosineWithWarmUpLR", "LinearWithWarmUpLR", "ConstantWarmUpLR"])
def test_the_warm_up_is_a_straight_line_to_the_peak(curve: str) -> None:
    assert rates(curve)[:4] == pytest.approx([0.4, 0.7, 1.0, 1.0])


def test_the_cosine_ends_at_the_end() -> None:
    # steps 3..7 are 0, 1/4, 1/2, 3/4 and 1 of the way
    half = 0.5**0.5
    assert rates("CosineWithWarmUpLR")[3:] == pytest.approx(
        [1.0, 0.2 + 0.4 * (1 + half), 0.6, 0.2 + 0.4 * (1 - half), 0.2]
    )


def test_the_line_ends_at_the_end() -> None:
    assert rates("LinearWithWarmUpLR")[3:] == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2])


def test_the_constant_stays() -> None:
    assert rates("ConstantWarmUpLR")[3:] == [1.0] * 5


def test_later_steps_keep_the_end() -> None:
    assert rates("CosineWithWarmUpLR", steps=12)[8:] == pytest.approx([0.2] * 4)


def test_without_a_warm_up_the_first_step_is_the_peak() -> None:
    assert rates("LinearWithWarmUpLR", warmup=0, steps=3, total=3) == pytest.approx([1.0, 0.6, 0.2])


def test_a_run_of_one_step_takes_the_peak() -> None:
    assert rates("CosineWithWarmUpLR", warmup=0, steps=1, total=1) == [1.0]


def test_an_unknown_curve_is_refused() -> None:
    with pytest.raises(InputError, match=r"lr_schedule.type: unknown name 'CosineWarmUpLR'.*'CosineWithWarmUpLR'"):
        rates("CosineWarmUpLR")
