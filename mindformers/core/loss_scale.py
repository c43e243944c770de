"""The factor on the loss that keeps half-precision gradients from vanishing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class LossScale:
    """Divided after an overflow, multiplied after a window of calm steps (Micikevicius et al. 2018).

    Args:
        value: the factor now.
        factor: what it is divided or multiplied by.
        window: calm steps before it grows.
        is_dynamic: False keeps it as it is.
        calm_steps: steps since the last change.
    """

    value: float = 1.0
    factor: float = 2.0
    window: int = 1000
    is_dynamic: bool = False
    calm_steps: int = 0

    def update(self, overflowed: bool) -> None:
        """Take note of a step's outcome."""
        if not self.is_dynamic:
            return
        self.calm_steps = 0 if overflowed else self.calm_steps + 1
        if overflowed:
            self.value = max(self.value / self.factor, 1.0)
        elif self.calm_steps >= self.window:
            self.value, self.calm_steps = self.value * self.factor, 0
