"""Questions with the answer Yes or No: area under the ROC curve, and accuracy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mindformers.evaluation.metrics.estimate import Estimate, mean_estimate
from mindformers.evaluation.metrics.metric import Metric, Pairs, Unmeasured, register_metric

if TYPE_CHECKING:
    import numpy as np

SOFT_AUC, HARD_AUC, ACCURACY = "AUC from P(Yes)", "AUC from hard labels", "accuracy"
_LABEL = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)
_NEITHER = 0.5  # ranks between No and Yes: an answer that takes no side wins and loses nothing
_NO_PROBABILITY = Unmeasured(
    "needs P(Yes)",
    "AUC from P(Yes) needs the column P(Yes), which predict writes into a .tsv from the benchmark's files",
)
_ONE_CLASS = Unmeasured("one class", "AUC needs ground truths of both kinds, Yes and No")


@register_metric("auc")
class Auc(Metric):
    """Area under the ROC curve of Yes against No, from the model's probability and from the answer it wrote."""

    packages = ("numpy",)

    def estimates(self, pairs: Pairs) -> dict[str, Estimate | Unmeasured]:
        """Rows `AUC from P(Yes)` and `AUC from hard labels`."""
        is_yes = [label_of(truth) == 1 for truth in pairs.truths]
        if all(is_yes) or not any(is_yes):
            return dict.fromkeys((SOFT_AUC, HARD_AUC), _ONE_CLASS)
        soft = _NO_PROBABILITY if None in pairs.probabilities else auc(is_yes, pairs.probabilities)
        return {SOFT_AUC: soft, HARD_AUC: auc(is_yes, [label_of(output) for output in pairs.outputs])}

    def remarks(self, pairs: Pairs) -> list[str]:
        """How many outputs take no side."""
        neither = sum(label_of(output) == _NEITHER for output in pairs.outputs)
        if not neither:
            return []
        return [
            f"{neither} of {len(pairs)} outputs begin with neither Yes nor No: they rank between the two in the AUC"
            " from hard labels and are wrong in the accuracy"
        ]


@register_metric("yes_no_accuracy")
class YesNoAccuracy(Metric):
    """Share of outputs that begin with the right one of Yes and No."""

    def estimates(self, pairs: Pairs) -> dict[str, Estimate]:
        """Row `accuracy`."""
        both = zip(pairs.truths, pairs.outputs, strict=True)
        return {ACCURACY: mean_estimate([label_of(truth) == label_of(output) for truth, output in both])}


def label_of(answer: str) -> float:
    """1 for an answer that begins with the word Yes, 0 for No, 0.5 for neither."""
    found = _LABEL.match(answer)
    return _NEITHER if found is None else float(found[1].lower() == "yes")


def auc(is_positive: Sequence[bool], scores: Sequence[float]) -> Estimate:
    """The share of pairs of a positive and a negative item in which the positive has the higher score; ties count half.

    Args:
        is_positive: the true class of each item, both kinds there.
        scores: higher for the positive class.
    """
    import numpy as np

    values, group = np.unique(np.asarray(scores, dtype=np.float64), return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(len(values)))
    positive = np.asarray(is_positive, dtype=np.float64)

    def resample(draws: np.ndarray) -> np.ndarray:
        wins = np.add.reduceat((draws * positive)[:, order], starts, axis=1)
        losses = np.add.reduceat((draws * (1 - positive))[:, order], starts, axis=1)
        below = np.cumsum(losses, axis=1) - losses
        total = wins.sum(axis=1) * losses.sum(axis=1)
        found = (wins * (below + losses / 2)).sum(axis=1)
        return np.divide(found, total, out=np.full(len(draws), np.nan), where=total > 0)

    return Estimate(float(resample(np.ones((1, len(positive))))[0]), resample)
