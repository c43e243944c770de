"""Confidence intervals by the percentile bootstrap (Efron, 1979): the items drawn again and again with replacement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mindformers.evaluation.metrics.estimate import Estimate
from mindformers.evaluation.metrics.metric import Unmeasured

if TYPE_CHECKING:
    import numpy as np

LEVEL = 0.95
_MOST_COUNTS, _MOST_DRAWS = 4_000_000, 128  # held at once: 32 MB of counts, and what scores make of each draw
Interval = tuple[float, float]


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made.

    Args:
        samples: draws of all items.
        seed: where the draws begin; the same seed draws the same items for every score and every run.
    """

    samples: int
    seed: int = 0

    def intervals(self, estimates: Mapping[str, Estimate | Unmeasured], num_items: int) -> dict[str, Interval]:
        """The interval in which the middle 95 % of the draws lie, of every score that can be computed again.

        Args:
            estimates: the scores, all of the same items.
            num_items: how many items there are.

        Returns:
            Row -> (low, high); rows that are not measured, not drawn again, or have no value in any draw are left out.
        """
        import numpy as np

        again = {row: found.resample for row, found in estimates.items() if isinstance(found, Estimate)}
        again = {row: resample for row, resample in again.items() if resample is not None}
        drawn: dict[str, list[np.ndarray]] = {row: [] for row in again}
        for draws in self._draws(num_items):
            for row, resample in again.items():
                drawn[row].append(resample(draws))
        joined = {row: np.concatenate(values) for row, values in drawn.items()}
        return {row: _middle(values) for row, values in joined.items() if not np.isnan(values).all()}

    def _draws(self, num_items: int) -> Iterator[np.ndarray]:
        """Counts float64 [draws, items], in chunks of bounded size."""
        import numpy as np

        random = np.random.default_rng(self.seed)
        most = max(1, min(_MOST_DRAWS, _MOST_COUNTS // num_items))
        for start in range(0, self.samples, most):
            size = min(most, self.samples - start)
            items = random.integers(0, num_items, size=(size, num_items))
            items += np.arange(size)[:, None] * num_items
            counts = np.bincount(items.ravel(), minlength=size * num_items)
            yield counts.reshape(size, num_items).astype(np.float64)


def _middle(values: np.ndarray) -> Interval:
    import numpy as np

    low, high = np.nanquantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
