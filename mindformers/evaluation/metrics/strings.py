"""Metrics on the raw strings."""

from __future__ import annotations

from mindformers.evaluation.metrics.estimate import Estimate, mean_estimate
from mindformers.evaluation.metrics.metric import Metric, Pairs, register_metric


@register_metric("levenshtein")
class Levenshtein(Metric):
    """Mean edit distance in characters (insert, delete, replace cost 1 each); lower is better."""

    packages = ("rapidfuzz",)

    def estimates(self, pairs: Pairs) -> dict[str, Estimate]:
        """Row `Levenshtein`."""
        from rapidfuzz.distance import Levenshtein as Distance

        return {"Levenshtein": mean_estimate(list(map(Distance.distance, pairs.outputs, pairs.truths)))}
