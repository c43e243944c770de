"""Rows of embedding and head for new tokens.

A new row is the mean of the rows of the text pieces plus a draw from a normal distribution with a tenth of their
standard deviation, both taken per column. From the mean the new tokens change the old answers least (Hewitt 2021,
"Initializing New Word Embeddings for Pretrained Language Models"); the spread tells them apart.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np

from mindformers.tools.number_types import to_float32

SPREAD = 0.1  # of the base rows' standard deviation
_ROWS_AT_ONCE = 512


def new_rows(base: np.ndarray, count: int, seed: int, name: str) -> np.ndarray:
    """Rows to put behind a table.

    Args:
        base: [N, D] the rows to resemble, of any float type.
        count: how many new ones.
        seed: of the drawing.
        name: of the weight, so that the embedding and the head get draws of their own.

    Returns:
        float32 [count, D].
    """
    mean, deviation = _moments(base)
    generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
    draws = generator.standard_normal((count, base.shape[1]))
    return (mean + SPREAD * deviation * draws).astype(np.float32)


def _moments(base: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of every column, float64 [D], without a wide copy of the table."""
    mean = sum(block.sum(0, dtype=np.float64) for block in _blocks(base)) / len(base)
    variance = sum(((block - mean) ** 2).sum(0) for block in _blocks(base)) / len(base)
    return mean, np.sqrt(variance)


def _blocks(base: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(base), _ROWS_AT_ONCE):
        yield to_float32(base[start : start + _ROWS_AT_ONCE])
