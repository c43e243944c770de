"""Likely tokens of logits, and draws from them; a vocabulary is sorted only as far as need be."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from mindformers.generation.options import GenerationOptions

_COLDEST = 1e-30  # a temperature that leaves one token already, and at which nothing overflows
_BLOCK = 256
_FIRST_GUESS = 256  # tokens that nearly always reach top_p


def penalised(logits: np.ndarray, seen: Collection[int], penalty: float) -> np.ndarray:
    """A copy of logits [V] in which tokens that occurred are less likely."""
    ids = np.fromiter(seen, np.int64)
    values = logits[ids]
    changed = logits.copy()
    changed[ids] = np.where(values < 0, values * penalty, values / penalty)
    return changed


def best(values: np.ndarray, count: int | None = None) -> np.ndarray:
    """Places of the largest of values [V], largest first, of equal ones the first first; none at minus infinity.

    Args:
        values: float [V].
        count: places at the most; None for all.
    """
    if count is None or count >= len(values):
        return np.argsort(-values, kind="stable")[: np.count_nonzero(values > -np.inf)]
    least = np.partition(values, len(values) - count)[len(values) - count]
    places = np.flatnonzero(values >= least)
    chosen = values[places]
    order = np.argsort(-chosen, kind="stable")
    return places[order[: np.count_nonzero(chosen > -np.inf)][:count]]


def shares_of(logits: np.ndarray, temperature: float) -> np.ndarray:
    """exp(logits / temperature) [V], float64, scaled so that the largest is 1."""
    return np.exp((logits - logits.max()).astype(np.float64) / max(temperature, _COLDEST))


def candidates(logits: np.ndarray, options: GenerationOptions) -> tuple[np.ndarray, np.ndarray]:
    """The tokens that may be drawn, most likely first, and their probabilities (not renormalised after top_p)."""
    if options.top_k:
        order = best(logits, options.top_k)
        shares = shares_of(logits[order], options.temperature)
        shares /= shares.sum()
    else:
        order, shares = _first_that_reach(options.top_p, shares_of(logits, options.temperature))
    before = np.cumsum(shares) - shares
    kept = max(int((before < options.top_p).sum()), 1)
    return order[:kept], shares[:kept]


def _first_that_reach(top_p: float, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Enough of the largest shares, largest first, for their sum to be at least `top_p` of all."""
    shares = shares / shares.sum()
    count = _FIRST_GUESS if top_p < 1 else len(shares)
    while True:
        order = best(shares, count)
        if count >= len(shares) or shares[order].sum() >= top_p:
            return order, shares[order]
        count *= 8


def draw(shares: np.ndarray, position: float) -> int:
    """The place in which a position falls when shares [V] are laid end to end.

    Args:
        shares: float64 [V], not negative, of any sum above 0.
        position: 0 to 1, as a part of the sum.
    """
    ends = np.cumsum(np.add.reduceat(shares, np.arange(0, len(shares), _BLOCK)))
    target = position * ends[-1]
    block = min(int(np.searchsorted(ends, target, side="right")), len(ends) - 1)
    here = shares[block * _BLOCK : (block + 1) * _BLOCK]
    before = ends[block - 1] if block else 0.0
    place = int(np.searchsorted(np.cumsum(here), target - before, side="right"))
    if place == len(here):  # by rounding
        place = int(np.flatnonzero(here)[-1])
    return block * _BLOCK + place


def log_probability_of(logits: np.ndarray, token: int) -> float:
    """log softmax(logits)[token], nats; logits [V]."""
    top = float(logits.max())
    return float(logits[token]) - top - float(np.log(np.exp(logits - top, dtype=np.float64).sum()))
