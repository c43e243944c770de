"""The most similar of many fingerprints, for many: |A and B| of whole blocks as one matrix product.

                  training fingerprints, few bits ------------------------> many bits
    questions     [  bound too low  ][ product ][ product ][ bound too low ][ bound ... ]
    of one block                     <- begins where the bit counts are alike

With a and b bits, the similarity |A and B| / |A or B| is at most min(a, b) / max(a, b) (Swamidass and Baldi, 2007), so
chunks whose numbers of bits lie too far away are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mindformers.tools.progress import Progress

_CHUNK, _BLOCK = 4096, 512  # training fingerprints and questions at once: 32 MB and 4 MB of float32 at 2,048 bits


def nearest(training: np.ndarray, questions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The training fingerprint that is most similar to each question; among equally similar ones the first.

    Args:
        training: packed bits uint8 [N, bytes], at least one.
        questions: packed bits uint8 [Q, bytes].

    Returns:
        int64 [Q], its row, and float32 [Q], the Tanimoto similarity from 0 to 1 (0 where neither has a bit).
    """
    chunks = list(_chunks(training))
    found, best = np.zeros(len(questions), np.int64), np.full(len(questions), -1.0, np.float32)
    counts = bit_counts(questions)
    order = np.argsort(counts, kind="stable")
    with Progress("searching neighbours", len(questions), "molecules") as progress:
        for start in range(0, len(order), _BLOCK):
            rows = order[start : start + _BLOCK]
            found[rows], best[rows] = _search(chunks, training, _unpacked(questions[rows]), counts[rows])
            progress.update(len(rows))
    return found, best


def bit_counts(packed: np.ndarray) -> np.ndarray:
    """How many bits are set, float32 [N], of packed bits uint8 [N, bytes]."""
    return _BITS_OF_BYTE[packed].sum(axis=1, dtype=np.float32)


def _chunks(training: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows with similar numbers of bits, each chunk in the order of the file, and those numbers."""
    counts = bit_counts(training)
    order = np.argsort(counts, kind="stable")
    for start in range(0, len(order), _CHUNK):
        rows = np.sort(order[start : start + _CHUNK])
        yield rows, counts[rows]


def _search(
    chunks: list[tuple[np.ndarray, np.ndarray]], training: np.ndarray, block: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    found, best = np.zeros(len(block), np.int64), np.full(len(block), -1.0, np.float32)
    for rows, sizes in sorted(chunks, key=lambda chunk: abs(chunk[1].mean() - counts.mean())):
        if (_most(counts, sizes.min(), sizes.max()) < best).all():
            continue
        common = block @ _unpacked(training[rows]).T
        common /= np.maximum(counts[:, None] + sizes - common, 1)
        places = common.argmax(axis=1)
        values = common[np.arange(len(block)), places]
        is_better = (values > best) | ((values == best) & (rows[places] < found))
        found, best = np.where(is_better, rows[places], found), np.where(is_better, values, best)
    return found, best


def _most(counts: np.ndarray, fewest: float, most: float) -> np.ndarray:
    """The highest similarity that fingerprints of `fewest` to `most` bits can have with each question."""
    nearest_size = np.clip(counts, fewest, most)
    return np.minimum(counts, nearest_size) / np.maximum(np.maximum(counts, nearest_size), 1)


def _unpacked(packed: np.ndarray) -> np.ndarray:
    return np.unpackbits(packed, axis=1).astype(np.float32)


_BITS_OF_BYTE = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)
