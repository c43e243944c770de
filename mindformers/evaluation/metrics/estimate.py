"""A score together with how it is computed again over other draws of the items, which is what a bootstrap needs.

A draw of N items with replacement is a row of N counts that add up to N: how often each item was drawn. Whatever a
score sums over the items becomes a product with those counts, so all draws together are one matrix product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    Draws = np.ndarray
    Resample = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Estimate:
    """A score.

    Args:
        value: the score over all items.
        resample: counts float64 [draws, items] -> the score of each draw, float64 [draws], nan where a draw has none;
            None where draws are too costly.
    """

    value: float
    resample: Resample | None = None


def mean_estimate(values: Sequence[float]) -> Estimate:
    """The mean over items; 0 of nothing."""
    return share_estimate(values, [True] * len(values))


def share_estimate(values: Sequence[float], is_counted: Sequence[bool]) -> Estimate:
    """The mean over the items that count, which may be others in another draw; 0 where none does."""
    import numpy as np

    counted = np.asarray(is_counted, dtype=np.float64)
    values = np.asarray(values, dtype=np.float64) * counted
    chosen = values[counted > 0]
    value = float(np.mean(chosen)) if len(chosen) else 0.0
    return Estimate(value, lambda draws: _ratio(draws @ values, draws @ counted))


def ratio_estimate(parts: Sequence[float], wholes: Sequence[float]) -> Estimate:
    """The sum of the parts over the sum of the wholes, e.g. a precision pooled over items; nan for 0 / 0."""
    import numpy as np

    parts, wholes = np.asarray(parts, dtype=np.float64), np.asarray(wholes, dtype=np.float64)
    whole = float(wholes.sum())
    value = float(parts.sum()) / whole if whole else float("nan")
    return Estimate(value, lambda draws: _ratio(draws @ parts, draws @ wholes))


def _ratio(parts: np.ndarray, wholes: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.divide(parts, wholes, out=np.full(len(parts), np.nan), where=wholes > 0)
