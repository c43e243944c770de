"""Answers in a strict format: JSON lists of triples (extraction) or of labels (classification)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from mindformers.evaluation.metrics.estimate import Estimate, mean_estimate, ratio_estimate, share_estimate
from mindformers.evaluation.metrics.metric import Metric, Pairs, register_metric

_FENCE = re.compile(r"\A\s*```[a-z]*\s*(.*?)\s*(?:```\s*)?\Z", re.DOTALL)
_PARTS = ("subject", "predicate", "object")

Triple = tuple[str, str, str]


def parsed(text: str) -> Any:
    """The JSON list or object of an answer, bare or in a code fence; None where there is none.

    A line break that stands written as two characters, as in files of answers, is one.
    """
    text = text.replace("\\n", "\n")
    fenced = _FENCE.match(text)
    try:
        value = json.loads(fenced[1] if fenced else text, strict=False)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list | dict) else None


def triples(value: Any) -> set[Triple]:
    """The (subject, predicate, object) of a list of objects; what lacks a part is none."""
    rows = value if isinstance(value, list) else [value]
    found = (tuple(row.get(part) for part in _PARTS) for row in rows if isinstance(row, dict))
    return {tuple(map(str, row)) for row in found if None not in row}


def labels(value: Any) -> set[str] | None:
    """The labels of a list of texts; None for anything else."""
    if not isinstance(value, list) or not value or not all(isinstance(label, str) for label in value):
        return None
    return {label.strip() for label in value}


@register_metric("json")
class ValidJson(Metric):
    """Share of the outputs that are a JSON list or object."""

    def estimates(self, pairs: Pairs) -> dict[str, Estimate]:
        """Row `valid JSON`."""
        return {"valid JSON": mean_estimate([float(parsed(output) is not None) for output in pairs.outputs])}


@register_metric("triples")
class TripleF1(Metric):
    """Harmonic mean of precision and recall over all triples of the items whose ground truth has some.

    A triple counts when subject, predicate and object are all the same text.
    """

    def estimates(self, pairs: Pairs) -> dict[str, Estimate]:
        """Row `triple F1`; nan where no ground truth has a triple."""
        both = [
            (triples(parsed(truth)), triples(parsed(output)))
            for truth, output in zip(pairs.truths, pairs.outputs, strict=True)
        ]
        is_counted = [bool(truth) for truth, _ in both]
        hits = [2.0 * len(truth & said) * counts for (truth, said), counts in zip(both, is_counted, strict=True)]
        sizes = [float(len(truth) + len(said)) * counts for (truth, said), counts in zip(both, is_counted, strict=True)]
        return {"triple F1": ratio_estimate(hits, sizes)}


@register_metric("labels")
class LabelAccuracy(Metric):
    """Share of the items whose ground truth is a list of labels for which the output is a list of the same ones."""

    def estimates(self, pairs: Pairs) -> dict[str, Estimate]:
        """Row `label accuracy`."""
        wanted: Sequence[set[str] | None] = [labels(parsed(truth)) for truth in pairs.truths]
        said = [labels(parsed(output)) for output in pairs.outputs]
        right = [float(truth == one) for truth, one in zip(wanted, said, strict=True)]
        return {"label accuracy": share_estimate(right, [truth is not None for truth in wanted])}
