"""Shares of several sources in one stream, kept exactly and not only on average.

Weights 0.4, 0.3, 0.2, 0.1 are 4, 3, 2 and 1 parts of 10. The sources take turns by a pattern of that length, over and
over, so that any 10 draws in a row have exactly 4, 3, 2 and 1 of each. Inside the pattern no source is ever a whole
draw ahead of its share or behind it (Tijdeman 1980, "The chairman assignment problem").

    a b c a b d a c b a | a b c a b d a c b a | ...
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

_LONGEST_PATTERN = 10_000


def parts_of(weights: Sequence[float]) -> tuple[int, ...]:
    """Weights above 0 as whole parts, e.g. 0.4, 0.6 as 2, 3; rounded to ten-thousandths of all where they need more."""
    exact = [Fraction(str(weight)) for weight in weights]
    exact = [weight / sum(exact) for weight in exact]
    whole = math.lcm(*(weight.denominator for weight in exact))
    if whole > _LONGEST_PATTERN:
        parts = [max(round(weight * _LONGEST_PATTERN), 1) for weight in exact]
        common = math.gcd(*parts)
        return tuple(part // common for part in parts)
    return tuple(int(weight * whole) for weight in exact)


def turns_of(parts: Sequence[int]) -> list[int]:
    """Which source each draw of the pattern is from.

    A source may draw when that does not put it ahead by more than 1 - 1/(2k - 2) draws, for k sources. Of those that
    may, the one that must do so first draws.
    """
    if len(parts) == 1:
        return [0]
    whole, slack = sum(parts), 2 * len(parts) - 2
    drawn, turns = [0] * len(parts), []
    for time in range(1, whole + 1):
        lags = [part * time - count * whole for part, count in zip(parts, drawn, strict=True)]
        ready = [source for source, lag in enumerate(lags) if lag * slack >= whole]
        turns.append(min(ready, key=lambda one: Fraction((slack - 1) * whole - slack * lags[one], parts[one])))
        drawn[turns[-1]] += 1
    return turns


class Proportions:
    """A stream in which several sources take turns.

    Args:
        parts: of every source, the draws that it has in a pattern.
        start: where in the pattern the stream begins.
    """

    def __init__(self, parts: Sequence[int], start: int = 0) -> None:
        turns = np.asarray(turns_of(parts), np.int64)
        self.parts, self.pattern = tuple(parts), np.roll(turns, -(start % len(turns)))
        drawn = np.cumsum(self.pattern[:, None] == np.arange(len(parts)), axis=0)
        self._before = drawn[np.arange(len(turns)), self.pattern] - 1

    def draws(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Draws of the stream by their number from 0, int64 [n].

        Returns:
            Two int64 arrays [n]: the source, and how many draws of this source came before.
        """
        rounds, place = np.divmod(numbers, len(self.pattern))
        sources = self.pattern[place]
        return sources, rounds * np.asarray(self.parts)[sources] + self._before[place]
