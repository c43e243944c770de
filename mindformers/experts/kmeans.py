"""Balanced k-means: neurons with similar weights become one expert (MoEfication, Zhang et al. 2022, section 3.1).

    rows [F, N] -- leading directions --> sketch [F, ~2E] -- k-means++ and Lloyd, best of several --> labels
                                                                                                         |
    labels <-- balanced k-means on the full rows: means, exact balanced assignment, until settled <------+

The sketch is where the centres lie anyway (Ding & He 2004: the principal directions are the relaxed solution of
k-means) and holds little of the noise, so that the start is found there, many times over and cheaply.
"""

from __future__ import annotations

import numpy as np

from mindformers.experts.balance import assign_balanced
from mindformers.experts.labels import expert_size, number_by_first_neuron
from mindformers.tools.errors import InputError

_STARTS, _LLOYD_STEPS, _BALANCED_STEPS = 8, 20, 30
_SPARE_DIRECTIONS, _POWER_STEPS = 8, 2
# Stop when a step moves fewer neurons than this share: what is left to gain is far below the noise of the weights.
_SETTLED = 1e-3


def cluster_neurons(w1: np.ndarray, w3: np.ndarray, num_experts: int, seed: int = 0) -> np.ndarray:
    """Split one layer's neurons by their weights.

    Args:
        w1, w3: gate and value rows [F, D].
        num_experts: E.
        seed: of the starts; equal seeds give equal labels.

    Returns: labels int32 [F], F / E neurons each, numbered in the order of their first neurons.
    Raises: InputError for weights of different shapes or that are not finite, and where E does not divide F.
    """
    return balanced_kmeans(neuron_features(w1, w3), num_experts, seed)


def neuron_features(w1: np.ndarray, w3: np.ndarray) -> np.ndarray:
    """A row per neuron: the mean of its gate row and its value row, each of length 1; float32 [F, D].

    With z1 = x w1 and z3 = x w3 a neuron gives silu(z1) z3 = z1 z3 / 2 + ..., and z1 z3 is a quarter of
    (z1 + z3)^2 - (z1 - z3)^2. So x along w1 + w3 makes it fire positively, and the router keeps an expert for its
    signed sum: neurons with like w1 + w3 are chosen together. Rows side by side also group neurons that are negative
    together, which the router then drops: in trained networks they keep less energy. Lengths are taken out, since
    w3's can be moved to w2 without changing the function.
    """
    _check_weights(w1, w3)
    features = _unit_rows(w1)
    features += _unit_rows(w3)
    features /= 2
    return features


def balanced_kmeans(features: np.ndarray, num_clusters: int, seed: int = 0) -> np.ndarray:
    """Clusters of exactly equal size with small squared distances to their means.

    Args:
        features: float32 [F, N].
        num_clusters: E, a divisor of F.
        seed: of the starts.

    Returns: labels int32 [F], numbered in the order of their first rows.
    """
    expert_size(len(features), num_clusters, "balanced k-means")
    generator = np.random.default_rng(seed)
    labels = _best_start(_sketch(features, num_clusters, generator), num_clusters, generator)
    prices = np.zeros(num_clusters)
    for _ in range(_BALANCED_STEPS):
        # With equal sizes the squared lengths of rows and means are the same in every assignment: products decide.
        moved = assign_balanced(features @ _means(features, labels, num_clusters).T, prices)
        changed = np.count_nonzero(moved != labels)
        labels = moved
        if changed <= _SETTLED * len(labels):
            break
    return number_by_first_neuron(labels)


def _sketch(features: np.ndarray, num_clusters: int, generator: np.random.Generator) -> np.ndarray:
    """The rows along their leading directions [F, ~2E] by subspace iteration (Halko et al. 2011, algorithm 4.4)."""
    directions = min(2 * num_clusters + _SPARE_DIRECTIONS, *features.shape)
    mean = features.mean(axis=0)
    basis = generator.standard_normal((features.shape[1], directions), dtype=np.float32)
    for _ in range(_POWER_STEPS):
        projected = features @ basis - mean @ basis
        basis = np.linalg.qr(features.T @ projected - np.outer(mean, projected.sum(axis=0)))[0]
    return features @ basis - mean @ basis


def _best_start(sketch: np.ndarray, num_clusters: int, generator: np.random.Generator) -> np.ndarray:
    """The best balanced labels of several k-means++ starts."""
    best, best_score = np.zeros(len(sketch), np.int32), -np.inf
    for _ in range(_STARTS):
        centres = _lloyd(sketch, _draw_centres(sketch, num_clusters, generator))
        labels = assign_balanced(sketch @ centres.T)
        means = _means(sketch, labels, num_clusters)
        score = float(np.einsum("en,en->", means, means))
        if score > best_score:
            best, best_score = labels, score
    return best


def _draw_centres(points: np.ndarray, num_clusters: int, generator: np.random.Generator) -> np.ndarray:
    """Greedy k-means++ (Arthur & Vassilvitskii 2007): of a few candidates, drawn by squared distance, the best."""
    candidates = 2 + int(np.log(num_clusters))
    chosen = [int(generator.integers(len(points)))]
    nearest = _distances(points, points[chosen])[:, 0]
    for _ in range(1, num_clusters):
        total = nearest.sum()
        share = nearest / total if total > 0 else np.full(len(points), 1 / len(points))
        drawn = generator.choice(len(points), candidates, p=share)
        after = np.minimum(nearest[:, None], _distances(points, points[drawn]))
        winner = int(after.sum(axis=0).argmin())
        chosen.append(int(drawn[winner]))
        nearest = after[:, winner]
    return points[chosen]


def _lloyd(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Plain k-means from given centres; a cluster that empties keeps its centre."""
    labels = None
    for _ in range(_LLOYD_STEPS):
        moved = (points @ centres.T - (centres**2).sum(axis=1) / 2).argmax(axis=1)
        if labels is not None and np.array_equal(moved, labels):
            break
        labels = moved
        filled = np.bincount(labels, minlength=len(centres)) > 0
        centres = np.where(filled[:, None], _means(points, labels, len(centres)), centres)
    return centres


def _distances(points: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Squared distances, float64 [F, number of centres], not below zero."""
    lengths = (points**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1)
    return np.maximum(lengths - 2 * points @ centres.T, 0).astype(np.float64)


def _means(rows: np.ndarray, labels: np.ndarray, num_clusters: int) -> np.ndarray:
    """The mean row of each cluster [E, N], zero for an empty one."""
    members = (labels == np.arange(num_clusters)[:, None]).astype(np.float32)
    return members @ rows / np.maximum(members.sum(axis=1), 1)[:, None]


def _unit_rows(weights: np.ndarray) -> np.ndarray:
    """The rows in float32, each of length 1 unless it is zero."""
    rows = np.array(weights, np.float32)
    lengths = np.sqrt(np.einsum("fd,fd->f", rows, rows))
    rows /= np.where(lengths > 0, lengths, 1)[:, None]
    return rows


def _check_weights(w1: np.ndarray, w3: np.ndarray) -> None:
    if w1.ndim != 2 or w1.shape != w3.shape:
        got = f"{list(w1.shape)} and {list(w3.shape)}"
        raise InputError("weights w1 and w3", got, "two arrays [neurons, hidden]", "check the checkpoint")
    if not (np.isfinite(w1).all() and np.isfinite(w3).all()):
        raise InputError("weights w1 and w3", "not all numbers are finite", "finite weights", "check the checkpoint")
