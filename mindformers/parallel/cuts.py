"""How a weight is cut into parts for several devices, and put together again. No device is needed here.

Cut(0)           rows:     the outputs of a projection, heads, tokens of a vocabulary
Cut(1)           columns:  the inputs of a projection
Cut(0, groups=E) rows, evenly inside each of E experts:

      | e0 e0 e0 e0 | e1 e1 e1 e1 |   ->   | e0 e0 | e1 e1 |  and  | e0 e0 | e1 e1 |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cut:
    """How one array is cut.

    Args:
        axis: along which.
        groups: equal stretches of the axis; every part takes its share of each of them.

    An axis that the parts do not divide is filled up with zeros at its end.
    """

    axis: int
    groups: int = 1

    def part_length(self, length: int, count: int) -> int:
        """The length of a part's axis."""
        return -(-length // (self.groups * count)) * self.groups

    def part(self, whole: np.ndarray, place: int, count: int) -> np.ndarray:
        """Part `place` of `count`."""
        size = self.part_length(whole.shape[self.axis], count)
        front = np.moveaxis(whole, self.axis, 0)
        front = np.concatenate([front, np.zeros((size * count - len(front), *front.shape[1:]), front.dtype)])
        rows = front.reshape(self.groups, count, -1, *front.shape[1:])[:, place]
        return np.ascontiguousarray(np.moveaxis(rows.reshape(size, *front.shape[1:]), 0, self.axis))

    def whole(self, parts: Sequence[np.ndarray], length: int) -> np.ndarray:
        """All parts together; `length` is that of the whole axis."""
        fronts = [np.moveaxis(part, self.axis, 0) for part in parts]
        grouped = [front.reshape(self.groups, -1, *front.shape[1:]) for front in fronts]
        front = np.concatenate(grouped, axis=1).reshape(-1, *fronts[0].shape[1:])[:length]
        return np.ascontiguousarray(np.moveaxis(front, 0, self.axis))

    def part_shape(self, shape: Sequence[int], count: int) -> tuple[int, ...]:
        """The shape of a part."""
        size = self.part_length(shape[self.axis], count)
        return tuple(size if axis == self.axis else length for axis, length in enumerate(shape))
