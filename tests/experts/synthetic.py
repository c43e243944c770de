"""Neurons with known groups, and how well two groupings agree."""

from __future__ import annotations

import numpy as np


def planted_weights(
    num_neurons: int, num_experts: int, hidden: int, noise: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """w1, w3 [F, D] around one centre an expert, noise in units of the centres' own spread, and the labels [F]."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat(np.arange(num_experts), num_neurons // num_experts))

    def weights() -> np.ndarray:
        centres = generator.normal(size=(num_experts, hidden))
        return (centres[labels] + noise * generator.normal(size=(num_neurons, hidden))).astype(np.float32)

    return weights(), weights(), labels


def swiglu(x: np.ndarray, w1: np.ndarray, w3: np.ndarray) -> np.ndarray:
    """h [T, F] = silu(x W1) * (x W3) in public layout, w1 and w3 [F, D]."""
    gate = x @ w1.T
    return gate / (1 + np.exp(-gate)) * (x @ w3.T)


def adjusted_rand_index(first: np.ndarray, second: np.ndarray) -> float:
    """1 for the same groups, about 0 for groups by chance (Hubert & Arabie 1985, equation 5)."""
    table = np.zeros((first.max() + 1, second.max() + 1))
    np.add.at(table, (first, second), 1)

    def pairs(counts: np.ndarray) -> float:
        return float((counts * (counts - 1) / 2).sum())

    rows, columns = pairs(table.sum(axis=1)), pairs(table.sum(axis=0))
    chance = rows * columns / pairs(np.array([len(first)]))
    return (pairs(table) - chance) / ((rows + columns) / 2 - chance)


def is_balanced(labels: np.ndarray, num_experts: int) -> bool:
    """Whether every expert has exactly F / E neurons."""
    return bool((np.bincount(labels, minlength=num_experts) == len(labels) // num_experts).all())
