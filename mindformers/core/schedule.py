"""Learning rates over the steps, under MindFormers' names."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from mindformers.tools.errors import unknown_name

CURVES: dict[str, Callable[[float], float]] = {
    "CosineWithWarmUpLR": lambda share: 0.5 * (1.0 + math.cos(math.pi * share)),
    "LinearWithWarmUpLR": lambda share: 1.0 - share,
    "ConstantWarmUpLR": lambda share: 1.0,
}


@dataclass(frozen=True)
class Schedule:
    """Warm-up in a straight line, then a curve from the peak to the end.

    Args:
        curve: name of the curve, a key of `CURVES`.
        peak: the rate after the warm-up.
        end: the rate of the last step.
        start: the rate that the warm-up begins with.
        warmup_steps: steps of warm-up.
        total_steps: steps of the whole run; later ones keep the end.

    Raises:
        InputError: an unknown curve.
    """

    curve: str
    peak: float
    end: float
    start: float
    warmup_steps: int
    total_steps: int

    def __post_init__(self) -> None:
        if self.curve not in CURVES:
            raise unknown_name("lr_schedule.type", self.curve, CURVES)

    def __call__(self, step: int) -> float:
        """The rate of step `step`, counted from 0."""
        if step < self.warmup_steps:
            return self.start + (self.peak - self.start) * (step + 1) / self.warmup_steps
        behind = max(self.total_steps - self.warmup_steps - 1, 1)
        share = min((step - self.warmup_steps) / behind, 1.0)
        return self.end + (self.peak - self.end) * CURVES[self.curve](share)
