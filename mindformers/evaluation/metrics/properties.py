"""Property precision, recall and F1 of L+M-24 (Edwards et al., 2024, section 5), as its evaluation scripts define them.

A property is in a caption where the tokens of its name stand there in a row. Over all items each property has counts of
hits (in both captions), false ones (in the output alone) and missed ones (in the ground truth alone), and from them its

    precision = hits / (hits + false)    recall = hits / (hits + missed)    F1 = 2 hits / (2 hits + false + missed)

or none, where that is 0 / 0. A category's score is the mean over its own properties that have one and over its
sub-categories; the whole score is the mean over the top categories. A category without any scored property counts 1 in
the final evaluation of L+M-24, whose results are published, and 0 in the evaluation kit: both are reported.

Held-out combinations: a pair of properties counts as one statement, and hits, false and missed ones are added up over
all pairs and items before the three quotients are taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

from mindformers.evaluation.metrics.estimate import Estimate, ratio_estimate
from mindformers.evaluation.metrics.metric import Metric, Pairs, Unmeasured, register_metric
from mindformers.evaluation.metrics.phrases import PhraseFinder
from mindformers.evaluation.metrics.property_average import CategoryAverage

if TYPE_CHECKING:
    import numpy as np

    from mindformers.evaluation.property_tree import Leaf
    from mindformers.evaluation.words import Words

EMPTY_ONE, EMPTY_ZERO = "(empty category = 1)", "(empty category = 0)"
KINDS = ("precision", "recall", "F1")
_NO_COMBINATION = Unmeasured("none there", "no held-out combination stands in a ground truth or an output")
_NO_PROPERTY = Unmeasured("none there", "no property of the tree stands in a ground truth or an output")


@register_metric("properties")
class PropertyScores(Metric):
    """Rows for the whole tree, its top categories and the held-out combinations.

    Args:
        leaves: the properties with their categories.
        combinations: pairs of properties that were held out of training; none leaves their rows out.
    """

    def __init__(self, leaves: Sequence[Leaf], combinations: Sequence[tuple[str, str]] = ()) -> None:
        self.leaves, self.combinations = leaves, combinations

    def estimates(self, pairs: Pairs) -> dict[str, Estimate | Unmeasured]:
        """Rows `property <kind> (empty category = 1|0)`, `property <kind>: <category>`, `held-out <kind>`."""
        statements = self._statements(pairs)
        rows = self._tree_rows(statements)
        return rows | (self._combination_rows(statements, pairs.words) if self.combinations else {})

    def remarks(self, pairs: Pairs) -> list[str]:
        """How many categories are empty, which moves one of the two conventions up and the other down."""
        average, scores = self._average(), self._statements(pairs).scores(None)[2, 0]
        empty = sum(not average.has_scores(scores, category) for category in average.children)
        if not empty:
            return []
        return [
            f"{empty} of {len(average.children) - 1} property categories have nothing to score here: each counts 1 in"
            " the final evaluation of L+M-24, whose results are published, and 0 in its evaluation kit"
        ]

    def details(self, pairs: Pairs) -> dict[str, Any]:
        """Under `categories` the scores of every category at every depth; empty sub-categories are left out there."""
        return {"categories": self._average().details(self._statements(pairs).scores(None)[:, 0])}

    def _average(self) -> CategoryAverage:
        return CategoryAverage([leaf.categories for leaf in self.leaves])

    def _statements(self, pairs: Pairs) -> Statements:
        names = [leaf.name for leaf in self.leaves] + [name for pair in self.combinations for name in pair]
        return Statements(names, [leaf.name for leaf in self.leaves], pairs)

    def _tree_rows(self, statements: Statements) -> dict[str, Estimate | Unmeasured]:
        average = self._average()
        places = [(f" {EMPTY_ONE}", (), 1.0), (f" {EMPTY_ZERO}", (), 0.0)]
        places += [(f": {category[0]} {EMPTY_ONE}", category, 1.0) for category in average.top]
        rows: dict[str, Estimate | Unmeasured] = {}
        for label, category, empty in places:
            is_there = average.has_scores(statements.scores(None)[2, 0], category)
            for kind, name in enumerate(KINDS):
                again = partial(_averaged, statements, average, kind, category, empty)
                rows[f"property {name}{label}"] = Estimate(float(again(None)[0]), again) if is_there else _NO_PROPERTY
        return rows

    def _combination_rows(self, statements: Statements, words: Words) -> dict[str, Estimate | Unmeasured]:
        numbers = (tuple(sorted(statements.number(name) for name in pair)) for pair in self.combinations)
        hits, false, missed = statements.of_combinations(Counter(numbers))
        quotients = (hits, hits + false), (hits, hits + missed), (2 * hits, 2 * hits + false + missed)
        rows: dict[str, Estimate | Unmeasured] = {}
        for name, (parts, wholes) in zip(KINDS, quotients, strict=True):
            rows[f"held-out {name}"] = ratio_estimate(parts, wholes) if wholes.sum() else _NO_COMBINATION
        return rows


class Statements:
    """Which properties the ground truths and the outputs state.

    Args:
        names: all properties that are looked for.
        counted: those that `scores` scores, in its order.
        pairs: the captions.
    """

    def __init__(self, names: Sequence[str], counted: Sequence[str], pairs: Pairs) -> None:
        names = list(dict.fromkeys(names))
        tokens = dict(zip(names, pairs.words.search_tokens(names), strict=True))
        self._finder = PhraseFinder(tokens.values())
        self._number = {name: self._finder.number(found) for name, found in tokens.items()}
        self._counted = [self._number[name] for name in counted]
        self.truths = [self._finder.found_in(found) for found in pairs.words.search_tokens(pairs.truths)]
        self.outputs = [self._finder.found_in(found) for found in pairs.words.search_tokens(pairs.outputs)]
        self._known: tuple[Any, np.ndarray] | None = None
        self._incidences: list[tuple[np.ndarray, np.ndarray]] | None = None

    def number(self, name: str) -> int:
        """The number that stands for a property in `truths` and `outputs`."""
        return self._number[name]

    def scores(self, draws: np.ndarray | None) -> np.ndarray:
        """Precision, recall and F1, float64 [3, draws, properties], nan for 0 / 0; None draws every item once."""
        import numpy as np

        if self._known is None or self._known[0] is not draws:  # all rows ask for the scores of the same draws
            weights = np.ones((1, len(self.truths))) if draws is None else draws
            counts = [self._sums(items, numbers, weights) for items, numbers in self._places()]
            self._known = draws, _quotients(*(kind[:, self._counted] for kind in counts))
        return self._known[1]

    def of_combinations(self, combinations: Counter[tuple[int, ...]]) -> np.ndarray:
        """Hits, false and missed pairs of each item, float64 [3, items]."""
        import numpy as np

        rows = []
        for truth, output in zip(self.truths, self.outputs, strict=True):
            wanted, said = (_pairs_in(found, combinations) for found in (truth, output))
            sides = wanted & said, said - wanted, wanted - said
            rows.append([sum(combinations[pair] for pair in side) for side in sides])
        return np.array(rows, dtype=np.float64).T

    def _places(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Items and property numbers of the hits, of the false and of the missed statements."""
        import numpy as np

        if self._incidences is None:
            both = list(zip(self.truths, self.outputs, strict=True))
            kinds = [t & o for t, o in both], [o - t for t, o in both], [t - o for t, o in both]
            self._incidences = []
            for sets in kinds:
                items = np.repeat(np.arange(len(sets)), [len(found) for found in sets])
                numbers = np.array([number for found in sets for number in found], dtype=np.int64)
                self._incidences.append((items, numbers))
        return self._incidences

    def _sums(self, items: np.ndarray, numbers: np.ndarray, weights: np.ndarray) -> np.ndarray:
        import numpy as np

        return np.stack([np.bincount(numbers, row[items], minlength=len(self._finder)) for row in weights])


def _pairs_in(found: Iterable[int], combinations: Counter[tuple[int, ...]]) -> set[tuple[int, ...]]:
    return {pair for pair in combinations_with_replacement(sorted(found), 2) if pair in combinations}


def _averaged(
    statements: Statements,
    average: CategoryAverage,
    kind: int,
    category: tuple[str, ...],
    empty: float,
    draws: np.ndarray | None,
) -> np.ndarray:
    return average.of(statements.scores(draws)[kind], category, empty)


def _quotients(hits: np.ndarray, false: np.ndarray, missed: np.ndarray) -> np.ndarray:
    import numpy as np

    parts = np.stack([hits, hits, 2 * hits])
    wholes = np.stack([hits + false, hits + missed, 2 * hits + false + missed])
    return np.divide(parts, wholes, out=np.full(parts.shape, np.nan), where=wholes > 0)
