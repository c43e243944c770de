"""Balanced assignment: each of F neurons to one of E experts of F / E places, with the highest total score.

It is a transportation problem. The usual exact way gives every place a column and solves F x F, which takes minutes
for F = 11008. Here prices do nearly all of the work, and what they leave unbalanced moves along shortest paths among
the E experts, so that the result is still exact:

    scores [F, E] -- prices --> almost balanced --- one neuron a step along the path --> balanced, optimal
                                                    of least loss, full -> ... -> free
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from mindformers.experts.labels import expert_size

_PRICE_SWEEPS = 6
# Shares of the scores' spread: by how much equal scores are told apart, and below which a gain is only rounding.
_TIE_BREAK, _ROUNDING = 1e-10, 1e-13


def assign_balanced(scores: np.ndarray, prices: np.ndarray | None = None) -> np.ndarray:
    """The balanced assignment with the highest total score.

    Args:
        scores: finite floats [F, E], what neuron f gains by being in expert e.
        prices: float64 [E] of an earlier, similar problem to start from; updated in place.

    Returns: labels int32 [F], F / E of each expert.
    Raises: InputError where E does not divide F.
    """
    size = expert_size(*scores.shape, "balanced assignment")
    spread = float(np.ptp(scores)) or 1.0
    lots = np.random.default_rng(0).random(scores.shape)
    scores = np.asarray(scores, np.float64) + _TIE_BREAK * spread * lots
    prices = np.zeros(scores.shape[1]) if prices is None else prices
    for _ in range(_PRICE_SWEEPS):
        _sweep_prices(np.ascontiguousarray(scores.T), prices, size)
        # The best choice at given prices is the best among all assignments with the sizes it happens to have, and
        # each path of least loss keeps that true for the sizes that follow.
        labels = (scores - prices).argmax(axis=1)
        if (np.bincount(labels, minlength=scores.shape[1]) == size).all():
            break
    _even_out(scores, labels, size, _ROUNDING * spread)
    return labels.astype(np.int32)


def _sweep_prices(scores: np.ndarray, prices: np.ndarray, size: int) -> None:
    """Set each expert's price in turn so that `size` neurons prefer it: coordinate descent on the dual [E, F]."""
    num_experts, num_neurons = scores.shape
    if num_experts == 1:
        return
    outside = num_neurons - size
    for expert in range(num_experts):
        net = scores - prices[:, None]
        net[expert] = -np.inf
        gain = scores[expert] - net.max(axis=0)
        prices[expert] = np.partition(gain, (outside - 1, outside))[outside - 1 : outside + 1].mean()


class _Moves:
    """For each pair of experts (a, b) the cheapest move of one neuron: `loss[a, b]` and `neuron[a, b]`."""

    def __init__(self, scores: np.ndarray, labels: np.ndarray) -> None:
        self.scores, self.labels = scores, labels
        shape = (scores.shape[1], scores.shape[1])
        self.loss, self.neuron = np.full(shape, np.inf), np.zeros(shape, np.int64)
        for expert in range(shape[0]):
            self.refresh(expert)

    def refresh(self, expert: int) -> None:
        """Look again at the moves out of an expert."""
        members = np.flatnonzero(self.labels == expert)
        self.loss[expert] = np.inf
        if not len(members):
            return
        losses = self.scores[members, expert, None] - self.scores[members]
        cheapest = losses.argmin(axis=0)
        self.loss[expert] = losses[cheapest, np.arange(losses.shape[1])]
        self.loss[expert, expert] = np.inf
        self.neuron[expert] = members[cheapest]

    def apply(self, path: list[int]) -> None:
        """Move one neuron along each step of a path of experts."""
        moved = [(self.neuron[a, b], b) for a, b in pairwise(path)]
        for neuron, expert in moved:
            self.labels[neuron] = expert
        for expert in path:
            self.refresh(expert)


def _even_out(scores: np.ndarray, labels: np.ndarray, size: int, rounding: float) -> None:
    """Move neurons from experts above `size` to those below, each time along the path of least total loss."""
    counts = np.bincount(labels, minlength=scores.shape[1])
    moves = _Moves(scores, labels)
    while (counts > size).any():
        path = _cheapest_path(moves.loss, counts > size, counts < size, rounding)
        moves.apply(path)
        counts[path[0]] -= 1
        counts[path[-1]] += 1


def _cheapest_path(loss: np.ndarray, full: np.ndarray, free: np.ndarray, rounding: float) -> list[int]:
    """The experts along the path of least total loss from a full one to one with room (Bellman-Ford)."""
    distance = np.where(full, 0.0, np.inf)
    previous = np.full(len(full), -1)
    for _ in range(len(full)):
        through = distance[:, None] + loss
        nearest = through.argmin(axis=0)
        reached = through[nearest, np.arange(len(full))]
        better = reached < distance - rounding
        if not better.any():
            break
        distance[better], previous[better] = reached[better], nearest[better]
    path = [int(np.where(free, distance, np.inf).argmin())]
    while previous[path[-1]] >= 0:
        path.append(int(previous[path[-1]]))
    return path[::-1]
