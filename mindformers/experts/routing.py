"""The activation router in NumPy: the twin of `modules/router.py`, for reports and for making experts."""

from __future__ import annotations

import numpy as np


def expert_sums(values: np.ndarray, labels: np.ndarray, num_experts: int) -> np.ndarray:
    """The sum over each expert's neurons: values [T, F], labels [F] -> float32 [T, E]."""
    members = (labels[:, None] == np.arange(num_experts)).astype(np.float32)
    return np.asarray(values, np.float32) @ members


def choose_experts(scores: np.ndarray, k: np.ndarray | int) -> np.ndarray:
    """The k experts with the highest scores; of equal scores the expert with the lower number wins.

    Args:
        scores: float [T, E], signed sums of h (Xiong et al. 2024, section 3.2).
        k: experts of each token, int [T], or one number for all.

    Returns: bool [T, E] with exactly k true in a row.
    """
    ranked = np.argsort(-scores, axis=1, kind="stable")
    place = np.argsort(ranked, axis=1, kind="stable")
    return place < np.broadcast_to(np.asarray(k), len(scores))[:, None]
