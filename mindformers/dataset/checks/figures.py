"""Sizes and labels of a set: lengths by modality, molecules by weight, how often each label stands."""

from __future__ import annotations

import heapq
from array import array
from collections import Counter
from typing import Any

import numpy as np

from mindformers.dataset.checks.rows import Checked
from mindformers.dataset.stable import stable_number

_FEW_ROWS = 5
_LISTED_LABELS = 200
_EXAMPLES = 12


class SetFigures:
    """Counts the rows of one set as they come."""

    def __init__(self) -> None:
        self.rows = 0
        self.lengths: dict[str, array[int]] = {}
        self.whole = array("i")
        self.heavy_atoms = array("i")
        self.weights = array("d")
        self.labels: Counter[str] = Counter()
        self.labelled_rows = 0
        self._examples: list[tuple[int, str]] = []

    def add(self, row: Checked) -> None:
        """Count a row that can be read."""
        self.rows += 1
        for modality, length in row.lengths.items():
            self.lengths.setdefault(modality, array("i")).append(length)
        if row.num_tokens is not None:
            self.whole.append(row.num_tokens)
        if row.formula:
            self.heavy_atoms.append(row.formula[0])
            self.weights.append(row.formula[1])
            self._keep_example(row.molecules[0])
        self.labels.update(row.labels)
        self.labelled_rows += bool(row.labels)

    @property
    def examples(self) -> list[str]:
        """A dozen molecules, the same in every run, small ones first."""
        return sorted((smiles for _, smiles in self._examples), key=len)

    def has_labels(self) -> bool:
        """Whether the short answers repeat enough to be labels."""
        return bool(self.labels) and 2 * len(self.labels) <= max(self.labels.total(), 2)

    def summary(self, unit: str) -> dict[str, Any]:
        """The figures by name; `unit` says what lengths are counted in."""
        summary: dict[str, Any] = {
            "rows": self.rows,
            "unit": unit,
            "lengths": {name: spread(values) for name, values in self.lengths.items()},
        }
        if len(self.whole):
            summary["tokens_per_row"] = spread(self.whole)
        if len(self.weights):
            summary["heavy_atoms"], summary["molecular_weight"] = spread(self.heavy_atoms), spread(self.weights)
        return summary

    def _keep_example(self, smiles: str) -> None:
        item = (-stable_number("example", 0, smiles), smiles)
        if item in self._examples:
            return
        if len(self._examples) < _EXAMPLES:
            heapq.heappush(self._examples, item)
        else:
            heapq.heappushpop(self._examples, item)


def spread(values: array) -> dict[str, float]:
    """Number, sum, smallest, mean, median, 95th percentile and largest of some values, at least one."""
    numbers = np.frombuffer(values, values.typecode)
    return {
        "rows": len(numbers),
        "sum": round(float(numbers.sum()), 2),
        "min": round(float(numbers.min()), 2),
        "mean": round(float(numbers.mean()), 2),
        "median": round(float(np.median(numbers)), 2),
        "p95": round(float(np.percentile(numbers, 95)), 2),
        "max": round(float(numbers.max()), 2),
    }


def label_coverage(train: SetFigures, test: SetFigures | None) -> dict[str, Any] | None:
    """Which labels stand how often, and which of the test set training lacks; None where rows have no labels."""
    if not train.has_labels():
        return None
    coverage: dict[str, Any] = {
        "labels": len(train.labels),
        "labelled_rows": train.labelled_rows,
        "labels_in_fewer_than_5_rows": sum(count < _FEW_ROWS for count in train.labels.values()),
        "most_frequent": _listed(train.labels),
    }
    if test is not None:
        missing = Counter({name: count for name, count in test.labels.items() if name not in train.labels})
        coverage.update(
            test_labels=len(test.labels),
            test_labels_not_in_train=len(missing),
            test_rows_per_missing_label=_listed(missing),
            train_labels_not_in_test=sum(name not in test.labels for name in train.labels),
        )
    return coverage


def _listed(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_LISTED_LABELS])
