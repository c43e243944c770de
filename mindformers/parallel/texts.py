"""Texts that the processes of a run tell each other."""

from __future__ import annotations

import numpy as np

from mindformers.parallel.mesh import Group, Mesh
from mindformers.parallel.spreading import gathered

_WORD = np.dtype("<i4")  # which every device sends


def gathered_texts(text: str, mesh: Mesh) -> list[str]:
    """The texts of all processes, by rank; all must call this at the same moment."""
    if mesh.size == 1:
        return [text]
    content, everyone = text.encode(), Group(mesh.size, mesh.rank, mesh.data_group.name)
    lengths = gathered(np.asarray([len(content)], _WORD), everyone).reshape(-1)
    words = np.zeros(-(-int(lengths.max()) // _WORD.itemsize) + 1, _WORD)
    words.view(np.uint8)[: len(content)] = np.frombuffer(content, np.uint8)
    rows = gathered(words, everyone)
    return [row.view(np.uint8)[:length].tobytes().decode() for row, length in zip(rows, lengths, strict=True)]
