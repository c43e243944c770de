"""Means over a tree of categories: of a category's own members and its sub-categories, then of the categories above."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

Path = tuple[str, ...]


class CategoryAverage:
    """The averages of one tree.

    Args:
        categories: for each member the categories above it, from the top.

    Attributes:
        top: the top categories, as paths, in their first order.
    """

    def __init__(self, categories: Sequence[Path]) -> None:
        self.members: dict[Path, list[int]] = {}
        self.children: dict[Path, list[Path]] = {(): []}
        for number, path in enumerate(categories):
            self._add(path)
            self.members.setdefault(path, []).append(number)
        self.top = self.children[()]

    def _add(self, path: Path) -> None:
        if path not in self.children:
            self._add(path[:-1])
            self.children[path[:-1]].append(path)
            self.children[path] = []

    def of(self, scores: np.ndarray, category: Path = (), empty: float = 1.0) -> np.ndarray:
        """The score of a category.

        Args:
            scores: of the members, float64 [draws, members]; nan where a member has none.
            category: its path; () is the whole.
            empty: what a category without any score counts in the one above; nan leaves it out.

        Returns:
            float64 [draws]; `empty` where no score is below the category.
        """
        import numpy as np

        columns = [scores[:, self.members.get(category, [])]]
        columns += [self.of(scores, child, empty)[:, None] for child in self.children[category]]
        joined = np.concatenate(columns, axis=1)
        is_there = ~np.isnan(joined)
        totals, counts = np.where(is_there, joined, 0.0).sum(axis=1), is_there.sum(axis=1)
        return np.divide(totals, counts, out=np.full(len(joined), empty), where=counts > 0)

    def has_scores(self, scores: np.ndarray, category: Path) -> bool:
        """Whether a member below a category has a score, float64 [members]."""
        import numpy as np

        own = self.members.get(category, [])
        below = (self.has_scores(scores, child) for child in self.children[category])
        return not np.isnan(scores[own]).all() or any(below)

    def details(self, scores: np.ndarray) -> dict[str, Any]:
        """Precision, recall and F1 of every category, by its path, empty sub-categories left out.

        Args:
            scores: precision, recall and F1 of the members, float64 [3, members].

        Returns:
            `Biomedical/antis` -> the three scores, null where there is none, and how many members have an F1.
        """
        import numpy as np

        found: dict[str, Any] = {}
        for category in self.children:
            values = [float(self.of(kind[None], category, float("nan"))[0]) for kind in scores]
            precision, recall, f1 = (None if np.isnan(value) else value for value in values)
            num_scored = int((~np.isnan(scores[2][self.members.get(category, [])])).sum())
            row = {"precision": precision, "recall": recall, "F1": f1, "scored properties": num_scored}
            found["/".join(category) or "all"] = row
        return found
