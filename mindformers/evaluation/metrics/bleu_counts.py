"""What corpus BLEU sums over the items, item by item, so that draws of items need no second look at the texts."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MAX_ORDER = 4


def bleu_of_draws(
    truths: Sequence[Sequence[str]], outputs: Sequence[Sequence[str]]
) -> Callable[[np.ndarray, Sequence[float]], np.ndarray]:
    """A function from draws of the items to their BLEU.

    Args:
        truths: the tokens of each reference.
        outputs: the tokens of each output.

    Returns:
        (counts float64 [draws, items], n-gram weights) -> BLEU float64 [draws], defined as nltk's `corpus_bleu` with
        one reference and no smoothing. The texts are counted at its first call.
    """
    import numpy as np

    @cache
    def counted() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = [_counts_of(truth, output) for truth, output in zip(truths, outputs, strict=True)]
        matched, possible, lengths = (np.array(column, dtype=np.float64) for column in zip(*rows, strict=True))
        return matched, possible, lengths

    def bleu(draws: np.ndarray, weights: Sequence[float]) -> np.ndarray:
        matched, possible, lengths = (draws @ table for table in counted())
        order = len(weights)
        precisions = np.maximum(matched[:, :order] / possible[:, :order], sys.float_info.min)
        found = _brevity_penalty(lengths) * np.exp(np.log(precisions) @ np.array(weights))
        return np.where(matched[:, 0] > 0, found, 0.0)

    return bleu


def _counts_of(truth: Sequence[str], output: Sequence[str]) -> tuple[list[int], list[int], tuple[int, int]]:
    """Matched and possible n-grams by order, and the lengths of output and reference."""
    matched, possible = [], []
    for order in range(1, MAX_ORDER + 1):
        grams = Counter(_grams(output, order))
        wanted = Counter(_grams(truth, order))
        matched.append(sum(min(count, wanted[gram]) for gram, count in grams.items()))
        possible.append(max(1, grams.total()))  # nltk counts an output that is too short as one n-gram that fails
    return matched, possible, (len(output), len(truth))


def _grams(tokens: Sequence[str], order: int) -> list[tuple[str, ...]]:
    return list(zip(*(tokens[start:] for start in range(order)), strict=False))


def _brevity_penalty(lengths: np.ndarray) -> np.ndarray:
    import numpy as np

    said, wanted = lengths[:, 0], lengths[:, 1]
    return np.where(said > wanted, 1.0, np.exp(1 - wanted / np.maximum(said, 1)))
