"""Storing neurons expert by expert, so that an expert is one contiguous block of each weight.

    labels   [1 0 1 0]                W1 rows   a b c d
    order    [1 3 0 2]    becomes               b d | a c      expert 0 | expert 1

A permutation of the neurons changes nothing but the order of summation in W2: y = sum over f of h_f W2[:, f].
"""

from __future__ import annotations

import numpy as np


def neuron_order(labels: np.ndarray) -> np.ndarray:
    """Where each stored neuron comes from.

    Args:
        labels: whole numbers [layers, F] or [F].

    Returns: int64 of the same shape; `order[..., i]` is the old place of the neuron stored at i. Experts stand in the
        order of their numbers, an expert's neurons in their old order.
    """
    return np.argsort(labels, axis=-1, kind="stable")


def invert_order(order: np.ndarray) -> np.ndarray:
    """The way back: `inverse[..., old] = new` place, so that applying `order` and then it changes nothing."""
    return np.argsort(order, axis=-1, kind="stable")


def apply_order(
    w1: np.ndarray, w3: np.ndarray, w2: np.ndarray, order: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One layer's weights with the neurons in another order.

    Args:
        w1, w3: [F, D] as in a public checkpoint.
        w2: [D, F].
        order: [F] of `neuron_order`, or of `invert_order` for the way back.

    Returns: w1, w3 and w2 as new arrays of the same types.
    """
    return w1[order], w3[order], w2[:, order]
